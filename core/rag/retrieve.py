"""Find the passages that may answer a question: by meaning and by words, fused, then judged."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from core.rag import found, gate, lexical, rerank
from core.rag.found import JUDGED, Found
from core.rag.fusion import Weights, fuse
from core.rag.gate import BuiltIn, Calibrations, Evidence, Verdict
from core.rag.lexical import LexicalMatch
from core.rag.neighbours import AROUND
from core.rag.rerank import Reranker
from core.rag.spaces import Spaces
from core.rag.tokenize import words
from core.rag.vectors import VectorHit, VectorStore, VectorStoreError, VectorsUnavailable
from shared.database import DatabaseManager
from shared.errors import ModelError
from shared.models import embeddings, passages
from shared.models.passages import PassageText

CANDIDATES = 50
# Neighbouring chunks overlap: reading a few more than asked for leaves k distinct ones.
SPARE = 15
# As many as a reranker looks at.
RERANKED = 15
REMEMBERED_CREATORS = 10_000
# A sum of floats may miss 1 by a little.
WHOLE = 0.999
# A space is kept for longer than this after it ceased to be the active one (see steps.py).
FRESH_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """`degraded` means that the search went by words alone.

    `space`, `calibration` and `evidence` are what the verdict rests on, unless the question stands
    there itself.
    """

    found: Sequence[Found] = ()
    verdict: Verdict = field(default_factory=Verdict)
    degraded: bool = False
    space: str | None = None
    calibration: str = ""
    weights: Weights | None = None
    evidence: Evidence = field(default_factory=Evidence)
    is_literal: bool = False

    @property
    def is_covered(self) -> bool:
        """Whether the best passage has every telling word of the question."""
        return bool(self.found) and self.found[0].coverage >= WHOLE


@dataclass(frozen=True, kw_only=True)
class Nearest:
    """What the vectors say; `space` None when there is none or it is away."""

    space: str | None = None
    hits: Sequence[VectorHit] = ()
    degraded: bool = False


@dataclass(frozen=True, kw_only=True)
class Worded:
    """What the words say, with texts that are read already."""

    match: LexicalMatch
    texts: Mapping[UUID, PassageText]


class Retriever:
    """Asks Chroma and Postgres at once. Without Chroma, or its embedder, it goes by words."""

    def __init__(
        self,
        database: DatabaseManager,
        vectors: VectorStore,
        spaces: Spaces,
        calibrations: Calibrations | None = None,
        reranker: Reranker | None = None,
    ) -> None:
        self._database = database
        self._vectors = vectors
        self._spaces = spaces
        self._calibrations = calibrations or BuiltIn()
        self._reranker = reranker
        # A guess, so that both searches start at once; every answer checks it.
        self._last_space: dict[UUID, str] = {}

    async def retrieve(self, creator_id: UUID, query: str, k: int) -> Retrieval:
        """The best k passages of a creator with a verdict on whether they answer."""
        worded, nearest = await self._both(creator_id, query, k + SPARE)
        match = worded.match
        space = nearest.space if nearest.hits else None
        calibration = await self._calibrations.of(creator_id, space)
        fused = fuse(nearest.hits, match.hits, calibration.weights)
        candidates = found.worth_reading(fused, k + SPARE)
        texts = await self._read(creator_id, [one.chunk_id for one in candidates], worded.texts)
        # An id of another creator, or of a chunk that is gone, has no text here.
        readable = [one for one in candidates if one.chunk_id in texts]
        asked = words(query)
        shown = found.best(readable, texts, match, asked, max(k, JUDGED, self._looked_at()))
        is_literal = bool(shown) and found.asks(shown[0].chunk, asked)
        told = found.evidence(readable, shown, match)
        return Retrieval(
            found=(await self._reranked(query, shown))[:k],
            verdict=gate.judge(calibration, told, is_literal=is_literal),
            degraded=nearest.degraded or (space is None and match.chunks > 0),
            space=space,
            calibration=calibration.name,
            weights=calibration.weights,
            evidence=told,
            is_literal=is_literal,
        )

    async def _both(self, creator_id: UUID, query: str, reading: int) -> tuple[Worded, Nearest]:
        """The words and, at the same time, the vectors of the space that is active."""
        started = time.monotonic()
        guess = self._last_space.get(creator_id)
        # The vectors take longer, so they go first.
        nearest, worded = await asyncio.gather(
            self._by_meaning(creator_id, guess, query), self._by_words(creator_id, query, reading)
        )
        space = worded.match.space
        if space != guess:
            self._remember(creator_id, space)
            nearest = await self._by_meaning(creator_id, space, query)
        if time.monotonic() - started > FRESH_SECONDS:
            nearest = await self._again_if_moved(creator_id, space, query, nearest)
        return worded, nearest

    def _looked_at(self) -> int:
        return RERANKED if self._reranker else 0

    async def _reranked(self, query: str, shown: Sequence[Found]) -> Sequence[Found]:
        scores = await rerank.scores(self._reranker, query, [one.chunk.text for one in shown])
        if scores is None:
            return shown
        scored = [replace(one, rerank=score) for one, score in zip(shown, scores, strict=True)]
        return sorted(scored, key=lambda one: -(one.rerank or 0.0))

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

    async def _by_words(self, creator_id: UUID, query: str, reading: int) -> Worded:
        """Ranks by words; tells in the same statement which space is the active one."""
        async with self._database.transaction(creator_id) as db:
            match = await lexical.search(db, creator_id, query, CANDIDATES)
            # Of few chunks both searches find much the same: what these found is read while Chroma
            # looks. Of many, the vectors find others, which have to be read after it anyway.
            best = match.hits[:reading] if match.chunks <= CANDIDATES else ()
            ids = [chunk_id for chunk_id, _ in best]
            texts = await passages.read(db, creator_id, ids, around=AROUND)
        return Worded(match=match, texts=texts)

    def _remember(self, creator_id: UUID, space: str | None) -> None:
        if space is not None:
            self._last_space.pop(creator_id, None)
            self._last_space[creator_id] = space
        if len(self._last_space) > REMEMBERED_CREATORS:
            del self._last_space[next(iter(self._last_space))]

    async def _read(
        self, creator_id: UUID, ids: Sequence[UUID], known: Mapping[UUID, PassageText]
    ) -> Mapping[UUID, PassageText]:
        """The texts of those that were not read with the words."""
        missing = [one for one in ids if one not in known]
        if not missing:
            return known
        async with self._database.transaction(creator_id) as db:
            return {**known, **await passages.read(db, creator_id, missing, around=AROUND)}
