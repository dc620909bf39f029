"""What was measured as worse does not take the place of the one in production."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from core.evaluation.gate import NotEvaluated, ScoresBelowProduction
from core.house import HOUSE
from core.llm.emulator import create_ollama_emulator
from core.llm.prompts import built_in
from core.llm.registry import UnknownModel
from shared.database import DatabaseManager
from shared.models import evaluations
from tests.core.cli.conftest import Cairn, Outcome
from tests.serving import serving

DATA = Path(__file__).parent.parent / "evaluation" / "data"
# Without the marks around a passage a model can't tell which one to cite.
UNMARKED = (
    "{% block system %}If you can't tell, say: {{ unknown }}{% endblock %}"
    "{% block user %}{% for passage in passages %}{{ passage.text }} {% endfor %}"
    "{{ question }}{% endblock %}"
)


@pytest.fixture(autouse=True)
async def _ollama(cairn: Cairn, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    async with serving(create_ollama_emulator(num_parallel=4, token_seconds=0).app) as url:
        monkeypatch.setenv("CAIRN_OLLAMA__HOST", url)
        yield


async def test_it_must_be_measured_and_not_be_worse(
    cairn: Cairn, database: DatabaseManager, tmp_path: Path
) -> None:
    _write_few(tmp_path)
    await _save(cairn, tmp_path, built_in("answer")[0].body)
    assert (await _promote(cairn, "1")).code == 0  # there is nothing to compare with
    good = await _measure(cairn, tmp_path, "answer@1")
    assert good["score"] > 0.6
    assert good["citation_validity"] == 1.0
    assert good["rungs"]["ollama"] > 0.3
    assert good["prompts"] == ["answer@1"]

    await _save(cairn, tmp_path, UNMARKED)
    assert isinstance((await _promote(cairn, "2")).error, NotEvaluated)
    worse = await _measure(cairn, tmp_path, "answer@2")
    assert worse["score"] < good["score"]
    refused = (await _promote(cairn, "2")).error
    assert isinstance(refused, ScoresBelowProduction)
    assert f"{worse['score']:.3f}" in refused.message
    assert (await _promote(cairn, "2", "--force")).code == 0

    async with database.transaction(HOUSE) as db:
        kept = await evaluations.history(db, HOUSE, limit=10)
        forced = await db.fetch(
            "SELECT detail ->> 'forced' AS forced FROM app.audit_log"
            " WHERE creator_id = $1 AND action = 'prompt.labelled' ORDER BY at",
            HOUSE,
        )
    assert [record.subject for record in kept] == ["prompt answer@2", "prompt answer@1"]
    assert [row["forced"] for row in forced] == ["false", "true"]


async def test_a_model_is_measured_by_its_own_answers_alone(
    cairn: Cairn, database: DatabaseManager, tmp_path: Path
) -> None:
    _write_few(tmp_path)
    for path in ("ollama:llama3.2:3b", "extractive"):
        added = await cairn("models", "register", "answers", path)
        assert added.code == 0, added.error
    asked = await _evaluated(cairn, tmp_path, "--model", "answers@1")
    assert asked["models"] == ["shared/answers@1"]
    assert asked["score"] > 0.6
    quoted = await _evaluated(cairn, tmp_path, "--model", "answers@2")
    assert set(quoted["rungs"]) <= {"extractive", "refused"}
    wrong = await cairn("eval", "answers", "--data", str(tmp_path), "--model", "answers@9")
    assert isinstance(wrong.error, UnknownModel)
    async with database.transaction(HOUSE) as db:
        kept = await evaluations.history(db, HOUSE, limit=10)
    assert [record.subject for record in kept] == ["model answers@2", "model answers@1"]


async def _save(cairn: Cairn, folder: Path, body: str) -> None:
    file = folder / "answer.md.j2"
    file.write_text(body)
    saved = await cairn("prompts", "save", "answer", str(file))
    assert saved.code == 0, saved.error


async def _promote(cairn: Cairn, version: str, *more: str) -> Outcome:
    return await cairn("prompts", "promote", "answer", version, *more)


async def _measure(cairn: Cairn, folder: Path, prompt: str) -> dict[str, Any]:
    return await _evaluated(cairn, folder, "--prompt", prompt)


async def _evaluated(cairn: Cairn, folder: Path, *what: str) -> dict[str, Any]:
    file = folder / "figures.json"
    arguments = ("--data", str(folder), "--json", str(file))
    outcome = await cairn("eval", "answers", *arguments, *what)
    assert outcome.code == 0, outcome.error
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def _write_few(folder: Path) -> None:
    """A few lines of each file will do."""
    for file in DATA.glob("*.jsonl"):
        (folder / file.name).write_text("\n".join(file.read_text().splitlines()[:4]))
