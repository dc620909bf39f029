"""Signs of life while a slow model thinks: renewed in time, never in the way."""

from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from adapters.telegram.emulator_faults import FaultKind
from core.dialogue import presence
from core.llm.emulator import OllamaEmulator
from core.llm.emulator.models import CHAT_MODEL
from core.runtime import open_runtime
from shared.settings import OllamaSettings, Settings
from tests.apps import quick
from tests.learners import Learner, new_school, on_telegram, work
from tests.serving import serving

QUESTION = "How do I start a habit that sticks?"
NOTE = "To start a habit that sticks, tie it to something you do every day already."
LOAD_SECONDS = 2.0  # the model is silent for so long
RENEWAL_SECONDS = 0.25  # in place of the four that a signal of Telegram's is renewed after


@pytest.fixture
async def waiting(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Learner]:
    """A learner whose question a model answers that has to be loaded first."""
    monkeypatch.setattr(presence, "RENEWAL", RENEWAL_SECONDS / 5.0)
    ollama = OllamaEmulator(models=(CHAT_MODEL,), token_seconds=0.04, load_seconds=LOAD_SECONDS)
    async with serving(ollama.app) as host:
        with_model = quick(settings, ollama=OllamaSettings(host=host))
        async with open_runtime(with_model) as runtime, new_school(runtime) as app:
            added = await runtime.knowledge.add_document(app.creator_id, title="Habits", text=NOTE)
            await runtime.knowledge.ingest(app.creator_id, added.id)
            async with on_telegram(app) as learner:
                yield learner


async def asks(learner: Learner) -> None:
    await learner.says(QUESTION)
    await work(learner.app)


async def test_typing_is_renewed_until_the_answer_begins_to_show(waiting: Learner) -> None:
    await asks(waiting)

    emulator = waiting.emulator
    shown_at = emulator.calls("sendMessage")[0].at
    times = [call.at for call in emulator.calls("sendChatAction")]
    assert {action.action for action in emulator.bot.actions} == {"typing"}
    assert len(times) >= 4
    assert all(later - earlier >= RENEWAL_SECONDS * 0.7 for earlier, later in pairwise(times))
    late = [at for at in times if at > shown_at]
    assert len(late) <= 1  # one may have been under way when the answer began
    assert late or not emulator.bot.is_typing("1001")


async def test_typing_that_is_too_much_rests_as_long_as_it_is_told(waiting: Learner) -> None:
    waiting.emulator.fails("rate_limit", method="sendChatAction", seconds=1)
    await asks(waiting)

    refused, again, *_ = waiting.emulator.calls("sendChatAction")
    assert refused.status == 429
    assert again.at - refused.at >= 1
    assert waiting.emulator.sent


async def test_typing_that_fails_for_good_is_not_tried_again(waiting: Learner) -> None:
    waiting.emulator.fails("blocked", method="sendChatAction")
    await asks(waiting)

    assert len(waiting.emulator.calls("sendChatAction")) == 1
    assert waiting.emulator.sent


@pytest.mark.parametrize("kind", ["drop_before", "server_error"])
async def test_typing_whose_outcome_nobody_knows_ends_quietly(
    waiting: Learner, kind: FaultKind
) -> None:
    waiting.emulator.fails(kind, method="sendChatAction")
    await asks(waiting)

    assert waiting.emulator.sent


async def test_a_platform_that_hangs_holds_up_no_answer(waiting: Learner) -> None:
    waiting.emulator.fails("delay", method="sendChatAction", seconds=60)
    await asks(waiting)

    assert [sent.text.endswith("[1] Habits") for sent in waiting.emulator.sent] == [True]


async def test_while_the_channel_rests_nothing_is_signalled(waiting: Learner) -> None:
    await waiting.says(QUESTION)
    sql = "UPDATE app.channels SET blocked_until = now() + interval '20 s' WHERE creator_id = $1"
    await waiting.app.fetch(sql)
    conversation_id = await waiting.conversation_id()
    await waiting.app.runtime.engine.take_turn(waiting.app.creator_id, conversation_id)

    assert waiting.emulator.requests == []


async def test_who_answers_at_once_needs_no_sign(waiting: Learner) -> None:
    await waiting.says("/help")
    await work(waiting.app)

    assert [call.method for call in waiting.emulator.requests] == ["sendMessage"]
