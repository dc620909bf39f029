"""Two rankings become one."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


BY_SCORES = Weights(vector=1, lexical=1, k=0)


def near(*hits: tuple[UUID, float]) -> list[VectorHit]:
    return [VectorHit(chunk_id=found, similarity=similarity) for found, similarity in hits]


def test_by_scores_a_clear_lead_counts_for_more_than_a_narrow_one() -> None:
    vector = near((A, 0.90), (B, 0.89), (C, 0.50))
    ranked = fuse(vector, [(B, 9.0), (A, 3.0)], BY_SCORES)
    assert [one.chunk_id for one in ranked] == [B, A, C]
    assert ranked[0].score == pytest.approx((0.975 + 1) / 2)


def test_by_scores_first_in_both_scores_one_and_last_in_one_nothing() -> None:
    ranked = fuse(near((A, 0.9), (B, 0.2)), [(A, 2.0)], BY_SCORES)
    assert [one.score for one in ranked] == [1, 0]


def test_by_scores_one_hit_is_the_best_there_is() -> None:
    assert [one.score for one in fuse(near((A, -0.3)), [], BY_SCORES)] == [0.5]


similarities = st.lists(st.floats(-1, 1), max_size=8).map(lambda found: sorted(found)[::-1])
lexical_scores = st.lists(st.floats(0.001, 50), max_size=8).map(lambda found: sorted(found)[::-1])


@given(similarities, lexical_scores, st.integers(0, 60), st.integers(0, 8))
def test_scores_are_from_zero_to_one_and_sorted(
    vector: list[float], lexical: list[float], k: int, shift: int
) -> None:
    meant = near(*((UUID(int=i), similarity) for i, similarity in enumerate(vector)))
    worded = [(UUID(int=i + shift), score) for i, score in enumerate(lexical)]
    scores = [one.score for one in fuse(meant, worded, Weights(vector=0.7, lexical=0.3, k=k))]
    assert scores == sorted(scores, reverse=True)
    assert all(-1e-9 <= score <= 1 + 1e-9 for score in scores)
    assert len(scores) == len({hit.chunk_id for hit in meant} | {found for found, _ in worded})


def test_nothing_gives_nothing() -> None:
    assert fuse([], [], EVEN) == []
