"""Weighted reciprocal rank fusion: two rankings of the same passages become one."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from core.rag.vectors import VectorHit


@dataclass(frozen=True, kw_only=True)
class Weights:
    """How much each ranking counts; `k` flattens the difference between neighbouring ranks."""

    vector: float
    lexical: float
    k: int


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A chunk with the ranks (from 1) and scores that brought it here; `score` is at most 1."""

    chunk_id: UUID
    score: float
    vector_rank: int | None = None
    similarity: float | None = None
    lexical_rank: int | None = None
    bm25: float | None = None


_NOWHERE: tuple[int | None, float | None] = (None, None)


def fuse(
    vector: Sequence[VectorHit],
    lexical: Sequence[tuple[UUID, float]],
    weights: Weights,
    *,
    limit: int | None = None,
) -> list[Candidate]:
    """The chunks of either ranking, best first. First in both would score 1."""
    near = {hit.chunk_id: (rank, hit.similarity) for rank, hit in enumerate(vector, start=1)}
    worded = {found: (rank, bm25) for rank, (found, bm25) in enumerate(lexical, start=1)}
    best = (weights.vector + weights.lexical) / (weights.k + 1)
    scores = []
    for chunk_id in near | worded:
        score = _share(weights.vector, weights.k, near.get(chunk_id, _NOWHERE)[0])
        score += _share(weights.lexical, weights.k, worded.get(chunk_id, _NOWHERE)[0])
        scores.append((-score / best, chunk_id))
    candidates = []
    for negative, chunk_id in sorted(scores)[:limit]:
        vector_rank, similarity = near.get(chunk_id, _NOWHERE)
        lexical_rank, bm25 = worded.get(chunk_id, _NOWHERE)
        candidates.append(
            Candidate(
                chunk_id=chunk_id,
                score=-negative,
                vector_rank=vector_rank,
                similarity=similarity,
                lexical_rank=lexical_rank,
                bm25=bm25,
            )
        )
    return candidates


def _share(weight: float, k: int, rank: int | None) -> float:
    return weight / (k + rank) if rank else 0.0
