"""Find the passages that may answer a question: by meaning and by words, fused, then judged."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from core.rag import gate, lexical
from core.rag.chunk import SEPARATOR
from core.rag.fusion import Candidate, fuse
from core.rag.gate import BuiltIn, Calibrations, Evidence, Verdict
from core.rag.lexical import LexicalMatch
from core.rag.spaces import Spaces
from core.rag.tokenize import terms, words
from core.rag.vectors import VectorHit, VectorStore, VectorStoreError, VectorsUnavailable
from shared.database import DatabaseManager
from shared.errors import ModelError
from shared.models import chunks, embeddings
from shared.models.chunks import ChunkText

CANDIDATES = 50
# Neighbouring chunks overlap: reading a few more than asked for leaves k distinct ones.
SPARE = 15
# The verdict looks at the best passages, and at how many are among the first of both rankings.
JUDGED = 5
AGREEING_RANKS = 10
REMEMBERED_CREATORS = 10_000
# A space is kept for longer than this after it ceased to be the active one (see steps.py).
FRESH_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Found:
    """A passage, how it got here, and the share of the question's information in it."""

    chunk: ChunkText
    candidate: Candidate
    coverage: float


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """`degraded` means that the search went by words alone.

    `space` and `evidence` are what the verdict rests on, unless the question stands there itself.
    """

    found: Sequence[Found] = ()
    verdict: Verdict = field(default_factory=Verdict)
    degraded: bool = False
    space: str | None = None
    evidence: Evidence = field(default_factory=Evidence)
    is_literal: bool = False


@dataclass(frozen=True, kw_only=True)
class Nearest:
    """What the vectors say; `space` None when there is none or it is away."""

    space: str | None = None
    hits: Sequence[VectorHit] = ()
    degraded: bool = False


class Retriever:
    """Asks Chroma and Postgres at once. Without Chroma, or its embedder, it goes by words."""

    def __init__(
        self,
        database: DatabaseManager,
        vectors: VectorStore,
        spaces: Spaces,
        calibrations: Calibrations | None = None,
    ) -> None:
        self._database = database
        self._vectors = vectors
        self._spaces = spaces
        self._calibrations = calibrations or BuiltIn()
        # A guess, so that both searches start at once; every answer checks it.
        self._last_space: dict[UUID, str] = {}

    async def retrieve(self, creator_id: UUID, query: str, k: int) -> Retrieval:
        """The best k passages of a creator with a verdict on whether they answer."""
        started = time.monotonic()
        guess = self._last_space.get(creator_id)
        (active, match), nearest = await asyncio.gather(
            self._by_words(creator_id, query), self._by_meaning(creator_id, guess, query)
        )
        if active != guess:
            self._remember(creator_id, active)
            nearest = await self._by_meaning(creator_id, active, query)
        if time.monotonic() - started > FRESH_SECONDS:
            nearest = await self._again_if_moved(creator_id, active, query, nearest)
        space = nearest.space if nearest.hits else None
        calibration = await self._calibrations.of(creator_id, space)
        candidates = fuse(nearest.hits, match.hits, calibration.weights)
        texts = await self._read(creator_id, [one.chunk_id for one in candidates[: k + SPARE]])
        # An id of another creator, or of a chunk that is gone, has no text here.
        readable = [one for one in candidates if one.chunk_id in texts]
        asked = words(query)
        best = _distinct(_literal_first(readable, texts, asked), texts)[: max(k, JUDGED)]
        found = [_found(texts[one.chunk_id], one, match) for one in best]
        is_literal = bool(found) and _asks(found[0].chunk, asked)
        evidence = _evidence(readable, found, match)
        return Retrieval(
            found=found[:k],
            verdict=gate.judge(calibration, evidence, is_literal=is_literal),
            degraded=nearest.degraded or (space is None and match.chunks > 0),
            space=space,
            evidence=evidence,
            is_literal=is_literal,
        )

    async def _by_meaning(self, creator_id: UUID, space: str | None, query: str) -> Nearest:
        if space is None:
            return Nearest()
        try:
            embedder = await self._spaces.embedder(space)
            if embedder is None:
                return Nearest(degraded=True)
            [vector] = await embedder.embed([query], kind="query")
            hits = await self._vectors.query(creator_id, space, vector, CANDIDATES)
        except (ModelError, VectorStoreError, VectorsUnavailable):
            return Nearest(degraded=True)
        return Nearest(space=space, hits=hits)

    async def _again_if_moved(
        self, creator_id: UUID, asked: str | None, query: str, nearest: Nearest
    ) -> Nearest:
        """What was found slowly may be half of a space that a migration is dropping."""
        async with self._database.transaction(creator_id) as db:
            active = await embeddings.active_space(db, creator_id)
        if active is None or active.name == asked:
            return nearest
        self._remember(creator_id, active.name)
        return await self._by_meaning(creator_id, active.name, query)

    async def _by_words(self, creator_id: UUID, query: str) -> tuple[str | None, LexicalMatch]:
        """Ranks by words; tells in the same transaction which space is the active one."""
        async with self._database.transaction(creator_id) as db:
            space = await embeddings.active_space(db, creator_id)
            match = await lexical.search(db, creator_id, query, CANDIDATES)
        return space.name if space else None, match

    def _remember(self, creator_id: UUID, space: str | None) -> None:
        if space is not None:
            self._last_space.pop(creator_id, None)
            self._last_space[creator_id] = space
        if len(self._last_space) > REMEMBERED_CREATORS:
            del self._last_space[next(iter(self._last_space))]

    async def _read(self, creator_id: UUID, ids: Sequence[UUID]) -> dict[UUID, ChunkText]:
        async with self._database.transaction(creator_id) as db:
            return await chunks.read_chunks(db, creator_id, ids)


def _found(chunk: ChunkText, candidate: Candidate, match: LexicalMatch) -> Found:
    found = terms(f"{chunk.title}\n{chunk.heading}\n{chunk.text}")
    return Found(
        chunk=chunk, candidate=candidate, coverage=lexical.coverage(match.idf_by_term, found)
    )


def _asks(chunk: ChunkText, asked: Sequence[str]) -> bool:
    """Whether a passage's own heading is the very question."""
    return bool(asked) and words(chunk.heading.rpartition(SEPARATOR)[2]) == asked


def _literal_first(
    ranked: Sequence[Candidate], texts: Mapping[UUID, ChunkText], asked: Sequence[str]
) -> list[Candidate]:
    # Stop words tell "How can I sleep better?" from its neighbours, and neither ranking has them.
    return sorted(ranked, key=lambda one: not _asks(texts[one.chunk_id], asked))


def _distinct(ranked: Sequence[Candidate], texts: Mapping[UUID, ChunkText]) -> list[Candidate]:
    """Without the neighbours of a better passage: they overlap it."""
    kept: list[Candidate] = []
    for one in ranked:
        chunk = texts[one.chunk_id]
        if not any(_are_neighbours(chunk, texts[other.chunk_id]) for other in kept):
            kept.append(one)
    return kept


def _are_neighbours(one: ChunkText, other: ChunkText) -> bool:
    return (
        one.document_id == other.document_id
        and one.heading == other.heading
        and abs(one.ordinal - other.ordinal) == 1
    )


def _evidence(
    readable: Sequence[Candidate], found: Sequence[Found], match: LexicalMatch
) -> Evidence:
    """Only passages that could be read under this creator count."""
    if not found:
        return Evidence()
    unit = match.unseen_idf
    coverage = max(one.coverage for one in found[:JUDGED])
    return Evidence(
        similarity=max(one.similarity or 0.0 for one in readable),
        coverage=coverage,
        matched=coverage * sum(match.idf_by_term.values()) / unit,
        known=lexical.coverage(match.idf_by_term, match.known),
        bm25=max(one.bm25 or 0.0 for one in readable) / unit,
        agreement=sum(map(_is_in_both, readable)) / AGREEING_RANKS,
    )


def _is_in_both(candidate: Candidate) -> bool:
    ranks = (candidate.vector_rank, candidate.lexical_rank)
    return all(rank is not None and rank <= AGREEING_RANKS for rank in ranks)
