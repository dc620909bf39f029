"""The gate on a small knowledge base: the coaching handbook that comes with Cairn."""

import json
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from core.knowledge import Knowledge
from core.llm.embedded import WordLlama
from core.rag.gate import (
    LEXICAL_ONLY,
    NEURAL,
    WORDLLAMA,
    Calibration,
    Evidence,
    calibration_for,
    judge,
)
from core.rag.vectors import ChromaVectors
from shared.database import DatabaseManager
from shared.embedded import EmbeddedEngines
from shared.settings import ChromaSettings, DatabaseSettings
from shared.utils.ids import new_id
from tests.core.rag.conftest import Reachable
from tests.core.rag.handbook_questions import ANSWERED, UNANSWERED
from tests.databases import cloned

HANDBOOK = Path(__file__).parents[3] / "bots" / "coach" / "knowledge"
MUST_ANSWER = ("How do I start a habit that sticks?", "how many hours should i sleep")
MUST_REFUSE = (
    "What is the capital of Mongolia?",
    "Who won the world cup in 2018?",
    "write me python code",
)

Handbook = tuple[Knowledge, UUID]


@pytest.fixture(scope="module")
async def handbook(engines: EmbeddedEngines, template_database: None) -> AsyncIterator[Handbook]:
    """The handbook, indexed once for the module."""
    async with cloned(engines.urls) as urls:
        database = DatabaseManager(DatabaseSettings.model_validate({"url": urls.app}))
        await database.open()
        vectors = ChromaVectors(ChromaSettings(url=engines.urls.chroma))
        knowledge = Knowledge(database, vectors, Reachable(WordLlama()))
        yield knowledge, await _fill(database, knowledge)
        await vectors.close()
        await database.close()


async def _fill(database: DatabaseManager, knowledge: Knowledge) -> UUID:
    creator_id = new_id()
    async with database.transaction(creator_id) as db:
        await db.execute("INSERT INTO app.creators VALUES ($1, 'Coach')", creator_id)
    for path in sorted(HANDBOOK.glob("*.md")):
        document = await knowledge.add_document(
            creator_id, title=path.stem, data=path.read_bytes(), filename=path.name
        )
        await knowledge.ingest(creator_id, document.id)
    return creator_id


async def answerable(handbook: Handbook, questions: tuple[str, ...]) -> list[str]:
    knowledge, creator_id = handbook
    return [
        question
        for question in questions
        if (await knowledge.search(creator_id, question)).answerable
    ]


async def test_every_heading_of_the_handbook_is_answered_by_its_own_section(
    handbook: Handbook,
) -> None:
    knowledge, creator_id = handbook
    headings = [
        line.removeprefix("## ")
        for path in HANDBOOK.glob("*.md")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith("## ") and line.endswith("?")
    ]
    wrong = []
    for heading in headings:
        result = await knowledge.search(creator_id, heading)
        if not result.answerable or not result.passages[0].heading.endswith(heading):
            wrong.append(heading)
    assert len(headings) > 100
    assert len(wrong) <= len(headings) * 0.05, wrong


@pytest.mark.parametrize("question", MUST_ANSWER)
async def test_answered(handbook: Handbook, question: str) -> None:
    assert await answerable(handbook, (question,))


@pytest.mark.parametrize("question", MUST_REFUSE)
async def test_refused(handbook: Handbook, question: str) -> None:
    assert not await answerable(handbook, (question,))


async def test_most_questions_in_words_of_their_own_are_answered(handbook: Handbook) -> None:
    accepted = await answerable(handbook, ANSWERED)
    missed = sorted(set(ANSWERED) - set(accepted))
    assert len(accepted) >= 0.85 * len(ANSWERED), missed


async def test_nearly_all_questions_of_other_matters_are_refused(handbook: Handbook) -> None:
    accepted = await answerable(handbook, UNANSWERED)
    assert len(accepted) <= 0.05 * len(UNANSWERED), accepted


async def test_a_refusal_names_the_nearest_topics(handbook: Handbook) -> None:
    knowledge, creator_id = handbook
    result = await knowledge.search(creator_id, "Which mattress for my sleep?")
    assert 1 <= len(result.nearest_topics) <= 3
    assert any("sleep" in topic.lower() for topic in result.nearest_topics)


async def test_the_verdict_does_not_depend_on_k(handbook: Handbook) -> None:
    knowledge, creator_id = handbook
    for question in (*MUST_ANSWER, *MUST_REFUSE):
        confidences = {
            (await knowledge.search(creator_id, question, k=k)).confidence for k in (1, 3, 5)
        }
        assert len(confidences) == 1


def test_each_kind_of_space_has_its_calibration() -> None:
    assert calibration_for(None) is LEXICAL_ONLY
    assert calibration_for("wordllama-256") is WORDLLAMA
    assert calibration_for("ollama-nomic-embed-text-768") is NEURAL


@pytest.mark.parametrize("space", [None, "wordllama-256", "other"])
def test_no_evidence_is_no_answer(space: str | None) -> None:
    assert not judge(calibration_for(space), Evidence()).is_answerable


@pytest.mark.parametrize("calibration", [WORDLLAMA, NEURAL, LEXICAL_ONLY])
def test_a_calibration_survives_being_stored(calibration: Calibration) -> None:
    stored = json.loads(json.dumps(calibration.to_json()))
    assert Calibration.from_json(stored) == calibration


@pytest.mark.parametrize(
    "stored",
    [
        {"bias": 0.0},
        {"bias": "no", "weights": {"vector": 1.0, "lexical": 1.0, "k": 5}},
        {"bias": math.inf, "weights": {"vector": 1.0, "lexical": 1.0, "k": 5}},
        {"bias": 0.0, "slope": 1.0, "weights": {"vector": 1.0, "lexical": 1.0, "k": 5}},
        {"bias": 0.0, "weights": {"vector": 1.0}},
    ],
    ids=["no weights", "no number", "not finite", "unknown field", "half the weights"],
)
def test_what_is_no_calibration_is_refused(stored: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Calibration.from_json(stored)
