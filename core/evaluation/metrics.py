"""The figures that rankings, refusals and waiting times earn. Pure."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

CUT = 10


@dataclass(frozen=True, kw_only=True)
class RankingFigures:
    recall_1: float
    recall_5: float
    recall_10: float
    mrr_10: float
    ndcg_10: float


@dataclass(frozen=True, kw_only=True)
class RefusalFigures:
    """Of refusing: right among the refused, refused among the wrong ones, and both in one."""

    precision: float
    recall: float
    f1: float
    answerable_recall: float


@dataclass(frozen=True, kw_only=True)
class LatencyFigures:
    """Milliseconds."""

    p50: float
    p95: float


def rank(rankings: Sequence[Sequence[UUID]], relevant: Sequence[frozenset[UUID]]) -> RankingFigures:
    """Figures of rankings of documents. Recall counts a question with any hit."""
    pairs = list(zip(rankings, relevant, strict=True))
    firsts = [first_hit(ranking, wanted) for ranking, wanted in pairs]
    return RankingFigures(
        recall_1=share(first <= 1 for first in firsts),
        recall_5=share(first <= 5 for first in firsts),
        recall_10=share(first <= 10 for first in firsts),
        mrr_10=mean(1 / first if first <= CUT else 0.0 for first in firsts),
        ndcg_10=mean(ndcg(ranking, wanted) for ranking, wanted in pairs),
    )


def refusal(answerable: Sequence[bool], unanswerable: Sequence[bool]) -> RefusalFigures:
    """From the verdicts on questions that have an answer and on ones that have none."""
    refused_rightly = unanswerable.count(False)
    refused = refused_rightly + answerable.count(False)
    precision = refused_rightly / refused if refused else 0.0
    recall = refused_rightly / len(unanswerable) if unanswerable else 0.0
    both = precision + recall
    return RefusalFigures(
        precision=precision,
        recall=recall,
        f1=2 * precision * recall / both if both else 0.0,
        answerable_recall=share(answerable),
    )


def latency(seconds: Sequence[float]) -> LatencyFigures:
    """The median and the time that 19 of 20 stay below, by the nearest rank."""
    ordered = sorted(seconds)
    if not ordered:
        return LatencyFigures(p50=0.0, p95=0.0)
    nearest = ordered[math.ceil(0.95 * len(ordered)) - 1]
    return LatencyFigures(p50=statistics.median(ordered) * 1000, p95=nearest * 1000)


def first_hit(ranking: Sequence[UUID], relevant: frozenset[UUID]) -> float:
    """The place of the first relevant document, from 1; infinity when there is none."""
    places = (place for place, found in enumerate(ranking, start=1) if found in relevant)
    return next(places, math.inf)


def ndcg(ranking: Sequence[UUID], relevant: frozenset[UUID]) -> float:
    """Discounted gain among the first ten by that of the best ranking possible, from 0 to 1.

    A document that stands there twice, with two passages, gains once.
    """
    first = ranking[:CUT]
    gains = (
        1 / math.log2(place + 1)
        for place, found in enumerate(first, start=1)
        if found in relevant and found not in first[: place - 1]
    )
    ideal = sum(1 / math.log2(place + 1) for place in range(1, min(len(relevant), CUT) + 1))
    return sum(gains) / ideal if ideal else 0.0


def share(answers: Iterable[bool]) -> float:
    counted = list(answers)
    return sum(counted) / len(counted) if counted else 0.0


def mean(values: Iterable[float]) -> float:
    listed = list(values)
    return statistics.fmean(listed) if listed else 0.0
