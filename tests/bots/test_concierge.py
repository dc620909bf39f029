"""The concierge writes text messages of one segment."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from core.channels import Capabilities
from core.dialogue.degrade import degrade
from shared.messages import Choice, Message
from shared.richtext import is_gsm7, length
from shared.settings import Settings
from tests.apps import App, Reply, quick, running_app
from tests.bots import dialogues

# One segment of the GSM 7-bit alphabet: 3GPP TS 23.038 §6.1.2.1.1.
SEGMENT = Capabilities(max_text=160, text_unit="gsm7_or_ucs2")
PLAYED = [path for path in dialogues.DIALOGUES if dialogues.bot_of(path) == "concierge"]


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[App]:
    async with running_app(quick(settings)) as app:
        yield app


def as_text_messages(reply: Reply) -> list[str]:
    choices = tuple(Choice(label=label, value=value) for label, value in reply.choices.items())
    message = Message(text=reply.text, choices=choices)
    return [part.text.text for part in degrade(message, SEGMENT, UUID(int=1))]


@pytest.mark.parametrize("path", PLAYED, ids=dialogues.name_of)
async def test_whatever_it_writes_is_one_segment(app: App, path: Path) -> None:
    """What it quotes from the practice's pages is as long as it has to be (`rung` tells)."""
    await dialogues.read_knowledge(app, "concierge")
    written = [reply for reply in await dialogues.play(app, path) if reply.rung is None]
    assert written
    for reply in written:
        [text] = as_text_messages(reply)
        assert is_gsm7(text), text
        assert length(text, "gsm7_or_ucs2") <= 160


def test_a_segment_is_counted() -> None:
    long = Reply(text="x" * 150, choices={"A person": "/human"}, citations=[], rung=None)
    assert len(as_text_messages(long)) > 1


def test_no_text_of_its_pages_needs_the_longer_alphabet() -> None:
    """One curly quote would make each text that holds it cost more than twice as much."""
    for path in (dialogues.ROOT / "bots" / "concierge" / "knowledge").glob("*.md"):
        odd = {char for char in path.read_text(encoding="utf-8") if not is_gsm7(char)}
        assert odd == set(), path.name
