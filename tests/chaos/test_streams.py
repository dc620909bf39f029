"""kill -9 while an answer grows on the channel: it still arrives, whole and once."""

import signal
from collections.abc import AsyncIterator

import pytest

from core.llm.emulator import OllamaEmulator
from core.llm.emulator.models import CHAT_MODEL
from shared.settings import OllamaSettings, Settings
from tests.chaos.people import TelegramPerson
from tests.chaos.stage import Stage
from tests.serving import serving
from tests.waiting import eventually

pytestmark = pytest.mark.chaos

QUESTION = "How do I start a habit that sticks?"
NOTE = (
    "To start a habit that sticks, tie it to something you do every day already. "
    "A habit sticks when its first step takes less than two minutes."
)
END = "[1] Habits"
KILLED = -9


@pytest.fixture
async def settings(settings: Settings) -> AsyncIterator[Settings]:
    """With a language model that takes some seconds for an answer."""
    ollama = OllamaEmulator(models=(CHAT_MODEL,), token_seconds=0.08)
    async with serving(ollama.app) as host:
        yield settings.model_copy(update={"ollama": OllamaSettings(host=host)})


@pytest.fixture
async def asker(stage: Stage, ada: TelegramPerson) -> TelegramPerson:
    knowledge = stage.runtime.knowledge
    added = await knowledge.add_document(stage.creator_id, title="Habits", text=NOTE)
    await knowledge.ingest(stage.creator_id, added.id)
    await stage.fetch("UPDATE app.channels SET bot = 'coach'")
    return ada


async def ask_and_die(stage: Stage, asker: TelegramPerson, failpoint: str) -> None:
    dying = await stage.start_worker(f"{failpoint}:kill")
    await asker.says(QUESTION)
    assert await dying.ended() == KILLED
    await stage.start_worker()
    await stage.quiet()
    assert await stage.fetch("SELECT 1 FROM app.reply_streams") == []
    assert not await stage.uncertain()


async def test_killed_before_the_first_words_left(stage: Stage, asker: TelegramPerson) -> None:
    await ask_and_die(stage, asker, "after-stream-written")

    [text] = await asker.heard()
    assert text.endswith(END)
    assert stage.emulator.calls("editMessageText") == []


async def test_killed_before_the_growing_message_was_known_by_name(
    stage: Stage, asker: TelegramPerson
) -> None:
    """What stands there can't be found again: the answer comes whole, below its first words."""
    await ask_and_die(stage, asker, "after-stream-start")

    begun, text = await asker.heard()
    assert not begun.endswith(END)
    assert text.endswith(END)
    assert stage.emulator.calls("editMessageText") == []


async def test_killed_before_the_commit_its_successor_goes_on_with_the_same_message(
    stage: Stage, asker: TelegramPerson
) -> None:
    await ask_and_die(stage, asker, "before-turn-commit")

    [text] = await asker.heard()
    assert text.endswith(END)


@pytest.mark.parametrize("failpoint", ["after-turn-commit", "after-sending", "after-provider-2xx"])
async def test_killed_before_the_answer_was_known_to_be_final(
    stage: Stage, asker: TelegramPerson, failpoint: str
) -> None:
    """An edit is safe to repeat: nothing of it stays uncertain."""
    await ask_and_die(stage, asker, failpoint)

    [text] = await asker.heard()
    assert text.endswith(END)


async def test_killed_while_it_grew(stage: Stage, asker: TelegramPerson) -> None:
    dying = await stage.start_worker()
    await asker.says(QUESTION)
    await eventually(lambda: stage.emulator.calls("editMessageText"))
    await dying.kill()
    await stage.start_worker()
    await stage.quiet()

    [text] = await asker.heard()
    assert text.endswith(END)


async def test_stopped_while_it_grew(stage: Stage, asker: TelegramPerson) -> None:
    """Told to stop in the middle, it finishes or hands over; the answer is one message."""
    stopping = await stage.start_worker(drain_seconds="0.2")
    await asker.says(QUESTION)
    await eventually(lambda: stage.emulator.sent)
    stopping.signal(signal.SIGTERM)
    assert await stopping.ended() == 0
    await stage.start_worker()
    await stage.quiet()

    [text] = await asker.heard()
    assert text.endswith(END)
