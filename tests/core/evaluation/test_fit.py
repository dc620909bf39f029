"""The fit of a verdict and of weights, on evidence made for it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from core.evaluation import fit
from core.evaluation.fit import Sample
from core.rag.fusion import Weights
from core.rag.gate import Evidence

WEIGHTS = Weights(vector=1.0, lexical=1.0, k=5)


def samples(count: int = 60, noise: float = 0.1) -> list[Sample]:
    """Answerable ones are nearer; what `bm25` says is the wrong way round."""
    random = np.random.default_rng(1)
    made = []
    for number in range(count):
        is_answerable = number % 3 > 0
        middle = 0.7 if is_answerable else 0.4
        evidence = Evidence(
            similarity=float(middle + noise * random.standard_normal()),
            coverage=float(random.random()),
            bm25=0.2 if is_answerable else 0.9,
        )
        made.append(Sample(evidence=evidence, is_answerable=is_answerable, group=number))
    return made


def test_it_learns_what_tells_them_apart() -> None:
    fitted = fit.fit(samples(noise=0.02), WEIGHTS)
    assert fitted.similarity > 1
    assert fit.judge(fitted, samples(noise=0.02)).f1 == 1.0


def test_more_evidence_never_counts_against_an_answer() -> None:
    fitted = fit.fit(samples(), WEIGHTS)
    assert fitted.bm25 == 0.0
    assert min(fitted.similarity, fitted.coverage, fitted.matched, fitted.known) >= 0


def test_the_threshold_lets_the_promised_share_of_answers_pass() -> None:
    made = samples(300, noise=0.3)  # far from separable
    figures = fit.judge(fit.fit(made, WEIGHTS), made)
    assert figures.answerable_recall >= fit.ANSWERABLE_RECALL
    assert 0 < figures.recall < 1


def test_the_same_questions_give_the_same_fit() -> None:
    assert fit.fit(samples(), WEIGHTS) == fit.fit(samples(), WEIGHTS)
    assert fit.held_out(samples(), WEIGHTS) == fit.held_out(samples(), WEIGHTS)


def test_unseen_questions_are_judged_by_a_fit_that_never_saw_them() -> None:
    # Labels by lot: a fit may remember what it saw, and must not shine on the rest.
    random = np.random.default_rng(2)
    lot = [
        replace(sample, is_answerable=bool(random.random() < 0.5), evidence=_noise(random))
        for sample in samples(80)
    ]
    seen, unseen = fit.judge(fit.fit(lot, WEIGHTS), lot), fit.held_out(lot, WEIGHTS)
    assert fit.worth(unseen) < fit.worth(seen)


def _noise(random: np.random.Generator) -> Evidence:
    return Evidence(**{part: float(random.random()) for part in fit.PARTS})


def test_forms_of_one_question_are_never_split() -> None:
    groups = [number // 2 for number in range(40)]
    for seen, unseen in fit.folds(groups, 5):
        assert not {groups[i] for i in seen} & {groups[i] for i in unseen}


@given(some.lists(some.integers(0, 9), min_size=2))
def test_every_question_is_unseen_once(groups: list[int]) -> None:
    unseen = [index for _, part in fit.folds(groups, 3) for index in part]
    assert len(unseen) == len(set(unseen))


def test_other_weights_need_to_win_on_unseen_questions_too() -> None:
    groups = list(range(40))
    in_use = np.full(40, 0.5)
    lucky = np.where(np.arange(40) % 2 == 0, 0.51, 0.49)
    better = np.full(40, 0.8)
    assert fit.choose(np.array([in_use, lucky]), 0, groups, 0.005) == 0
    assert fit.choose(np.array([in_use, lucky, better]), 0, groups, 0.005) == 2


def test_what_lacks_of_answerable_recall_is_taken_off() -> None:
    made = samples(noise=0.02)
    fitted = fit.fit(made, WEIGHTS)
    strict = replace(fitted, threshold=1.1)  # refuses everything
    assert fit.judge(strict, made).answerable_recall == 0.0
    assert fit.worth(fit.judge(strict, made)) == pytest.approx(0.5 - 0.9)
    assert fit.worth(fit.judge(fitted, made)) == pytest.approx(1.0)
