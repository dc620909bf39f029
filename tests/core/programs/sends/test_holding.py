"""What others hold up: how long its words stay good; the end of the wait is never missed."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from core import tickets
from core.programs.sends import holding
from tests.core.programs.coaching import daily, step
from tests.core.programs.sends.sending import DAY, Sending, sending
from tests.learners import Learner, work
from tests.waiting import eventually

SOON = timedelta(seconds=1)
HOUR = timedelta(hours=1)
OVER_LOOK = timedelta(minutes=16)
FOUR_HOURS: dict[str, Any] = {"late_policy": "skip", "expires_after": {"n": 4, "unit": "hours"}}
TO_NINE = DAY - 3 * HOUR  # it is noon
_STATUS = "UPDATE app.{table} SET status = $2 WHERE creator_id = $1"
_WAITS = """
SELECT count(*) AS n FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND $1::uuid IS NOT NULL
"""


@pytest.fixture
async def sent(learner: Learner) -> Sending:
    return await sending(learner)


# --- how long its words stay good

Hold = Callable[[Sending, UUID, bool], Awaitable[None]]


def by_status(table: str, held: str, free: str) -> Hold:
    async def hold(sent: Sending, _program_id: UUID, on: bool) -> None:
        await sent.change(_STATUS.format(table=table), held if on else free)

    return hold


async def by_pause(sent: Sending, program_id: UUID, on: bool) -> None:
    who: dict[str, Any] = {"actor": "tests"}
    publishing = sent.coach.publishing
    if on:
        await publishing.pause(sent.coach.id, program_id, **who)
    else:
        await publishing.resume(sent.coach.id, program_id, now=sent.clock.now(), **who)


HOLDS = {
    "human": by_status("ai_conversations", "human", "returned"),
    "no_channel": by_status("channels", "disabled", "active"),
    "suspended": by_status("creators", "suspended", "active"),
    "program_paused": by_pause,
}


@pytest.mark.parametrize("reason", HOLDS)
async def test_held_up_it_is_sent_until_it_expires(sent: Sending, reason: str) -> None:
    hold = HOLDS[reason]
    program_id = await sent.enrol(daily("water", **FOUR_HOURS))
    await hold(sent, program_id, True)
    sent.clock.move(TO_NINE)
    await sent.scheduler.tick()
    assert await sent.outcome() == ("waiting", reason)
    sent.clock.move(2 * HOUR)
    await sent.scheduler.tick()
    assert await sent.outcome() == ("waiting", reason)
    await hold(sent, program_id, False)
    assert await sent.after(OVER_LOOK) == ["water"]


async def held_by_human(sent: Sending) -> None:
    """At nine, of what is due then."""
    await HOLDS["human"](sent, sent.contact_id, True)
    assert await sent.after(TO_NINE) == []
    assert await sent.outcome() == ("waiting", "human")


async def test_held_up_longer_it_expires(sent: Sending) -> None:
    await sent.enrol(daily("water", **FOUR_HOURS))
    await held_by_human(sent)
    assert await sent.after(4 * HOUR) == []
    assert await sent.outcome() == ("expired", "expired")


async def test_without_an_expiry_the_policy_decides(sent: Sending) -> None:
    await sent.enrol(daily("water", late_policy="skip"))
    await held_by_human(sent)
    assert await sent.after(OVER_LOOK) == []
    assert await sent.outcome() == ("skipped", "late")


async def test_missed_by_ourselves_the_policy_decides(sent: Sending) -> None:
    await sent.enrol(daily("water", **FOUR_HOURS))
    assert await sent.after(TO_NINE + HOUR) == []
    assert await sent.outcome() == ("skipped", "late")


async def test_of_several_held_up_only_the_latest_is_sent(sent: Sending) -> None:
    days: dict[str, Any] = {"late_policy": "collapse", "expires_after": {"n": 3, "unit": "days"}}
    await sent.enrol(daily("water", **days))
    await held_by_human(sent)
    await HOLDS["human"](sent, sent.contact_id, False)
    assert await sent.after(DAY + HOUR) == ["water"]
    [first] = await sent.coach.rows(
        "SELECT skip_reason FROM app.scheduled_sends WHERE creator_id = $1 AND state = 'skipped'"
    )
    assert first["skip_reason"] == "late"


# --- the end of the wait


async def gives_back(sent: Sending, conversation_id: UUID) -> None:
    async with sent.coach.database.transaction(sent.coach.id) as connection:
        await back(connection, sent, conversation_id)


async def back(connection: Any, sent: Sending, conversation_id: UUID) -> None:
    give = tickets.give_back_conversation
    await give(connection, sent.coach.id, conversation_id, "ada", sent.clock.now())


async def due(sent: Sending) -> UUID:
    """A send that nobody has looked at, while a person has the conversation; its id."""
    await HOLDS["human"](sent, sent.contact_id, True)
    await sent.enrol(step("hello"))
    sent.clock.move(DAY)
    return await sent.learner.conversation_id()


async def test_judged_before_it_is_given_back_for_all_to_see_it_is_not_put_off(
    sent: Sending,
) -> None:
    conversation_id = await due(sent)
    async with sent.coach.database.transaction(sent.coach.id) as connection:
        await back(connection, sent, conversation_id)
        await sent.scheduler.tick()
    assert await sent.after(SOON) == ["hello"]


async def test_given_back_while_it_is_judged_it_is_not_put_off(
    sent: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation_id = await due(sent)
    certainly = holding.held_certainly

    async def given_back_before(*arguments: Any) -> Any:
        await gives_back(sent, conversation_id)
        return await certainly(*arguments)

    monkeypatch.setattr(holding, "held_certainly", given_back_before)
    await sent.scheduler.tick()
    monkeypatch.undo()
    assert await sent.after(SOON) == ["hello"]


async def test_given_back_while_it_is_put_off_it_is_woken(
    sent: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation_id = await due(sent)
    certainly, giving = holding.held_certainly, asyncio.Event()

    async def given_back_after(*arguments: Any) -> Any:
        found = await certainly(*arguments)
        giving.set()
        await eventually(lambda: waits(sent))
        return found

    async def give() -> None:
        await giving.wait()
        await gives_back(sent, conversation_id)

    monkeypatch.setattr(holding, "held_certainly", given_back_after)
    await asyncio.gather(sent.scheduler.tick(), give())
    monkeypatch.undo()
    assert await sent.outcome() == ("waiting", "human")
    assert await sent.after(SOON) == ["hello"]


async def waits(sent: Sending) -> bool:
    [row] = await sent.coach.rows(_WAITS)
    return bool(row["n"])


async def test_what_a_turn_puts_off_the_scheduler_looks_at_again(sent: Sending) -> None:
    """Given back between a turn's judgement and its commit, when nothing waits to be woken."""
    await sent.enrol(step("hello", kind="message", show="week"))
    sent.clock.move(DAY)
    await sent.scheduler.tick()
    assert await sent.outcome() == ("claimed", None)
    await HOLDS["human"](sent, sent.contact_id, True)
    await work(sent.learner.app)
    assert await sent.outcome() == ("waiting", "human")
    await HOLDS["human"](sent, sent.contact_id, False)
    assert len(await sent.after(SOON)) == 1
