"""Whether a space that was filled may be read from: counts, a spot check, recall old against new.

Recall is measured on a sample of the creator's own chunks: each must find itself. Where golden sets
were asked in both spaces (`cairn eval retrieval`), their scores are compared as well.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from core.llm.base import Embedder
from core.rag.backfill import passage_text
from core.rag.spaces import Spaces
from core.rag.vectors import VectorStore, VectorStoreError, VectorsUnavailable
from shared.database import DatabaseManager
from shared.errors import ModelError, ModelUnavailable
from shared.models import embeddings, evaluations, ledger
from shared.models.embeddings import PendingChunk
from shared.models.evaluations import EvaluationRecord

SHARE = 100  # one chunk in so many is checked
LEAST, MOST = 20, 200
# A model may round differently from batch to batch; another model's vectors agree by chance only.
MIN_COSINE = 0.98
FOUND_AMONG = 10
# A sample says a recall to about this much.
TOLERANCE = 0.05
MIN_RECALL = 0.8  # where the old space cannot be asked


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What a golden set scored in both spaces."""

    dataset: str
    old: float
    new: float


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What was measured. `lost`: vectors that Chroma should have and has not, for all repairs.

    `recall_old` is None where the old space's embedder is away. Fewer vectors stored than chunks
    are documents that came this moment: the switch itself waits for those.
    """

    chunks: int
    stored: int
    lost: int
    repaired: int
    strays: int
    sampled: int
    min_cosine: float
    recall_old: float | None
    recall_new: float
    golden: Sequence[Scores] = ()

    @property
    def faults(self) -> list[str]:
        found = []
        if self.lost:
            found.append(f"{self.lost} of {self.chunks} vectors are lost")
        if self.sampled and self.min_cosine < MIN_COSINE:
            found.append(f"a stored vector differs from a fresh one: cosine {self.min_cosine:.3f}")
        least = MIN_RECALL if self.recall_old is None else self.recall_old - TOLERANCE
        if self.sampled and self.recall_new < least:
            found.append(f"recall {self.recall_new:.3f} is below {least:.3f}")
        found += [
            f"{one.dataset} scores {one.new:.3f}, the old space {one.old:.3f}"
            for one in self.golden
            if one.new < one.old
        ]
        return found

    def shown(self) -> dict[str, Any]:
        return {**asdict(self), "passed": not self.faults}


class Verification:
    """Reads only, but for what it repairs: vectors that Chroma lost, and ones that nobody knows."""

    def __init__(self, database: DatabaseManager, vectors: VectorStore, spaces: Spaces) -> None:
        self._database = database
        self._vectors = vectors
        self._spaces = spaces

    async def missing(self, creator_id: UUID, space: str) -> int:
        """Mark what Chroma lost of a space to be stored again; how many vectors those are."""
        async with self._database.transaction(creator_id) as db:
            known = await ledger.stored_ids(db, creator_id, space)
        lost = list(known - await self._vectors.ids(creator_id, space))
        if lost:
            async with self._database.transaction(creator_id) as db:
                await ledger.mark_missing(db, creator_id, space, lost)
        return len(lost)

    async def measure(
        self, creator_id: UUID, *, old: str, new: str, seed: str, lost: int, repaired: int
    ) -> Figures:
        """Raises ModelUnavailable when the new space's embedder is away, and VectorsUnavailable."""
        async with self._database.transaction(creator_id) as db:
            counted = await ledger.count_stored(db, creator_id, new)
            limit = min(max(LEAST, math.ceil(counted.stored / SHARE)), MOST)
            sample = await ledger.sample(db, creator_id, new, limit, seed)
        return Figures(
            chunks=counted.expected,
            stored=counted.stored,
            lost=lost,
            repaired=repaired,
            strays=await self._remove_strays(creator_id, new),
            sampled=len(sample),
            min_cosine=await self._min_cosine(creator_id, new, sample),
            recall_old=await self._recall_or_none(creator_id, old, sample),
            recall_new=await self._recall(creator_id, new, sample),
            golden=await self._golden(creator_id, old, new),
        )

    async def _golden(self, creator_id: UUID, old: str, new: str) -> list[Scores]:
        async with self._database.transaction(creator_id) as db:
            before = await evaluations.newest(db, creator_id, f"space {old}")
            after = await evaluations.newest(db, creator_id, f"space {new}")
        score_by_set = {one.dataset_hash: one for one in before if one.kind == "retrieval"}
        return [
            Scores(dataset=one.dataset, old=_score(known), new=_score(one))
            for one in after
            if one.kind == "retrieval" and (known := score_by_set.get(one.dataset_hash))
        ]

    async def _remove_strays(self, creator_id: UUID, space: str) -> int:
        held = await self._vectors.ids(creator_id, space)
        async with self._database.transaction(creator_id) as db:
            known = await embeddings.known_ids(db, creator_id, space)
        strays = list(held - known)
        if strays:
            await self._vectors.delete(creator_id, space, strays)
        return len(strays)

    async def _min_cosine(
        self, creator_id: UUID, space: str, sample: Sequence[PendingChunk]
    ) -> float:
        """The least likeness of a stored vector to one made now of the same text."""
        embedder = await self._embedder(space)
        fresh = await embedder.embed([passage_text(one) for one in sample], kind="passage")
        stored = await self._vectors.fetch(creator_id, space, [one.id for one in sample])
        pairs = zip(sample, fresh, strict=True)
        found = [_cosine(stored[one.id], vector) for one, vector in pairs if one.id in stored]
        return round(min(found, default=1.0), 6)

    async def _recall_or_none(
        self, creator_id: UUID, space: str, sample: Sequence[PendingChunk]
    ) -> float | None:
        try:
            return await self._recall(creator_id, space, sample)
        except (ModelError, VectorsUnavailable, VectorStoreError):
            return None

    async def _recall(self, creator_id: UUID, space: str, sample: Sequence[PendingChunk]) -> float:
        """The share of chunks that are among the nearest to their own text."""
        embedder = await self._embedder(space)
        asked = await embedder.embed([passage_text(one) for one in sample], kind="query")
        found = 0
        for chunk, vector in zip(sample, asked, strict=True):
            hits = await self._vectors.query(creator_id, space, vector, FOUND_AMONG)
            found += any(hit.chunk_id == chunk.id for hit in hits)
        return round(found / len(sample), 4) if sample else 1.0

    async def _embedder(self, space: str) -> Embedder:
        found = await self._spaces.embedder(space)
        if found is None:
            raise ModelUnavailable(f"the embedder of {space} is away")
        return found


def _score(record: EvaluationRecord) -> float:
    return float(record.figures.get("score", 0.0))


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    lengths = math.hypot(*one) * math.hypot(*other)
    return sum(x * y for x, y in zip(one, other, strict=True)) / lengths if lengths else 0.0
