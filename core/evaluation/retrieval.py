"""How well a creator's knowledge is found, and how often it is rightly refused to answer."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from core.evaluation.golden import GoldenSet
from core.evaluation.ground import Asked, Ground, Progress
from core.evaluation.metrics import latency, rank, refusal, share
from core.evaluation.rankings import Answered, ask

WAYS = ("vector", "lexical", "hybrid", "shown")
MAIN = "recall_5"


async def measure(
    ground: Ground,
    golden: GoldenSet,
    questions: Sequence[Asked],
    *,
    short: bool = False,
    progress: Progress,
) -> dict[str, Any]:
    """The figures of every way of searching, of refusing, and the waiting times."""
    answerable = await ask(ground, [one.question.form(short=short) for one in questions], progress)
    unanswerable = await ask(ground, golden.unanswerable, progress)
    return figures(answerable, unanswerable, [one.relevant for one in questions]) | {
        "space": await ground.space(),
        "skipped": len(golden.answerable) - len(questions),
    }


def figures(
    answerable: Sequence[Answered],
    unanswerable: Sequence[Answered],
    relevant: Sequence[frozenset[UUID]],
) -> dict[str, Any]:
    """`score` is the figure that versions are compared by."""
    ranking = {way: asdict(rank([getattr(a, way) for a in answerable], relevant)) for way in WAYS}
    both = [*answerable, *unanswerable]
    return {
        "score": ranking["hybrid"][MAIN],
        "score_name": MAIN,
        "questions": len(answerable),
        "unanswerable": len(unanswerable),
        "degraded": share(one.degraded for one in both),
        "ranking": ranking,
        "refusal": asdict(
            refusal(
                [one.is_answerable for one in answerable],
                [one.is_answerable for one in unanswerable],
            )
        ),
        "latency_ms": {
            "search": asdict(latency([one.search_seconds for one in both])),
            "bare vector query": asdict(latency([one.bare_seconds for one in both])),
        },
    }


def total(golden: GoldenSet, questions: Sequence[Asked]) -> int:
    """How many questions a progress bar counts."""
    return len(questions) + len(golden.unanswerable)
