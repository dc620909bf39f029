"""A calibration is fitted, compared with the one in use, stored, and searched with."""

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import pytest

from core.evaluation import calibrate, ground
from core.evaluation.calibrate import Calibrated, CalibrationWorse
from core.evaluation.candidates import OneEmbedder
from core.evaluation.golden import GoldenSet
from core.evaluation.ground import Asked, Ground
from core.house import HOUSE
from core.knowledge import Knowledge
from core.rag.calibration import StoredCalibrations
from core.rag.fusion import Weights
from core.rag.gate import WORDLLAMA, Calibration
from core.rag.vectors import ChromaVectors
from shared.database import DatabaseManager
from shared.errors import InvalidInput
from shared.models import evaluations
from tests.conftest import AddCreator

# Finds every question answerable.
GULLIBLE = replace(WORDLLAMA, name="gullible", bias=50.0)


@pytest.fixture
async def thrown(
    database: DatabaseManager,
    vectors: ChromaVectors,
    embedders: OneEmbedder,
    knowledge: Knowledge,
) -> AsyncIterator[Ground]:
    async with ground.throwaway(database, vectors, embedders, knowledge) as opened:
        yield opened


async def _asked(thrown: Ground, golden_set: GoldenSet) -> list[Asked]:
    ids = await ground.fill(thrown, golden_set, lambda: None)
    return ground.asked(
        golden_set, {ground.key(name): frozenset({one}) for name, one in ids.items()}
    )


async def test_a_fit_takes_the_place_of_a_bad_one_and_is_searched_with(
    thrown: Ground, golden_set: GoldenSet, calibrations: StoredCalibrations
) -> None:
    owner, space = thrown.creator_id, thrown.embedders.embedder.space.name  # type: ignore[attr-defined]
    questions = await _asked(thrown, golden_set)
    await _store(thrown.database, owner, space, GULLIBLE)
    assert (await thrown.knowledge.search(owner, golden_set.unanswerable[0])).answerable

    found = await _calibrated(thrown, golden_set, questions, GULLIBLE, space)
    assert not found.is_worse
    assert found.figures["in_use"]["recall"] == 0.0
    assert found.figures["held_out"]["f1"] > 0.8
    await calibrate.store(thrown.database, owner, found)

    calibrations.forget()
    assert await calibrations.of(owner, space) == found.new
    for text in golden_set.unanswerable[:3]:
        assert not (await thrown.knowledge.search(owner, text)).answerable
    for one in questions[:3]:
        assert (await thrown.knowledge.search(owner, one.question.text)).answerable
    async with thrown.database.transaction(owner) as db:
        [note] = await db.fetch("SELECT action, target, actor FROM app.audit_log")
    assert tuple(note) == ("calibration.stored", space, "operator")


async def test_a_worse_one_is_stored_only_by_force(
    database: DatabaseManager, creator: UUID, calibrations: StoredCalibrations
) -> None:
    worse = Calibrated(
        space="s",
        new=GULLIBLE,
        in_use=WORDLLAMA,
        figures={"in_use": {"f1": 0.9}, "held_out": {"f1": 0.2}},
        is_worse=True,
    )
    with pytest.raises(CalibrationWorse, match=r"0\.200.*0\.900"):
        await calibrate.store(database, creator, worse)
    assert (await calibrations.of(creator, "s")).name != "gullible"
    await calibrate.store(database, creator, worse, is_forced=True)
    calibrations.forget()
    assert (await calibrations.of(creator, "s")).name == "gullible"


async def test_words_alone_are_calibrated_too(thrown: Ground, golden_set: GoldenSet) -> None:
    questions = await _asked(thrown, golden_set)
    in_use = await calibrate.in_use(thrown.database, thrown.creator_id, None)
    found = await _calibrated(thrown, golden_set, questions, in_use, None)
    assert found.new.similarity == found.new.agreement == 0.0  # there is nothing but words
    assert found.figures["held_out"]["f1"] > 0.6


async def test_too_few_questions_teach_nothing(thrown: Ground, golden_set: GoldenSet) -> None:
    few = replace(golden_set, unanswerable=golden_set.unanswerable[:9])
    questions = await _asked(thrown, few)
    with pytest.raises(InvalidInput, match="10 questions"):
        await _calibrated(thrown, few, questions, WORDLLAMA, None)


async def test_the_creators_own_comes_before_the_houses_before_the_built_in(
    database: DatabaseManager, add_creator: AddCreator
) -> None:
    ann, bo = await add_creator("Ann"), await add_creator("Bo")
    stored = StoredCalibrations(database, fresh_seconds=0)
    assert await stored.of(ann, "wordllama-256") == WORDLLAMA
    shared = Calibration(name="shared", weights=Weights(vector=1, lexical=1, k=9), bias=1.0)
    found = Calibrated(
        space="wordllama-256", new=shared, in_use=WORDLLAMA, figures={}, is_worse=False
    )
    await calibrate.store(database, HOUSE, found)
    await _store(database, ann, "wordllama-256", replace(shared, name="own"))
    assert (await stored.of(ann, "wordllama-256")).name == "own"
    assert (await stored.of(bo, "wordllama-256")).name == "shared"
    assert (await stored.of(bo, "another")).name == "built-in: neural"
    assert (await stored.of(bo, "ollama-all-minilm-0a1b2c3d")).name == "built-in: all-minilm"


async def test_a_search_goes_on_without_postgres_and_with_what_nobody_can_read(
    database: DatabaseManager, creator: UUID
) -> None:
    async with database.transaction(creator) as db:
        await evaluations.store_calibration(
            db, creator, "wordllama-256", calibration={"bias": "much"}, figures={}
        )
    assert await StoredCalibrations(database).of(creator, "wordllama-256") == WORDLLAMA
    await database.close()
    assert await StoredCalibrations(database).of(creator, None) is not None


async def _calibrated(
    thrown: Ground,
    golden_set: GoldenSet,
    questions: list[Asked],
    in_use: Calibration,
    space: str | None,
) -> Calibrated:
    return await calibrate.calibrate(
        thrown, golden_set, questions, in_use, space=space, progress=lambda: None
    )


async def _store(
    database: DatabaseManager, owner: UUID, space: str, calibration: Calibration
) -> None:
    async with database.transaction(owner) as db:
        await evaluations.store_calibration(
            db, owner, space, calibration=calibration.to_json(), figures={}
        )
