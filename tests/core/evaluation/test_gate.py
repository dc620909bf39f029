"""The gate before a promotion: what it lets pass, what it refuses, and whose figures it reads."""

from uuid import UUID

import pytest

from core.evaluation.gate import EvaluationGate, NotEvaluated, ScoresBelowProduction
from core.house import HOUSE, ensure_house
from shared.database import DatabaseManager
from shared.models import evaluations
from shared.models.evaluations import EvaluationKind, NewEvaluation
from tests.conftest import AddCreator

OLD, NEW = "model answers@1", "model answers@2"


async def test_what_was_never_measured_defends_no_place(
    database: DatabaseManager, creator: UUID
) -> None:
    gate = EvaluationGate(database)
    await gate.check(creator, NEW, None)
    await gate.check(creator, NEW, OLD)
    await gate.check(creator, OLD, OLD)


async def test_a_candidate_must_have_been_measured_like_the_one_in_production(
    database: DatabaseManager, creator: UUID
) -> None:
    await _measured(database, creator, OLD, 0.5)
    gate = EvaluationGate(database)
    with pytest.raises(NotEvaluated, match="answers@1, in production, was on golden") as caught:
        await gate.check(creator, NEW, OLD)
    assert (caught.value.status, caught.value.code) == (409, "not_evaluated")
    await _measured(database, creator, NEW, 0.9, dataset="other")
    await _measured(database, creator, NEW, 0.9, kind="retrieval")
    with pytest.raises(NotEvaluated):
        await gate.check(creator, NEW, OLD)


@pytest.mark.parametrize(
    ("score", "passes"),
    [(0.7, True), (0.6, True), (0.595, True), (0.58, False), (0.0, False)],
    ids=["better", "equal", "within chance", "below", "nothing right"],
)
async def test_the_newest_figures_of_both_are_compared(
    database: DatabaseManager, creator: UUID, score: float, passes: bool
) -> None:
    await _measured(database, creator, OLD, 0.9)
    await _measured(database, creator, OLD, 0.6)
    await _measured(database, creator, NEW, 0.1)
    await _measured(database, creator, NEW, score)
    gate = EvaluationGate(database)
    if passes:
        await gate.check(creator, NEW, OLD)
        return
    with pytest.raises(ScoresBelowProduction) as caught:
        await gate.check(creator, NEW, OLD)
    assert f"{score:.3f}" in caught.value.message
    assert "0.600" in caught.value.message
    assert caught.value.code == "scores_below_production"


async def test_one_data_set_on_which_it_is_worse_is_enough(
    database: DatabaseManager, creator: UUID
) -> None:
    for dataset, old, new in (("one", 0.5, 0.9), ("two", 0.5, 0.3)):
        await _measured(database, creator, OLD, old, dataset=dataset)
        await _measured(database, creator, NEW, new, dataset=dataset)
    with pytest.raises(ScoresBelowProduction, match="on two"):
        await EvaluationGate(database).check(creator, NEW, OLD)


async def test_to_the_house_its_own_are_not_shared_ones(database: DatabaseManager) -> None:
    await ensure_house(database)
    await _measured(database, HOUSE, OLD, 0.9)
    await _measured(database, HOUSE, NEW, 0.1)
    with pytest.raises(ScoresBelowProduction):
        await EvaluationGate(database).check(HOUSE, NEW, "model shared/answers@1")


async def test_figures_of_others_and_of_the_house_are_not_this_creators(
    database: DatabaseManager, creator: UUID, add_creator: AddCreator
) -> None:
    other = await add_creator("Bo")
    await ensure_house(database)
    for owner in (other, HOUSE):
        await _measured(database, owner, OLD, 0.9)
        await _measured(database, owner, NEW, 0.1)
    await EvaluationGate(database).check(creator, NEW, OLD)
    async with database.transaction(creator) as db:
        assert await evaluations.history(db, creator, limit=10) == []
        # Row level security, not only the condition of the query.
        assert await evaluations.newest(db, other, OLD) == []
        assert await evaluations.calibration(db, other, "wordllama") is None


async def _measured(
    database: DatabaseManager,
    owner: UUID,
    subject: str,
    score: float,
    *,
    dataset: str = "golden",
    kind: EvaluationKind = "answers",
) -> None:
    async with database.transaction(owner) as db:
        await evaluations.add(
            db,
            owner,
            NewEvaluation(
                kind=kind,
                subject=subject,
                dataset=dataset,
                dataset_hash=dataset.encode(),
                figures={"score": score, "score_name": "right"},
            ),
        )
