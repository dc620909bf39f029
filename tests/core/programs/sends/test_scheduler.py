"""What is due is sent once, through the real database to the emulated platform."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from core.programs.definition import Content
from core.programs.sends.scheduler import Scheduler
from shared.utils.ids import new_id
from tests.core.programs.coaching import NOW, daily, step
from tests.core.programs.sends.sending import DAY, Sending, sending
from tests.learners import Learner

JOBS = "SELECT entrypoint, priority FROM queue.pgqueuer ORDER BY id"
ASKED = {"kind": "check_in", "expects": {"kind": "bool"}, "timeout": {"n": 2, "unit": "hours"}}


@pytest.fixture
async def sent(learner: Learner) -> Sending:
    return await sending(learner)


async def test_a_step_with_written_text_reaches_the_person_once(sent: Sending) -> None:
    await sent.enrol(step("hello"), step("more"))
    assert await sent.after(timedelta()) == []
    assert await sent.after(DAY) == ["hello"]
    assert await sent.coach.sends() == [
        ("hello", "2026-11-24T09:00", "sent"),
        ("more", "2026-11-25T09:00", "waiting"),
    ]
    assert await sent.after(timedelta(minutes=1)) == []
    assert await sent.after(DAY) == ["more"]


async def test_a_daily_step_goes_on_day_by_day(sent: Sending) -> None:
    await sent.enrol(daily("water"))
    assert [await sent.after(DAY) for _ in range(3)] == [["water"]] * 3


async def test_the_message_names_the_person_and_counts(sent: Sending) -> None:
    await sent.change("UPDATE app.contacts SET name = 'A*da' WHERE creator_id = $1")
    await sent.enrol(step("hello", content={"en": {"text": "Hi {name}, {goal}!"}}))
    assert await sent.after(DAY) == ["Hi A*da!"]
    [used] = await sent.coach.rows(
        "SELECT sum(value)::int AS n FROM app.usage_counters"
        " WHERE creator_id = $1 AND metric = 'sends'"
    )
    assert used["n"] == 1


async def test_a_check_in_has_buttons_and_waits_for_its_answer(sent: Sending) -> None:
    await sent.enrol(step("water", **ASKED), step("more"))
    sent.clock.move(DAY)
    await sent.ticks()
    message = sent.learner.emulator.sent[-1]
    assert list(message.buttons) == ["Yes", "No"]
    [row] = await sent.coach.rows(
        "SELECT answer_until - settled_at AS open FROM app.scheduled_sends"
        " WHERE creator_id = $1 AND state = 'sent'"
    )
    assert row["open"] == timedelta(hours=2)


async def test_a_question_nobody_answers_in_time_lets_the_program_go_on_once(sent: Sending) -> None:
    await sent.enrol(step("water", **ASKED), step("more"))
    await sent.after(DAY)
    assert await sent.coach.sends("waiting") == []
    await sent.after(timedelta(hours=3))
    assert [s[:2] for s in await sent.coach.sends("waiting")] == [("more", "2026-11-25T09:00")]
    assert await sent.scheduler.tick() == 0


async def test_words_that_must_be_found_take_a_turn_which_settles_the_send(sent: Sending) -> None:
    await sent.enrol(step("hello", template="nudge"), step("more"))
    sent.clock.move(DAY)
    assert await sent.scheduler.tick() == 1
    assert await sent.outcome() == ("claimed", None)
    assert await sent.scheduler.tick() == 0
    assert await sent.after(timedelta()) == ["hello"]
    assert [(s[0], s[2]) for s in await sent.coach.sends()] == [
        ("hello", "sent"),
        ("more", "waiting"),
    ]


async def test_a_turn_looks_at_every_gate_once_more(sent: Sending) -> None:
    await sent.enrol(step("hello", template="nudge"))
    sent.clock.move(DAY)
    await sent.scheduler.tick()
    await sent.change("UPDATE app.ai_conversations SET status = 'human' WHERE creator_id = $1")
    assert await sent.after(timedelta()) == []
    assert await sent.outcome() == ("waiting", "human")
    await sent.change("UPDATE app.ai_conversations SET status = 'returned' WHERE creator_id = $1")
    assert await sent.after(timedelta(hours=1)) == ["hello"]


async def test_a_turn_that_died_gives_its_send_up_and_the_program_goes_on(sent: Sending) -> None:
    await sent.enrol(step("hello", template="nudge"), step("more"))
    sent.clock.move(DAY)
    await sent.scheduler.tick()
    await sent.change("UPDATE app.messages SET failures = 9 WHERE creator_id = $1 AND kind = 'due'")
    assert await sent.after(timedelta()) == []  # not even an apology
    await sent.after(timedelta(hours=1))
    assert [(s[0], s[2]) for s in await sent.coach.sends()] == [
        ("hello", "skipped"),
        ("more", "waiting"),
    ]


async def test_who_writes_needs_no_nudge_and_the_program_goes_on(sent: Sending) -> None:
    nudge = {"kind": "nudge", "when": {"offset": {"n": 4, "unit": "hours"}}}
    await sent.enrol(step("hello"), step("are-you-there", **nudge), step("more"))
    await sent.after(DAY)
    await sent.learner.says("Here I am")
    assert [s[0] for s in await sent.coach.sends("cancelled")] == ["are-you-there"]
    await sent.ticks()
    assert [s[0] for s in await sent.coach.sends("waiting")] == ["more"]
    assert await sent.after(timedelta(hours=5)) == []


async def test_replies_are_delivered_before_what_we_begin(sent: Sending) -> None:
    await sent.enrol(step("hello"))
    await sent.learner.says("/help")
    sent.clock.move(DAY)
    await sent.scheduler.tick()
    async with sent.coach.database.dispatch() as connection:
        jobs = {row["entrypoint"]: row["priority"] for row in await connection.fetch(JOBS)}
    assert jobs["deliver"] < jobs["turn"]


async def test_after_downtime_a_daily_step_is_sent_once(sent: Sending) -> None:
    await sent.enrol(daily("water"))
    assert await sent.after(3 * DAY) == ["water"]
    assert await sent.after(DAY) == ["water"]


async def test_a_clock_that_is_set_back_sends_nothing_twice(sent: Sending) -> None:
    await sent.enrol(daily("water"))
    assert await sent.after(DAY) == ["water"]
    assert await sent.after(-2 * DAY) == []
    assert await sent.after(2 * DAY) == []
    assert await sent.after(DAY) == ["water"]


# --- several at once


async def add_sends(sent: Sending, count: int, *, due_at: Any = NOW) -> None:
    """A broadcast to as many people who agreed to it."""
    broadcast_id = new_id()
    content = {"en": Content(text="News").model_dump()}
    await sent.change(
        "INSERT INTO app.broadcasts (creator_id, id, name, content, filter, actor, state)"
        " VALUES ($1, $2, 'News', $3, '{}', 'tests', 'running')",
        broadcast_id,
        content,
    )
    await sent.change(
        "WITH people AS (INSERT INTO app.contacts (creator_id, id)"
        "  SELECT $1, gen_random_uuid() FROM generate_series(1, $2::int) RETURNING id),"
        " identities AS (INSERT INTO app.contact_identities (creator_id, id, contact_id,"
        "   channel_id, address) SELECT $1, id, id, $3, id FROM people),"
        " talks AS (INSERT INTO app.ai_conversations (creator_id, id, channel_id, contact_id,"
        "   key, address) SELECT $1, id, $3, id, id,"
        "   jsonb_build_object('chat', id, 'person', id) FROM people)"
        " INSERT INTO app.scheduled_sends (creator_id, id, contact_id, source_kind, source_id,"
        "   class, purpose, planned_at, due_at)"
        " SELECT $1, id, id, 'broadcast', $4, 'broadcast', 'broadcast', $5, $5 FROM people",
        count,
        sent.learner.account.channel_id,
        broadcast_id,
        due_at,
    )


async def states(sent: Sending) -> dict[str, int]:
    rows = await sent.coach.rows(
        "SELECT coalesce(skip_reason, CASE state WHEN 'waiting' THEN defer_reason END, state)"
        " AS state, count(*) AS n FROM app.scheduled_sends WHERE creator_id = $1 GROUP BY 1"
    )
    return {row["state"]: row["n"] for row in rows}


async def test_a_channel_is_given_what_it_takes_in_a_few_seconds(sent: Sending) -> None:
    await sent.set_policy(broadcast_consent="implied")
    await add_sends(sent, 300)
    while await sent.scheduler.tick():
        pass
    # Telegram takes 30 a second; four fifths of that, for three seconds.
    assert await states(sent) == {"sent": 72, "pace": 228}
    sent.clock.move(timedelta(seconds=1))
    ticks = await sent.scheduler.tick()
    assert ticks < 100, "those that found no place are not looked at again at once"
    for _ in range(15):
        sent.clock.move(timedelta(seconds=1))
        await sent.scheduler.tick()
    assert await states(sent) == {"sent": 300}


async def test_schedulers_at_once_send_each_thing_once(sent: Sending) -> None:
    await sent.set_policy(broadcast_consent="implied")
    await sent.change(
        "UPDATE app.channels SET settings = $2 WHERE creator_id = $1", {"rates": {"account": 0}}
    )
    await add_sends(sent, 400)
    runtime = sent.learner.app.runtime
    others = [
        Scheduler(
            database=runtime.database,
            clock=runtime.clock,
            channels=runtime.channels,
            live=runtime.live,
        )
        for _ in range(3)
    ]
    while set(await states(sent)) != {"sent"}:
        await asyncio.gather(*(one.tick() for one in others))
    messages = await sent.coach.rows(
        "SELECT id FROM app.messages WHERE creator_id = $1 AND kind = 'program'"
    )
    assert len(messages) == 400
    assert await states(sent) == {"sent": 400}


async def test_what_is_due_at_the_limit_of_a_month_waits(sent: Sending) -> None:
    await sent.set_policy(broadcast_consent="implied", quotas={"sends": {"hard": 2}})
    await add_sends(sent, 5)
    await sent.ticks()
    assert await states(sent) == {"sent": 2, "quota": 3}
