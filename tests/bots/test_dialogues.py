"""Golden conversations: every bot holds the dialogues that stand beside it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.settings import Settings
from tests.apps import App, Person, Reply, quick, running_app

ROOT = Path(__file__).resolve().parents[2]
DIALOGUES = sorted((ROOT / "bots").glob("*/dialogues/*.yaml"))


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[App]:
    async with running_app(quick(settings)) as app:
        await app.read_handbook()
        yield app


@pytest.mark.parametrize("path", DIALOGUES, ids=lambda p: f"{p.parts[-3]}-{p.stem}")
async def test_a_dialogue_goes_as_written(app: App, path: Path) -> None:
    dialogue = yaml.safe_load(path.read_text(encoding="utf-8"))
    person = Person(app=app, account=await app.add_channel("web", bot=path.parts[-3]))
    for turn in dialogue["turns"]:
        replies = await _take(person, turn)
        _check(turn, replies)
        if "status" in turn:
            [row] = await app.fetch("SELECT status FROM app.ai_conversations WHERE creator_id = $1")
            assert row["status"] == turn["status"]


async def _take(person: Person, turn: dict[str, Any]) -> list[Reply]:
    if "start" in turn:
        return await person.starts(turn["start"])
    if "pick" in turn:
        return await person.picks(turn["pick"])
    return await person.says(turn["say"])


def _check(turn: dict[str, Any], replies: list[Reply]) -> None:
    text = "\n".join(reply.text for reply in replies)
    for expected in turn["expect"]:
        assert expected in text, f"{turn}: {text!r}"
    if "choices" in turn:
        assert [label for reply in replies for label in reply.choices] == turn["choices"]
    titles = [citation["title"] for reply in replies for citation in reply.citations]
    if turn.get("cites") == "none":
        assert titles == []
    elif "cites" in turn:
        assert turn["cites"] in titles
