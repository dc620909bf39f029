"""Calibrate a space on a golden set: how its rankings are fused, and what makes an answer likely.

Nothing worse than what is in use is stored: both are compared on questions that the new fit has
not seen.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import UUID

import numpy as np

from core import audit
from core.evaluation import fit
from core.evaluation.candidates import NoEmbedder
from core.evaluation.golden import GoldenSet
from core.evaluation.ground import Asked, Ground, Progress
from core.evaluation.metrics import first_hit, ndcg
from core.evaluation.rankings import WordHit, by_vector, by_words, distinct, documents
from core.house import HOUSE, ensure_house
from core.rag.calibration import WORDS_ALONE, StoredCalibrations
from core.rag.fusion import Weights, ranked
from core.rag.gate import Calibration
from core.rag.retrieve import Retriever
from core.rag.spaces import Spaces
from core.rag.vectors import VectorHit
from shared.database import DatabaseManager
from shared.errors import Conflict, InvalidInput
from shared.models import evaluations

FEWEST = 10
PASSAGES = 5
# How much the lexical ranking counts beside the vectors' 1.0; how flat ranks are (0: by scores).
RATIOS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 4.0)
FLATNESS = (0, 2, 5, 10, 20, 60)
WEIGHTS_MARGIN = 0.005
WORTH_MARGIN = 0.005


class CalibrationWorse(Conflict):
    """The new calibration is worse than the one in use."""

    code = "calibration_worse"


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """A new calibration with the figures that speak for or against it."""

    space: str | None
    new: Calibration
    in_use: Calibration
    figures: dict[str, Any]
    is_worse: bool


@dataclass(frozen=True, kw_only=True)
class _Query:
    text: str
    relevant: frozenset[UUID]
    group: int

    @property
    def is_answerable(self) -> bool:
        return bool(self.relevant)


class _Fixed:
    def __init__(self, calibration: Calibration) -> None:
        self._calibration = calibration

    async def of(self, creator_id: UUID, space: str | None) -> Calibration:
        return self._calibration


async def calibrate(
    ground: Ground,
    golden: GoldenSet,
    questions: Sequence[Asked],
    in_use: Calibration,
    *,
    space: str | None,
    progress: Progress,
) -> Calibrated:
    """Fit a space's calibration. Raises InvalidInput with the code `too_few_questions`."""
    queries = _queries(golden, questions)
    if space is None:
        ground = replace(ground, embedders=NoEmbedder())
    weights = await _weights(ground, space, queries, in_use.weights, progress)
    samples = await _samples(ground, queries, in_use, weights, progress)
    new = fit.fit(samples, weights, name=f"fitted on {golden.name}")
    before, after = fit.judge(in_use, samples), fit.held_out(samples, weights)
    figures = {
        "in_use": asdict(before),
        "held_out": asdict(after),
        "fitted": asdict(fit.judge(new, samples)),
        "questions": len(questions),
        "unanswerable": len(golden.unanswerable),
        "dataset": golden.name,
        "dataset_hash": golden.hash.hex(),
    }
    return Calibrated(
        space=space,
        new=new,
        in_use=in_use,
        figures=figures,
        is_worse=fit.worth(after) + WORTH_MARGIN < fit.worth(before),
    )


async def store(
    database: DatabaseManager, owner: UUID, found: Calibrated, *, is_forced: bool = False
) -> None:
    """Put it in use for a creator, or by the house for all. Raises CalibrationWorse."""
    if found.is_worse and not is_forced:
        before, after = (found.figures[name]["f1"] for name in ("in_use", "held_out"))
        raise CalibrationWorse(
            f"refusal F1 on unseen questions is {after:.3f}, with what is in use {before:.3f}:"
            " nothing was stored; --force stores it all the same"
        )
    if owner == HOUSE:
        await ensure_house(database)
    name = found.space or WORDS_ALONE
    async with database.transaction(owner) as db:
        await evaluations.store_calibration(
            db, owner, name, calibration=found.new.to_json(), figures=found.figures
        )
        await audit.note(
            db,
            owner,
            actor="operator",
            action="calibration.stored",
            target=name,
            forced=found.is_worse,
        )


async def in_use(database: DatabaseManager, owner: UUID, space: str | None) -> Calibration:
    return await StoredCalibrations(database).of(owner, space)


def steps(golden: GoldenSet, questions: Sequence[Asked]) -> int:
    """How many steps a progress bar counts: each query is asked twice."""
    return 2 * len(_queries(golden, questions))


def _queries(golden: GoldenSet, questions: Sequence[Asked]) -> list[_Query]:
    """Long and short forms alike: people write both."""
    if min(len(questions), len(golden.unanswerable)) < FEWEST:
        raise InvalidInput(
            f"a calibration needs {FEWEST} questions with an answer and {FEWEST} without",
            code="too_few_questions",
        )
    found = [
        _Query(text=text, relevant=one.relevant, group=group)
        for group, one in enumerate(questions)
        for text in dict.fromkeys((one.question.text, one.question.headline))
    ]
    first = len(questions)
    for group, text in enumerate(golden.unanswerable, start=first):
        found.append(_Query(text=text, relevant=frozenset(), group=group))
    return found


async def _samples(
    ground: Ground,
    queries: Sequence[_Query],
    in_use: Calibration,
    weights: Weights,
    progress: Progress,
) -> list[fit.Sample]:
    """What the product's own search finds for each question when it fuses by these weights."""
    ranked_so = Calibration(weights=weights, bias=in_use.bias)
    spaces = Spaces(ground.database, ground.embedders)
    retriever = Retriever(ground.database, ground.vectors, spaces, _Fixed(ranked_so))
    found = []
    for query in queries:
        retrieval = await retriever.retrieve(ground.creator_id, query.text, PASSAGES)
        progress()
        # A question that stands in the documents is answered whatever the model says.
        if not retrieval.is_literal:
            found.append(
                fit.Sample(
                    evidence=retrieval.evidence,
                    is_answerable=query.is_answerable,
                    group=query.group,
                )
            )
    return found


async def _weights(
    ground: Ground,
    space: str | None,
    queries: Sequence[_Query],
    in_use: Weights,
    progress: Progress,
) -> Weights:
    """The weights by which the right documents come first; those in use unless others win."""
    document_by_chunk = await documents(ground)
    grid = [in_use, *(Weights(vector=1.0, lexical=r, k=k) for r in RATIOS for k in FLATNESS)]
    columns, groups = [], []
    for query in queries:
        if query.is_answerable:
            near, _ = await by_vector(ground, space, query.text)
            worded = await by_words(ground, query.text)
            columns.append([_score(near, worded, w, query, document_by_chunk) for w in grid])
            groups.append(query.group)
        progress()
    if space is None:
        return in_use
    return grid[fit.choose(np.array(columns).T, 0, groups, WEIGHTS_MARGIN)]


def _score(
    near: Sequence[VectorHit],
    worded: Sequence[WordHit],
    weights: Weights,
    query: _Query,
    document_by_chunk: dict[UUID, UUID],
) -> float:
    """Half for a right document among the first five, half for the order of the first ten."""
    fused = (document_by_chunk.get(chunk_id) for chunk_id, _ in ranked(near, worded, weights))
    ranking = distinct(document for document in fused if document is not None)
    return (float(first_hit(ranking, query.relevant) <= 5) + ndcg(ranking, query.relevant)) / 2
