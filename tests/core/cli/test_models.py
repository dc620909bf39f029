"""`cairn models` against an emulated host: a model's way into use and back, what `check` sees."""

import json
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from core.llm.emulator import OllamaEmulator
from core.llm.emulator.models import EmulatedModel
from shared.database import DatabaseManager
from shared.errors import InvalidInput, NotFound
from tests.core.cli.conftest import Cairn
from tests.serving import serving

QWEN = "ollama:qwen3:4b"


@pytest.fixture
async def ollama(cairn: Cairn, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OllamaEmulator]:
    emulator = OllamaEmulator()
    emulator.install(EmulatedModel(name="qwen3:4b"))
    async with serving(emulator.app) as url:
        monkeypatch.setenv("CAIRN_OLLAMA__HOST", url)
        yield emulator


async def test_a_model_goes_into_use_and_back(
    cairn: Cairn, ollama: OllamaEmulator, creator: UUID, database: DatabaseManager
) -> None:
    registered = await cairn("models", "register", "answers", QWEN, "--num-ctx", "4096")
    assert registered.out.startswith(f"answers@1 is {QWEN}")
    promoted = await cairn("models", "promote", "answers", "1")
    assert promoted.out == "answers@1 is production now.\n"
    share = ("--label", "candidate", "--percent", "10")
    assert "10 % of the contacts" in (await cairn("models", "promote", "answers", "1", *share)).out
    [row, *_] = [
        json.loads(line) for line in (await cairn("models", "list", "--json")).out.splitlines()
    ]
    assert (row["model"], row["labels"]) == ("shared/answers@1", "candidate 10 %, production")
    assert row["digest"] == ollama.models["qwen3:4b"].digest[:12]
    assert QWEN in (await cairn("models", "list", "--creator", str(creator))).out
    back = await cairn("models", "rollback", "answers")
    assert back.out.startswith("There was none before")
    async with database.transaction(UUID(int=0)) as db:
        actors = await db.fetch(
            "SELECT actor FROM app.audit_log WHERE creator_id = $1", UUID(int=0)
        )
    assert [row["actor"] for row in actors] == ["operator"] * 4


async def test_check_sees_what_is_missing_and_what_was_pulled_again(
    cairn: Cairn, ollama: OllamaEmulator
) -> None:
    for command in (("register", "answers", QWEN), ("promote", "answers", "1")):
        assert (await cairn("models", *command)).code == 0
    assert (await cairn("models", "check")).code == 0
    ollama.repull("qwen3:4b")
    drifted = await cairn("models", "check")
    assert drifted.code == 1
    assert ollama.models["qwen3:4b"].digest[:12] in drifted.out
    doctored = await cairn("doctor")
    assert doctored.code == 1
    assert "!!  model answers" in doctored.out
    ollama.remove("qwen3:4b")
    assert "no host has it" in (await cairn("models", "check")).out


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("register", "answers", "http://10.0.0.1"), InvalidInput),
        (("register", "answers", QWEN, "--type", "speech"), InvalidInput),
        (("register", "answers", QWEN, "--params", "{"), InvalidInput),
        (("promote", "answers", "9"), NotFound),
        (("rollback", "nobody"), NotFound),
        (("list", "--creator", "00000000-0000-0000-0000-000000000001"), NotFound),
    ],
)
async def test_errors_are_ours(
    cairn: Cairn, arguments: tuple[str, ...], error: type[Exception]
) -> None:
    assert isinstance((await cairn("models", *arguments)).error, error)
