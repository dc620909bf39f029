"""Fit the verdict on whether a question can be answered, and the weights of fusion. Pure.

The verdict is a logistic model of the evidence. More evidence never makes it less sure, so that a
small set of questions cannot teach it nonsense: what would count against is left out.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from core.evaluation.metrics import RefusalFigures, refusal
from core.rag.fusion import Weights
from core.rag.gate import Calibration, Evidence

Floats = NDArray[np.float64]
Indexes = NDArray[np.intp]

PARTS = tuple(field.name for field in fields(Evidence))
FOLDS = 5
# Ridge on standardised parts: as strong as a few dozen questions, weak against hundreds.
RIDGE = 3.0
STEPS = 50
SMALLEST = 1e-9
# The promise is 0.9; what is fitted on some questions does a little worse on others.
ANSWERABLE_RECALL = 0.9
RECALL_AIM = 0.92


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What was found for a question; forms of one question share a `group`."""

    evidence: Evidence
    is_answerable: bool
    group: int


def fit(samples: Sequence[Sample], weights: Weights, name: str = "fitted") -> Calibration:
    """The model that tells the answerable from the rest, and its threshold."""
    parts = np.array([astuple(sample.evidence) for sample in samples], dtype=np.float64)
    truth = np.array([sample.is_answerable for sample in samples], dtype=np.float64)
    middle, scale = parts.mean(axis=0), parts.std(axis=0)
    used = [index for index in range(len(PARTS)) if scale[index] > SMALLEST]
    while True:
        scaled = (parts[:, used] - middle[used]) / scale[used]
        bias, slopes = _logistic(scaled, truth)
        if not used or slopes.min() >= 0:
            break
        del used[int(slopes.argmin())]
    raw = slopes / scale[used]
    slope_by_part = {PARTS[index]: float(slope) for index, slope in zip(used, raw, strict=True)}
    fitted = Calibration(
        name=name, weights=weights, bias=float(bias - raw @ middle[used]), **slope_by_part
    )
    return replace(fitted, threshold=_threshold(fitted, samples))


def judge(calibration: Calibration, samples: Sequence[Sample]) -> RefusalFigures:
    """How a calibration does on questions it may or may not have been fitted on."""
    verdicts = [calibration.confidence(s.evidence) >= calibration.threshold for s in samples]
    return figures(samples, verdicts)


def held_out(samples: Sequence[Sample], weights: Weights, count: int = FOLDS) -> RefusalFigures:
    """How the fit does on questions it has not seen: each is judged by a fit on the others."""
    verdicts = np.zeros(len(samples), dtype=bool)
    for seen, unseen in folds([sample.group for sample in samples], count):
        fitted = fit([samples[index] for index in seen], weights)
        for index in unseen:
            confidence = fitted.confidence(samples[index].evidence)
            verdicts[index] = confidence >= fitted.threshold
    return figures(samples, verdicts.tolist())


def figures(samples: Sequence[Sample], verdicts: Sequence[bool]) -> RefusalFigures:
    pairs = list(zip(samples, verdicts, strict=True))
    return refusal(
        [verdict for sample, verdict in pairs if sample.is_answerable],
        [verdict for sample, verdict in pairs if not sample.is_answerable],
    )


def worth(found: RefusalFigures) -> float:
    """One figure to compare by: the F1 of refusing, less what answerable recall lacks."""
    return found.f1 - max(0.0, ANSWERABLE_RECALL - found.answerable_recall)


def folds(groups: Sequence[int], count: int) -> list[tuple[Indexes, Indexes]]:
    """Splits into seen and unseen, never through a group. The same groups, the same splits."""
    distinct = sorted(set(groups))
    order = np.random.default_rng(0).permutation(len(distinct))
    fold_by_group = {distinct[place]: rank % count for rank, place in enumerate(order)}
    fold = np.array([fold_by_group[group] for group in groups])
    splits = [(np.flatnonzero(fold != one), np.flatnonzero(fold == one)) for one in range(count)]
    return [(seen, unseen) for seen, unseen in splits if len(seen) and len(unseen)]


def choose(scores: Floats, in_use: int, groups: Sequence[int], margin: float) -> int:
    """The best of several ways by their score for each question (a row a way, a column a question).

    Another than the one in use is chosen only when choosing like this also wins on questions
    that had no part in the choice.
    """
    chosen_unseen = np.zeros(scores.shape[1])
    for seen, unseen in folds(groups, FOLDS):
        chosen_unseen[unseen] = scores[scores[:, seen].mean(axis=1).argmax()][unseen]
    if chosen_unseen.mean() < scores[in_use].mean() + margin:
        return in_use
    return int(scores.mean(axis=1).argmax())


def _logistic(parts: Floats, truth: Floats) -> tuple[float, Floats]:
    """Bias and slopes by Newton's method; both classes weigh the same however many there are."""
    count, width = parts.shape
    design = np.hstack([np.ones((count, 1)), parts])
    share = np.where(truth == 1, truth.mean(), 1 - truth.mean())
    importance = 0.5 / np.maximum(share, SMALLEST)
    ridge = RIDGE * np.diag([SMALLEST, *[1.0] * width])
    solution = np.zeros(width + 1)
    for _ in range(STEPS):
        guess = _sigmoid(design @ solution)
        slope = design.T @ (importance * (guess - truth)) + ridge @ solution
        curve = importance * guess * (1 - guess)
        step = np.linalg.solve((design.T * curve) @ design + ridge, slope)
        solution -= step
        if np.abs(step).max() < SMALLEST:
            break
    return float(solution[0]), solution[1:]


def _sigmoid(totals: Floats) -> Floats:
    bounded: Floats = 1 / (1 + np.exp(-np.clip(totals, -50, 50)))
    return bounded


def _threshold(calibration: Calibration, samples: Sequence[Sample]) -> float:
    """Where refusing is best among the thresholds that let enough answerable questions pass."""
    confidences = np.array([calibration.confidence(sample.evidence) for sample in samples])
    truth = np.array([sample.is_answerable for sample in samples], dtype=bool)
    levels = np.unique(confidences)
    between = np.concatenate([[levels[0] / 2], (levels[1:] + levels[:-1]) / 2])
    best = max(between, key=lambda level: _value(confidences >= level, truth))
    return float(best)


def _value(verdicts: NDArray[np.bool_], truth: NDArray[np.bool_]) -> tuple[bool, float]:
    found = refusal(verdicts[truth].tolist(), verdicts[~truth].tolist())
    return found.answerable_recall >= RECALL_AIM, found.f1
