"""Two rankings of the same passages become one: by their scores, or by their ranks alone.

By scores a passage that leads clearly counts for more than one that leads by a hair. Each ranking's
scores are brought to 0..1 within what it found: the vectors' from the last hit to the first, for
no similarity is "none" in every space; BM25's from zero, which means no word in common.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from core.rag.vectors import VectorHit


@dataclass(frozen=True, kw_only=True)
class Weights:
    """How much each ranking counts.

    `k` 0 fuses by scores; more than 0 is reciprocal rank fusion, where a larger one flattens the
    difference between neighbouring ranks.
    """

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
) -> list[Candidate]:
    """The chunks of either ranking, best first. First in both would score 1."""
    near = {hit.chunk_id: (rank, hit.similarity) for rank, hit in enumerate(vector, start=1)}
    worded = {found: (rank, bm25) for rank, (found, bm25) in enumerate(lexical, start=1)}
    candidates = []
    for chunk_id, score in ranked(vector, lexical, weights):
        vector_rank, similarity = near.get(chunk_id, _NOWHERE)
        lexical_rank, bm25 = worded.get(chunk_id, _NOWHERE)
        candidates.append(
            Candidate(
                chunk_id=chunk_id,
                score=score,
                vector_rank=vector_rank,
                similarity=similarity,
                lexical_rank=lexical_rank,
                bm25=bm25,
            )
        )
    return candidates


def ranked(
    vector: Sequence[VectorHit],
    lexical: Sequence[tuple[UUID, float]],
    weights: Weights,
) -> list[tuple[UUID, float]]:
    """Only the order of it, with the scores: for who tries many weights."""
    by_meaning = _shares([hit.similarity for hit in vector], weights.k, is_from_zero=False)
    by_words = _shares([bm25 for _, bm25 in lexical], weights.k, is_from_zero=True)
    total = weights.vector + weights.lexical
    fused = {
        hit.chunk_id: weights.vector / total * share
        for hit, share in zip(vector, by_meaning, strict=True)
    }
    for (chunk_id, _), share in zip(lexical, by_words, strict=True):
        fused[chunk_id] = fused.get(chunk_id, 0.0) + weights.lexical / total * share
    scores = sorted((-score, chunk_id.int, chunk_id) for chunk_id, score in fused.items())
    return [(chunk_id, -negative) for negative, _, chunk_id in scores]


def _shares(scores: Sequence[float], k: int, *, is_from_zero: bool) -> list[float]:
    """What each hit of a ranking, best first, is worth: the best 1, none below 0."""
    if k > 0:
        return [(k + 1) / (k + rank) for rank in range(1, len(scores) + 1)]
    if not scores:
        return []
    low = 0.0 if is_from_zero else scores[-1]
    spread = scores[0] - low
    return [(score - low) / spread if spread > 0 else 1.0 for score in scores]
