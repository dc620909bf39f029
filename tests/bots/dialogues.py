"""Golden conversations: what stands in `bots/<bot>/dialogues/*.yaml`, and how it is played."""

from pathlib import Path
from typing import Any

import yaml

from core.files import ingest_file
from tests.apps import App, Person, Reply

ROOT = Path(__file__).resolve().parents[2]
DIALOGUES = sorted((ROOT / "bots").glob("*/dialogues/*.yaml"))

_STATUS = "SELECT status FROM app.ai_conversations WHERE creator_id = $1"
_RECORDS = "SELECT value FROM app.bot_records WHERE creator_id = $1 AND topic = $2 ORDER BY key"


def bot_of(path: Path) -> str:
    return path.parts[-3]


def name_of(path: Path) -> str:
    return f"{bot_of(path)}-{path.stem}"


async def read_knowledge(app: App, bot: str) -> None:
    """What comes with the bot, as its creator's own documents."""
    for path in sorted((ROOT / "bots" / bot / "knowledge").glob("*.md")):
        assert await ingest_file(app.runtime, app.creator_id, path, "builtin") == ""


async def play(app: App, path: Path) -> list[Reply]:
    """Hold the conversation and check each turn; every reply in order."""
    dialogue = yaml.safe_load(path.read_text(encoding="utf-8"))
    person = Person(app=app, account=await app.add_channel("web", bot=bot_of(path)))
    said: list[Reply] = []
    for turn in dialogue["turns"]:
        replies = await _take(person, turn)
        said += replies
        _check(turn, replies)
        if "status" in turn:
            [row] = await app.fetch(_STATUS)
            assert row["status"] == turn["status"]
    for expected in dialogue.get("records", ()):
        rows = await app.fetch(_RECORDS, expected["topic"])
        for row, value in zip(rows, expected["values"], strict=True):
            assert row["value"].items() >= value.items()
    return said


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
    for unwanted in turn.get("lacks", ()):
        assert unwanted not in text, f"{turn}: {text!r}"
    if "choices" in turn:
        assert [label for reply in replies for label in reply.choices] == turn["choices"]
    titles = [citation["title"] for reply in replies for citation in reply.citations]
    if turn.get("cites") == "none":
        assert titles == []
    elif "cites" in turn:
        assert turn["cites"] in titles
