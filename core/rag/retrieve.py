"""Find the passages that may answer a question: by meaning and by words, fused, then judged."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from core.rag import gate, lexical
from core.rag.fusion import Candidate, fuse
from core.rag.gate import Evidence, Verdict
from core.rag.ingest import context
from core.rag.lexical import LexicalMatch
from core.rag.spaces import Spaces
from core.rag.tokenize import terms
from core.rag.vectors import VectorHit, VectorStore, VectorStoreError, VectorsUnavailable
from shared.database import DatabaseManager
from shared.errors import ModelError
from shared.models import knowledge
from shared.models.knowledge import ChunkText

CANDIDATES = 50
# Neighbouring chunks overlap: reading a few more than asked for leaves k distinct ones.
SPARE = 15
# The verdict looks at the best passages, and at how many are among the first of both rankings.
JUDGED = 5
AGREEING_RANKS = 10


@dataclass(frozen=True, kw_only=True)
class Found:
    """A passage, how it got here, and the share of the question's information in it."""

    chunk: ChunkText
    candidate: Candidate
    coverage: float


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """`degraded` means that the search went by words alone."""

    found: Sequence[Found] = ()
    verdict: Verdict = field(default_factory=Verdict)
    degraded: bool = False


@dataclass(frozen=True, kw_only=True)
class Nearest:
    """What the vectors say; `space` None when there is none or it is away."""

    space: str | None = None
    hits: Sequence[VectorHit] = ()
    degraded: bool = False


class Retriever:
    """Asks Chroma and Postgres at once. Without Chroma, or its embedder, it goes by words."""

    def __init__(self, database: DatabaseManager, vectors: VectorStore, spaces: Spaces) -> None:
        self._database = database
        self._vectors = vectors
        self._spaces = spaces

    async def retrieve(self, creator_id: UUID, query: str, k: int) -> Retrieval:
        """The best k passages of a creator with a verdict on whether they answer."""
        nearest, match = await asyncio.gather(
            self._nearest(creator_id, query), self._lexical(creator_id, query)
        )
        space = nearest.space if nearest.hits else None
        candidates = fuse(nearest.hits, match.hits, gate.calibration_for(space).weights)
        texts = await self._read(creator_id, [one.chunk_id for one in candidates[: k + SPARE]])
        found = [
            _found(texts[one.chunk_id], one, match) for one in candidates if one.chunk_id in texts
        ]
        return Retrieval(
            found=_distinct(found)[:k],
            verdict=gate.judge(space, _evidence(found, match)),
            degraded=nearest.degraded or (space is None and match.chunks > 0),
        )

    async def _nearest(self, creator_id: UUID, query: str) -> Nearest:
        space = await self._spaces.active(creator_id)
        if space is None:
            return Nearest()
        try:
            embedder = await self._spaces.embedder(space.name)
            if embedder is None:
                return Nearest(degraded=True)
            [vector] = await embedder.embed([query], kind="query")
            hits = await self._vectors.query(creator_id, space.name, vector, CANDIDATES)
        except (ModelError, VectorStoreError, VectorsUnavailable):
            return Nearest(degraded=True)
        return Nearest(space=space.name, hits=hits)

    async def _lexical(self, creator_id: UUID, query: str) -> LexicalMatch:
        async with self._database.transaction(creator_id) as db:
            return await lexical.search(db, creator_id, query, CANDIDATES)

    async def _read(self, creator_id: UUID, ids: Sequence[UUID]) -> dict[UUID, ChunkText]:
        async with self._database.transaction(creator_id) as db:
            return await knowledge.read_chunks(db, creator_id, ids)


def _found(chunk: ChunkText, candidate: Candidate, match: LexicalMatch) -> Found:
    words = frozenset(terms(f"{context(chunk.title, chunk.heading)}\n{chunk.text}"))
    return Found(
        chunk=chunk, candidate=candidate, coverage=lexical.coverage(match.idf_by_term, words)
    )


def _distinct(found: Sequence[Found]) -> list[Found]:
    """Without the neighbours of a better passage: they overlap it."""
    kept: list[Found] = []
    for one in found:
        if not any(_are_neighbours(one.chunk, other.chunk) for other in kept):
            kept.append(one)
    return kept


def _are_neighbours(one: ChunkText, other: ChunkText) -> bool:
    return (
        one.document_id == other.document_id
        and one.heading == other.heading
        and abs(one.ordinal - other.ordinal) == 1
    )


def _evidence(found: Sequence[Found], match: LexicalMatch) -> Evidence:
    """Only passages that could be read under this creator count."""
    if not found:
        return Evidence()
    unit = match.unseen_idf
    total = sum(match.idf_by_term.values())
    coverage = max(one.coverage for one in found[:JUDGED])
    return Evidence(
        similarity=max(one.candidate.similarity or 0.0 for one in found),
        coverage=coverage,
        matched=coverage * total / unit,
        known=lexical.coverage(match.idf_by_term, match.known),
        bm25=max(one.candidate.bm25 or 0.0 for one in found) / unit,
        agreement=sum(_is_in_both(one.candidate) for one in found) / AGREEING_RANKS,
    )


def _is_in_both(candidate: Candidate) -> bool:
    ranks = (candidate.vector_rank, candidate.lexical_rank)
    return all(rank is not None and rank <= AGREEING_RANKS for rank in ranks)
