"""Two rankings become one."""

from uuid import UUID

from core.rag.fusion import Weights, fuse
from core.rag.vectors import VectorHit

A, B, C = (UUID(int=n) for n in (1, 2, 3))
EVEN = Weights(vector=1, lexical=1, k=60)


def hits(*ids: UUID) -> list[VectorHit]:
    return [VectorHit(chunk_id=found, similarity=0.5) for found in ids]


def test_first_in_both_scores_one() -> None:
    [best] = fuse(hits(A), [(A, 7.0)], EVEN)
    assert best.score == 1
    assert (best.vector_rank, best.lexical_rank, best.bm25) == (1, 1, 7.0)


def test_agreement_beats_one_good_rank() -> None:
    ranked = fuse(hits(A, B), [(C, 2.0), (B, 1.0)], EVEN)
    assert [one.chunk_id for one in ranked] == [B, A, C]
    assert ranked[1].lexical_rank is None


def test_weights_decide_between_the_rankings() -> None:
    ranked = fuse(hits(A), [(B, 1.0)], Weights(vector=1, lexical=2, k=60))
    assert [one.chunk_id for one in ranked] == [B, A]


def test_nothing_gives_nothing() -> None:
    assert fuse([], [], EVEN) == []
