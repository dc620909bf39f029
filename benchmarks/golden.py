"""Golden sets for retrieval: files of JSON lines, and the figures that a ranking earns on them."""

import json
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

CUT = 10


@dataclass(frozen=True, kw_only=True)
class Question:
    text: str
    headline: str
    relevant: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class GoldenSet:
    """`documents` maps an id to title and text."""

    documents: dict[str, tuple[str, str]]
    answerable: list[Question]
    unanswerable: list[str]


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


def load(folder: Path) -> GoldenSet:
    """Reads `*documents*.jsonl` and every line with a `query` in the other `*.jsonl` files."""
    documents: dict[str, tuple[str, str]] = {}
    answerable, unanswerable = [], []
    for path in sorted(folder.glob("*.jsonl")):
        for row in _rows(path):
            if "query" not in row:
                documents[row["id"]] = (row.get("title") or row["id"], row["text"])
            elif row.get("answerable", bool(row.get("relevant"))):
                answerable.append(_question(row))
            else:
                unanswerable.append(row["query"])
    if not documents or not answerable:
        raise SystemExit(f"{folder} holds no documents or no questions as .jsonl")
    return GoldenSet(documents=documents, answerable=answerable, unanswerable=unanswerable)


def rank(rankings: Sequence[Sequence[UUID]], relevant: Sequence[frozenset[UUID]]) -> RankingFigures:
    """Figures of rankings of documents. Recall counts a question with any hit."""
    pairs = list(zip(rankings, relevant, strict=True))
    firsts = [_first_hit(ranking, wanted) for ranking, wanted in pairs]
    return RankingFigures(
        recall_1=_share(first <= 1 for first in firsts),
        recall_5=_share(first <= 5 for first in firsts),
        recall_10=_share(first <= 10 for first in firsts),
        mrr_10=statistics.fmean(1 / first if first <= CUT else 0.0 for first in firsts),
        ndcg_10=statistics.fmean(_ndcg(ranking, wanted) for ranking, wanted in pairs),
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
        answerable_recall=_share(answerable),
    )


def _rows(path: Path) -> Iterable[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines if line.strip())


def _question(row: dict[str, Any]) -> Question:
    return Question(
        text=row["query"],
        headline=row.get("short_query") or row["query"],
        relevant=frozenset(row["relevant"]),
    )


def _first_hit(ranking: Sequence[UUID], relevant: frozenset[UUID]) -> float:
    places = (place for place, found in enumerate(ranking, start=1) if found in relevant)
    return next(places, math.inf)


def _ndcg(ranking: Sequence[UUID], relevant: frozenset[UUID]) -> float:
    gains = (
        1 / math.log2(place + 1)
        for place, found in enumerate(ranking[:CUT], start=1)
        if found in relevant
    )
    ideal = sum(1 / math.log2(place + 1) for place in range(1, min(len(relevant), CUT) + 1))
    return sum(gains) / ideal if ideal else 0.0


def _share(answers: Iterable[bool]) -> float:
    counted = list(answers)
    return sum(counted) / len(counted) if counted else 0.0
