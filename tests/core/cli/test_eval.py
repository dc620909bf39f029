"""`cairn eval` from the command line to the stored figures, on the golden set of these tests."""

import json
from pathlib import Path
from uuid import UUID

from core.creators import creator_ids
from core.evaluation.calibrate import CalibrationWorse
from core.house import HOUSE
from core.rag.calibration import StoredCalibrations
from shared.database import DatabaseManager
from shared.errors import InvalidInput, NotFound
from shared.models import evaluations
from shared.models.evaluations import EvaluationRecord
from tests.core.cli.conftest import Cairn

DATA = Path(__file__).parent.parent / "evaluation" / "data"
SPACE = "wordllama-256"


async def test_retrieval_is_measured_shown_and_kept_and_its_creator_gone(
    cairn: Cairn, database: DatabaseManager, tmp_path: Path
) -> None:
    file = tmp_path / "figures.json"
    outcome = await cairn("eval", "retrieval", "--data", str(DATA), "--json", str(file))
    assert outcome.code == 0, outcome.error
    assert "recall@5" in outcome.out
    figures = json.loads(file.read_text())
    assert figures["ranking"]["hybrid"]["recall_5"] == 1.0
    assert figures["questions"] == figures["unanswerable"] == 12
    assert await creator_ids(database) == []
    [kept] = await _history(database, HOUSE)
    assert (kept.kind, kept.subject, kept.dataset) == ("retrieval", f"space {SPACE}", "data")
    assert kept.figures["score"] == figures["score"]


async def test_answers_are_judged_by_their_quotes(
    cairn: Cairn, database: DatabaseManager, tmp_path: Path
) -> None:
    file = tmp_path / "figures.json"
    outcome = await cairn("eval", "answers", "--data", str(DATA), "--json", str(file), "--short")
    assert outcome.code == 0, outcome.error
    figures = json.loads(file.read_text())
    assert figures["citation_validity"] == 1.0
    assert figures["without_citation"] == 0.0
    assert figures["quotes"] >= 6
    assert set(figures["rungs"]) == {"extractive", "refused"}
    kept = await _history(database, HOUSE)
    assert {record.dataset for record in kept} == {"data, short"}


async def test_a_creators_own_knowledge_is_asked_by_the_names_of_its_documents(
    cairn: Cairn, database: DatabaseManager, creator: UUID, tmp_path: Path
) -> None:
    (tmp_path / "k").mkdir()
    (tmp_path / "k" / "sleep.md").write_text("# Sleep\n\nA regular bedtime helps you sleep.\n")
    await cairn("ingest", str(tmp_path / "k"), "--creator", str(creator))
    questions = [
        {"query": "What helps me to sleep?", "relevant": ["sleep.md"]},
        {"query": "Where is the treasure?", "relevant": ["treasure.md"]},
    ]
    (tmp_path / "set.jsonl").write_text("\n".join(map(json.dumps, questions)))
    arguments = ("--data", str(tmp_path), "--creator", str(creator))
    outcome = await cairn("eval", "retrieval", *arguments)
    assert outcome.code == 0, outcome.error
    assert "1 left out" in outcome.out
    [kept] = await _history(database, creator)
    assert kept.figures["ranking"]["hybrid"]["recall_1"] == 1.0
    nobody = ("eval", "retrieval", "--data", str(tmp_path), "--creator", str(HOUSE))
    assert isinstance((await cairn(*nobody)).error, NotFound)
    assert isinstance(
        (await cairn("eval", "retrieval", "--data", str(tmp_path))).error, InvalidInput
    )


async def test_a_space_is_calibrated_for_all(cairn: Cairn, database: DatabaseManager) -> None:
    before = await StoredCalibrations(database).of(HOUSE, SPACE)
    arguments = ("eval", "calibrate", "--data", str(DATA), "--space", SPACE)
    outcome = await cairn(*arguments)
    if isinstance(outcome.error, CalibrationWorse):  # the one that comes with Cairn is hard to beat
        assert await StoredCalibrations(database).of(HOUSE, SPACE) == before
        outcome = await cairn(*arguments, "--force")
    assert outcome.code == 0, outcome.error
    assert "held_out" in outcome.out
    assert (await StoredCalibrations(database).of(HOUSE, SPACE)).name == "fitted on data"
    unknown = await cairn("eval", "calibrate", "--data", str(DATA), "--space", "elsewhere-3")
    assert isinstance(unknown.error, NotFound)


async def _history(database: DatabaseManager, owner: UUID) -> list[EvaluationRecord]:
    async with database.transaction(owner) as db:
        return await evaluations.history(db, owner, limit=10)
