"""Answers that grow on the channel: by edits on Telegram, at its pace, once, whatever crashes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from adapters.telegram.emulator_faults import FaultKind
from core.bots import Bot, Turn
from core.dialogue import reply_stream
from core.llm.base import ChatRung, Rungs
from core.llm.budget import UNKNOWN
from core.llm.emulator import OllamaEmulator
from core.llm.emulator.models import CHAT_MODEL
from core.runtime import open_runtime
from shared.settings import OllamaSettings, Settings
from tests.apps import quick
from tests.learners import Learner, new_school, on_telegram, work, worked_until
from tests.serving import serving
from tests.waiting import eventually

QUESTION = "How do I start a habit that sticks?"
NOTE = (
    "To start a habit that sticks, tie it to something you do every day already. "
    "A habit sticks when its first step takes less than two minutes."
)
TOKEN_SECONDS = 0.02


@dataclass(kw_only=True)
class Pupil:
    """A learner whose question a slow model answers."""

    learner: Learner
    ollama: OllamaEmulator

    async def asks(self, question: str = QUESTION) -> None:
        await self.learner.says(question)
        await work(self.learner.app)

    @property
    def texts(self) -> list[str]:
        return self.learner.emulator.texts()

    def calls(self, method: str) -> list[Any]:
        return self.learner.emulator.calls(method)

    async def streams(self) -> list[Any]:
        return await self.learner.app.fetch("SELECT * FROM app.reply_streams WHERE creator_id = $1")


@pytest.fixture
async def pupil(settings: Settings) -> AsyncIterator[Pupil]:
    ollama = OllamaEmulator(models=(CHAT_MODEL,), token_seconds=TOKEN_SECONDS)
    async with serving(ollama.app) as host:
        with_model = quick(settings, ollama=OllamaSettings(host=host))
        async with open_runtime(with_model) as runtime, new_school(runtime) as app:
            added = await runtime.knowledge.add_document(app.creator_id, title="Habits", text=NOTE)
            await runtime.knowledge.ingest(app.creator_id, added.id)
            async with on_telegram(app) as learner:
                yield Pupil(learner=learner, ollama=ollama)


# --- an answer grows


async def test_an_answer_grows_by_edits_and_ends_as_the_final_text(pupil: Pupil) -> None:
    await pupil.asks()

    [sent] = pupil.learner.emulator.sent
    growing = [call.params["text"] for call in pupil.calls("sendMessage")]
    edits = [call.params["text"] for call in pupil.calls("editMessageText")]
    assert len(growing) == 1
    assert len(edits) >= 2
    for before, after in pairwise([*growing, *edits[:-1]]):
        assert after.startswith(before)
    assert not any("[1]" in text for text in [*growing, *edits[:-1]])
    assert sent.text == edits[-1]
    assert "two minutes. [1]" in sent.text or "[1]" in sent.text
    assert sent.text.endswith("[1] Habits")
    row = await pupil.learner.last()
    assert (row["status"], row["provider_ids"]) == ("sent", [f"1001:{sent.message_id}"])
    assert await pupil.streams() == []


async def test_a_short_wait_is_one_send(pupil: Pupil) -> None:
    pupil.ollama.token_seconds = 0.0
    await pupil.asks()

    assert [len(pupil.calls(m)) for m in ("sendMessage", "editMessageText")] == [1, 0]


async def test_a_channel_that_is_set_to_whole_answers_gets_them_whole(pupil: Pupil) -> None:
    await set_up(pupil, streaming="off")
    await pupil.asks()

    assert [len(pupil.calls(m)) for m in ("sendMessage", "editMessageText")] == [1, 0]


async def set_up(pupil: Pupil, **settings: Any) -> None:
    account = pupil.learner.account
    sql = "UPDATE app.channels SET settings = settings || $3 WHERE creator_id = $1 AND id = $2"
    await pupil.learner.app.fetch(sql, account.channel_id, settings)
    pupil.learner.app.runtime.accounts.forget(account.channel_id)


async def test_updates_keep_the_channels_pace(pupil: Pupil) -> None:
    pupil.ollama.token_seconds = 0.04
    await pupil.asks()

    times = [call.at for call in pupil.calls("sendMessage") + pupil.calls("editMessageText")]
    assert len(times) >= 4
    # A second each as they leave; the way to the emulator may hold one up.
    assert all(later - earlier >= 0.7 for earlier, later in pairwise(times[:-1]))


async def test_the_final_text_finds_a_token_left(pupil: Pupil) -> None:
    pupil.ollama.token_seconds = 0.06
    await set_up(pupil, rates={"conversation": 0.5})
    await pupil.asks()

    times = [call.at for call in pupil.calls("sendMessage") + pupil.calls("editMessageText")]
    assert len(times) >= 3
    assert all(later - earlier >= 1.5 for earlier, later in pairwise(times[:-1]))
    [asked] = await pupil.learner.inbound()
    waited = (await pupil.learner.last())["sent_at"] - asked["answered_at"]
    assert waited.total_seconds() < 1.8  # the next token is two seconds away


async def test_without_a_token_to_spare_the_answer_is_sent_whole(pupil: Pupil) -> None:
    await set_up(pupil, rates={"conversation": 0.01})
    await pupil.learner.says("/help")
    await work(pupil.learner.app)
    await pupil.asks()

    assert [len(pupil.calls(m)) for m in ("sendMessage", "editMessageText")] == [2, 0]


async def test_in_a_group_it_grows_by_paragraphs(pupil: Pupil) -> None:
    first = "Tie it to something you do every day already. [1]"
    second = "Its first step takes less than two minutes, so begin with that one. [1]"
    pupil.ollama.say_next(f"{first}\n\n{second}\n\nThat is all there is to know about it. [1]")
    pupil.ollama.token_seconds = 0.08
    await asks_in_group(pupil)

    texts = [call.params["text"] for call in pupil.calls("sendMessage")]
    assert texts == ["Tie it to something you do every day already."]
    edits = [call.params["text"] for call in pupil.calls("editMessageText")]
    assert all(text.endswith((".", "[1] Habits")) for text in edits)
    assert [sent.text for sent in pupil.learner.emulator.sent] == [edits[-1]]


async def asks_in_group(pupil: Pupil) -> None:
    emulator, learner = pupil.learner.emulator, pupil.learner
    group = {"id": -1001, "type": "group", "title": "Team"}
    update = emulator.message(QUESTION)
    update["message"]["chat"] = emulator.bot.chats["-1001"] = group
    await learner.take_in(update)
    await work(learner.app)


async def test_after_other_words_the_answer_is_sent_whole(pupil: Pupil) -> None:
    bot = Bot(name="host", persona="A host.")

    @bot.message("")
    async def lead_on(turn: Turn) -> None:
        turn.say("Let me look that up.")
        turn.answer()

    pupil.learner.app.runtime.bots["host"] = bot
    await pupil.learner.app.fetch("UPDATE app.channels SET bot = 'host' WHERE creator_id = $1")
    pupil.learner.app.runtime.accounts.forget(pupil.learner.account.channel_id)
    await pupil.asks()

    assert [text.split()[0] for text in pupil.texts] == ["Let", "To"]
    assert pupil.calls("editMessageText") == []


# --- the answer turns out otherwise


async def test_an_answer_that_is_withdrawn_is_replaced_in_the_same_message(pupil: Pupil) -> None:
    # It names no source, so it doesn't count.
    pupil.ollama.say_next("You should believe in yourself and never give up, whatever comes. " * 2)
    await pupil.asks()

    [begun] = pupil.calls("sendMessage")
    assert begun.params["text"].startswith("You should believe")
    [text] = pupil.texts
    assert "believe" not in text
    assert (await pupil.learner.last())["rung"] == "extractive"


@dataclass(frozen=True)
class Twice:
    """Each model is asked once more when it fails."""

    rungs_of: Rungs

    async def rungs(self, creator_id: UUID, contact_id: UUID | None) -> Sequence[ChatRung]:
        return [*await self.rungs_of.rungs(creator_id, contact_id)] * 2


async def test_what_the_next_model_writes_takes_the_place_of_what_was_withdrawn(
    pupil: Pupil,
) -> None:
    models = pupil.learner.app.runtime.models
    models.answers.rungs = Twice(models.rungs)
    pupil.ollama.say_next("You should believe in yourself and never give up, whatever comes. " * 2)
    await pupil.asks()

    edits = [call.params["text"] for call in pupil.calls("editMessageText")]
    replaced = [text for text in edits if text.startswith("To start a habit")]
    assert len(replaced) >= 2
    assert not any("believe" in text for text in replaced)
    assert len(pupil.texts) == 1


async def test_a_refusal_is_never_seen_half_written(pupil: Pupil) -> None:
    pupil.ollama.say_next(UNKNOWN)
    await pupil.asks()

    assert (await pupil.learner.last())["rung"] == "refused"
    assert [len(pupil.calls(m)) for m in ("sendMessage", "editMessageText")] == [1, 0]


# --- the channel is in the way


async def test_a_429_on_the_first_words_is_waited_out_and_the_answer_arrives_once(
    pupil: Pupil,
) -> None:
    pupil.learner.emulator.fails("rate_limit", seconds=2)
    await pupil.asks()
    await answered(pupil)

    refused = pupil.calls("sendMessage")[0]
    assert refused.status == 429
    later = [call for call in pupil.learner.emulator.requests if call.at > refused.at]
    assert [call.method for call in later if call.method != "sendChatAction"] == ["sendMessage"]
    assert all(call.at - refused.at >= 2 for call in later)
    assert len(pupil.texts) == 1


async def test_a_429_in_mid_growth_is_waited_out_and_the_answer_still_ends(pupil: Pupil) -> None:
    pupil.learner.emulator.fails("rate_limit", method="editMessageText", seconds=3)
    await pupil.asks()
    await answered(pupil)

    calls = pupil.learner.emulator.requests
    [refused] = [call for call in calls if call.status == 429]
    later = [call for call in calls if call.at > refused.at]
    assert [call.method for call in later] == ["editMessageText"]
    assert later[0].at - refused.at >= 3
    [text] = pupil.texts
    assert text.endswith("[1] Habits")


async def answered(pupil: Pupil) -> None:
    async def is_sent() -> bool:
        return bool((await pupil.learner.last())["status"] == "sent")

    await worked_until(pupil.learner.app, is_sent)


@pytest.mark.parametrize("kind", ["drop_before", "drop_after_accept", "server_error"])
async def test_first_words_whose_outcome_nobody_knows_are_not_repeated(
    pupil: Pupil, kind: FaultKind
) -> None:
    pupil.learner.emulator.fails(kind)
    await pupil.asks()

    [_, final] = pupil.calls("sendMessage")
    assert final.params["text"].endswith("[1] Habits")
    assert pupil.calls("editMessageText") == []
    assert pupil.texts.count(final.params["text"]) == 1
    assert await pupil.streams() == []


@pytest.mark.parametrize("kind", ["drop_before", "drop_after_accept", "server_error"])
async def test_an_update_that_is_lost_does_not_lose_the_answer(
    pupil: Pupil, kind: FaultKind
) -> None:
    pupil.learner.emulator.fails(kind, method="editMessageText")
    await pupil.asks()
    await answered(pupil)

    [text] = pupil.texts
    assert text.endswith("[1] Habits")
    assert len(pupil.calls("sendMessage")) == 1


async def test_a_channel_that_hangs_holds_up_nobody(
    pupil: Pupil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reply_stream, "CALL_SECONDS", 0.5)
    pupil.learner.emulator.fails("delay", method="editMessageText", seconds=60)
    await pupil.asks()
    await answered(pupil)

    [text] = pupil.texts
    assert text.endswith("[1] Habits")


async def test_a_message_deleted_while_it_grows_is_sent_anew(pupil: Pupil) -> None:
    asking = asyncio.create_task(pupil.asks())
    await eventually(lambda: pupil.learner.emulator.sent)
    [begun] = pupil.learner.emulator.sent
    await pupil.learner.emulator.bot.delete_message(
        {"chat_id": begun.chat, "message_id": begun.message_id}
    )
    await asking
    await answered(pupil)

    last = pupil.learner.emulator.sent[-1]
    assert last.message_id != begun.message_id
    assert last.text.endswith("[1] Habits")


async def test_nothing_grows_before_what_is_still_being_sent(pupil: Pupil) -> None:
    learner, runtime = pupil.learner, pupil.learner.app.runtime
    learner.emulator.fails("delay", seconds=4)
    await learner.says("/help")
    conversation = learner.app.creator_id, await learner.conversation_id()
    await runtime.engine.take_turn(*conversation)
    sending = asyncio.create_task(runtime.outbox.deliver(*conversation))
    await eventually(lambda: pupil.calls("sendMessage"))
    await learner.says(QUESTION)
    await runtime.engine.take_turn(*conversation)
    await sending
    await answered(pupil)

    assert [text.split()[0] for text in pupil.texts] == ["Here", "To"]
    assert pupil.calls("editMessageText") == []


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE app.channels SET blocked_until = now() + interval '1 minute'"
        " WHERE creator_id = $1",
        "UPDATE app.ai_conversations SET outbound_due_at = now() + interval '1 minute'"
        " WHERE creator_id = $1",
        "UPDATE app.contact_identities SET reachable = 'blocked' WHERE creator_id = $1",
        "UPDATE app.channels SET status = 'disabled' WHERE creator_id = $1",
    ],
    ids=["channel rests", "conversation rests", "blocked", "disabled"],
)
async def test_nothing_grows_where_nothing_may_be_sent(pupil: Pupil, sql: str) -> None:
    await pupil.learner.says(QUESTION)
    await pupil.learner.app.fetch(sql)
    await pupil.learner.app.runtime.engine.take_turn(
        pupil.learner.app.creator_id, await pupil.learner.conversation_id()
    )

    assert pupil.calls("sendMessage") == []
    assert await pupil.streams() == []
    assert (await pupil.learner.last())["text"].startswith("To start a habit")


# --- another worker takes over


async def test_whoever_lost_the_conversation_shows_nothing_more(pupil: Pupil) -> None:
    app, learner = pupil.learner.app, pupil.learner
    await learner.says(QUESTION)
    conversation_id = await learner.conversation_id()
    turn = asyncio.create_task(app.runtime.engine.take_turn(app.creator_id, conversation_id))
    await eventually(lambda: learner.emulator.sent)
    await app.fetch(
        "UPDATE app.ai_conversations SET epoch = epoch + 1, lease_owner = gen_random_uuid(),"
        " lease_until = now() + interval '1 minute' WHERE creator_id = $1"
    )
    await turn

    [begun] = learner.emulator.sent
    assert not begun.text.endswith("[1] Habits")
    [row] = await pupil.streams()
    assert row["external_id"] == f"1001:{begun.message_id}"

    # Its successor goes on with the same message.
    await app.fetch("UPDATE app.ai_conversations SET lease_until = now() WHERE creator_id = $1")
    await work(app)
    [text] = pupil.texts
    assert text.endswith("[1] Habits")
    assert len(pupil.calls("sendMessage")) == 1
    assert await pupil.streams() == []
