"""The concierge writes text messages of one segment."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from bots.concierge.programs import appointment
from core.bots import Step
from core.channels import Capabilities
from core.dialogue.degrade import degrade
from core.programs.sends.speaking import message
from shared.messages import Choice, Message
from shared.richtext import is_gsm7, length
from shared.settings import Settings
from tests.apps import App, Reply, quick, running_app
from tests.bots import dialogues
from tests.emulated import running_stage

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


async def test_an_appointment_is_made_by_text_message(settings: Settings) -> None:
    """By numbers and words, as people answer who can't tap; each text costs one segment."""
    async with running_stage(settings, "sms", bot="concierge") as stage:
        phone = stage.people[0]
        [welcome] = await stage.asks(phone, "Hi")
        assert "Reply STOP to opt out, HELP for help" in welcome.text
        await stage.asks(phone, "1")
        for answer in ("two", "Tuesday", "3"):
            await stage.asks(phone, answer)
        [checked] = await stage.asks(phone, "No call")
        assert checked.text.startswith("Follow-up, Tuesday, afternoon, no call.")
        assert checked.text.endswith("1. Send it\n2. Change it\n3. Withdraw it")
        [sent] = await stage.asks(phone, "1")
        assert "We will text you a time" in sent.text
        [shown] = await stage.asks(phone, "request")
        assert "Follow-up, Tuesday" in shown.text
        assert {bubble.segments for bubble in stage.said(phone)} == {1}
        [row] = await stage.app.fetch(
            "SELECT value FROM app.bot_records WHERE creator_id = $1 AND topic = 'appointments'"
        )
        assert (row["value"]["what"], row["value"]["status"]) == ("Follow-up", "requested")


async def test_who_opts_out_hears_nothing_more(settings: Settings) -> None:
    async with running_stage(settings, "sms", bot="concierge") as stage:
        phone = stage.people[0]
        await stage.asks(phone, "Book")
        before = len(stage.emulator.sent)
        await stage.asks(phone, "STOP")
        await stage.asks(phone, "request")
        assert len(stage.emulator.sent) == before


def test_a_segment_is_counted() -> None:
    long = Reply(text="x" * 150, choices={"A person": "/human"}, citations=[], rung=None)
    assert len(as_text_messages(long)) > 1


def test_no_text_of_its_pages_needs_the_longer_alphabet() -> None:
    """One curly quote would make each text that holds it cost more than twice as much."""
    for path in (dialogues.ROOT / "bots" / "concierge" / "knowledge").glob("*.md"):
        odd = {char for char in path.read_text(encoding="utf-8") if not is_gsm7(char)}
        assert odd == set(), path.name


VALUES = {"name": "Alexandra", "attribute:appointment_text": "Wed 30 Sep, 10:45"}


@pytest.mark.parametrize("step", appointment.steps, ids=lambda step: step.key)
def test_what_its_program_sends_is_one_segment(step: Step) -> None:
    said = message(step.content, locales=("en",), values=VALUES, expects=None)
    if said is None:  # a branch, a hand-off
        assert not step.content
        return
    [part] = degrade(said, SEGMENT, UUID(int=1))
    assert is_gsm7(part.text.text), part.text.text
    assert length(part.text.text, "gsm7_or_ucs2") <= 160
