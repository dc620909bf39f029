"""Figures computed by hand, and what holds for any ranking."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as some

from core.evaluation.metrics import latency, ndcg, rank, refusal

A, B, C, D = (UUID(int=number) for number in range(1, 5))


def test_recall_mrr_and_ndcg_as_computed_by_hand() -> None:
    figures = rank([[A, B], [C, D, A]], [frozenset({A}), frozenset({A, B})])
    assert (figures.recall_1, figures.recall_5, figures.recall_10) == (0.5, 1.0, 1.0)
    assert figures.mrr_10 == pytest.approx((1 + 1 / 3) / 2)
    # The second: gain 1/log2(4) = 0.5 of the ideal 1 + 1/log2(3).
    assert figures.ndcg_10 == pytest.approx((1 + 0.5 / 1.63093) / 2, rel=1e-5)


def test_what_comes_after_the_tenth_counts_for_nothing() -> None:
    others = [UUID(int=number) for number in range(10, 20)]
    figures = rank([[*others, A]], [frozenset({A})])
    assert (figures.recall_10, figures.mrr_10, figures.ndcg_10) == (0.0, 0.0, 0.0)


def test_refusal_as_computed_by_hand() -> None:
    figures = refusal([True, True, True, False], [False, False, True])
    assert figures.precision == pytest.approx(2 / 3)  # of three refused two rightly
    assert figures.recall == pytest.approx(2 / 3)  # of three to refuse two were
    assert figures.f1 == pytest.approx(2 / 3)
    assert figures.answerable_recall == 0.75


def test_nothing_asked_is_nothing_measured() -> None:
    assert refusal([], []).f1 == 0.0
    assert rank([], []).recall_5 == 0.0
    assert latency([]).p95 == 0.0


def test_the_95th_percentile_is_a_time_that_was_measured() -> None:
    figures = latency([second / 1000 for second in range(1, 101)])
    assert figures.p50 == pytest.approx(50.5)
    assert figures.p95 == pytest.approx(95.0)
    assert latency([0.2]).p95 == pytest.approx(200.0)


ids = some.integers(min_value=1, max_value=12).map(lambda number: UUID(int=number))
rankings = some.lists(ids, max_size=12)
wanted = some.frozensets(ids, min_size=1)


@given(rankings, wanted)
def test_figures_lie_between_zero_and_one_and_recall_grows(
    ranking: list[UUID], relevant: frozenset[UUID]
) -> None:
    figures = rank([ranking], [relevant])
    assert 0 <= figures.recall_1 <= figures.recall_5 <= figures.recall_10 <= 1
    assert figures.recall_1 <= figures.mrr_10 <= figures.recall_10
    assert 0 <= figures.ndcg_10 <= 1 + 1e-9


@given(rankings, wanted)
def test_the_best_order_has_all_the_gain_there_is(
    ranking: list[UUID], relevant: frozenset[UUID]
) -> None:
    ideal = sorted(relevant) + [one for one in ranking if one not in relevant]
    assert ndcg(ideal, relevant) == pytest.approx(1.0)


@given(some.lists(some.booleans(), min_size=1), some.lists(some.booleans(), min_size=1))
def test_f1_lies_between_precision_and_recall(known: list[bool], unknown: list[bool]) -> None:
    figures = refusal(known, unknown)
    low, high = sorted((figures.precision, figures.recall))
    assert low - 1e-9 <= figures.f1 <= high + 1e-9
