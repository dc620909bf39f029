"""The team's room in Slack: a ticket is told there, and what is answered in its thread goes out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from core.dialogue.desk_thread import CLOSED, NOT_YOURS, NOTED, OVER, RETURNED, TAKEN
from core.runtime import Runtime
from core.ticket_watch import watch_tickets
from tests.adapters.slack.test_conversations import Workplace, at_work, runtime
from tests.learners import Learner, on_telegram

__all__ = ["runtime"]


@pytest.fixture
async def work(runtime: Runtime) -> AsyncIterator[Workplace]:
    async with at_work(runtime) as workplace:
        yield workplace


@asynccontextmanager
async def asked(work: Workplace) -> AsyncIterator[Learner]:
    """Somebody on Telegram who asked for a person; the room in Slack was told."""
    room = work.slack.workspace().room("team")
    place = {"channel_id": str(work.account.channel_id), "chat": room.id}
    place["space"] = work.slack.workspace().id
    await work.app.fetch(
        "INSERT INTO app.creator_policies (creator_id, policy) VALUES ($1, $2) RETURNING 1",
        {"handoff": {"room": place}},
    )
    async with on_telegram(work.app) as learner:
        await learner.says("/human")
        await work.app.drain()
        yield learner


def announcement(work: Workplace) -> str:
    """The thread that the bot began in the room."""
    [sent] = [sent for sent in work.slack.sent if "asked for a person" in str(sent.message)]
    return str(sent.message["ts"])


async def writes(work: Workplace, text: str, user: str | None = None) -> None:
    await work.slack.says(text, channel="team", thread=announcement(work), user=user)
    await work.app.drain()


async def ticket(work: Workplace) -> Any:
    [row] = await work.app.fetch("SELECT * FROM app.tickets WHERE creator_id = $1")
    return row


async def test_the_room_is_told_once(work: Workplace) -> None:
    async with asked(work) as learner:
        assert "asked for a person" in work.slack.texts()[0]
        await learner.says("/human")
        await work.app.drain()
        assert len(work.slack.sent) == 1


async def test_an_answer_in_the_thread_goes_to_the_contact_once(work: Workplace) -> None:
    async with asked(work) as learner:
        await writes(work, "Ada here, how can I help?")
        assert learner.emulator.texts().count("Ada here, how can I help?") == 1
        assert work.slack.texts()[-1] == TAKEN.replace("`", "")
        assert (await ticket(work))["state"] == "human"
        sent = len(work.slack.sent)
        await writes(work, "Still there?")
        assert learner.emulator.texts()[-1] == "Still there?"
        assert len(work.slack.sent) == sent  # no echo for every word


async def test_the_room_is_told_again_when_it_becomes_urgent(work: Workplace) -> None:
    async with asked(work) as learner:
        await learner.says("I want to die")
        await work.app.drain()
        assert len(work.slack.sent) == 2
        assert "may be in danger" in work.slack.texts()[-1]


async def test_orders_are_for_the_ticket_alone(work: Workplace) -> None:
    async with asked(work) as learner:
        before = learner.emulator.texts()
        for order, answer in (
            ("take", TAKEN),
            ("note: was upset", NOTED),
            ("return", RETURNED),
            ("Hello?", OVER),
        ):
            await writes(work, order)
            assert work.slack.texts()[-1] == answer.replace("`", "")
        assert learner.emulator.texts() == before
        notes = await work.app.fetch("SELECT text FROM app.ticket_notes WHERE creator_id = $1")
        assert [row["text"] for row in notes] == ["was upset"]


async def test_somebody_elses_ticket_is_not_taken_over(work: Workplace) -> None:
    async with asked(work):
        await writes(work, "take")
        await writes(work, "take", user="U0BEN")
        assert work.slack.texts()[-1] == NOT_YOURS
        await writes(work, "close")
        assert work.slack.texts()[-1] == CLOSED


async def test_the_room_is_reminded_when_nobody_came(work: Workplace) -> None:
    async with asked(work) as learner:
        await nobody_comes(work)
        assert "still waits" in work.slack.texts()[-1]
        await learner.says("I want to die")
        await work.app.drain()
        await nobody_comes(work)
        assert "still waits" in work.slack.texts()[-1]
        assert sum("still waits" in text for text in work.slack.texts()) == 2


async def nobody_comes(work: Workplace) -> None:
    later = work.app.runtime.clock.now() + timedelta(hours=2)
    await watch_tickets(work.app.runtime.database, later)
    await work.app.drain()


async def test_the_rest_of_the_room_is_not_the_desk(work: Workplace) -> None:
    async with asked(work) as learner:
        before = learner.emulator.texts()
        await work.slack.says("/help", channel="team", mention=True)
        await work.app.drain()
        assert learner.emulator.texts() == before
