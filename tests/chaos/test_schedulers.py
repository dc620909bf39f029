"""Schedulers that are killed, whose clocks jump and who oversleep: one send a slot, no burst.

What was sent is read from the emulated platform's own log, and joined with the database.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from core import consent
from core.consent import Person, Said
from core.programs.sends.scheduler import Scheduler
from shared.utils.clock import Clock, utc_now
from shared.utils.ids import new_id
from tests.chaos import oracle
from tests.chaos.processes import Process
from tests.chaos.stage import Stage
from tests.core.programs.coaching import NOW, Coach, daily, program
from tests.waiting import eventually

pytestmark = pytest.mark.chaos

FAILPOINTS = ("mid-tick", "before-tick-commit", "after-tick-commit")
KILLS = 20
KILLED = -9
SCHEDULERS = 3
PEOPLE = 12
STEPS = 40
POLICY: dict[str, Any] = {"silence_days": [], "caps": {"check_in": {"per_day": None}}}

_PERSON = """
WITH person AS (
  INSERT INTO app.contacts (creator_id, id, name, timezone) VALUES ($1, $2, $3, $6)
), identity AS (
  INSERT INTO app.contact_identities (creator_id, id, contact_id, channel_id, address)
  VALUES ($1, $2, $2, $4, $5)
)
INSERT INTO app.ai_conversations (creator_id, id, channel_id, contact_id, key, address)
VALUES ($1, $2, $4, $2, $5, jsonb_build_object('chat', $5::text, 'person', $5::text))
"""
_OPEN = """
SELECT 1 FROM app.scheduled_sends WHERE state IN ('waiting', 'claimed')
UNION ALL SELECT 1 FROM app.messages WHERE status IN ('queued', 'sending') LIMIT 1
"""
_SLOTS = """
SELECT contact_id, occurrence, planned_at, settled_at, state, skip_reason FROM app.scheduled_sends
WHERE state <> 'waiting' ORDER BY contact_id, planned_at
"""
_SAID = """
SELECT count(*) AS n, count(DISTINCT payload ->> 'send_id') AS slots FROM app.messages
WHERE kind = 'program'
"""


async def people(stage: Stage, count: int, zones: tuple[str, ...] = ("UTC",)) -> list[UUID]:
    """Learners on Telegram who may be written to, chats 1, 2, 3 …"""
    found = []
    async with stage.runtime.database.transaction(stage.creator_id) as connection:
        await connection.execute(
            "INSERT INTO app.creator_policies (creator_id, policy) VALUES ($1, $2)",
            stage.creator_id,
            POLICY,
        )
        for chat in range(1, count + 1):
            contact_id = new_id()
            stage.emulator.message("/start", chat=chat)  # else a bot may not write to them
            await connection.execute(
                _PERSON,
                stage.creator_id,
                contact_id,
                f"P{chat}",
                stage.telegram.channel_id,
                str(chat),
                zones[chat % len(zones)],
            )
            scope = consent.scope_of("telegram", "echo")
            person = Person(creator_id=stage.creator_id, scope=scope, address=str(chat))
            said = Said(source="start", actor="tests", at=NOW)
            await consent.grant(connection, person, ("coaching",), said)
            found.append(contact_id)
    return found


def coach_of(stage: Stage) -> Coach:
    return Coach(database=stage.runtime.database, id=stage.creator_id)


def chain(count: int) -> list[dict[str, Any]]:
    """Steps that follow each other at once."""
    return [
        {"key": f"s{n}", "content": {"en": {"text": f"{{name}} {n}"}}, "when": {"offset": {"n": 0}}}
        for n in range(count)
    ]


async def test_schedulers_killed_at_their_ticks_send_every_step_once_and_in_order(
    stage: Stage,
) -> None:
    coach = coach_of(stage)
    contacts = await people(stage, PEOPLE)
    await coach.enrols(await coach.runs(program(*chain(STEPS)), utc_now()), contacts, utc_now())
    plans = [f"{name}:kill:{nth}" for nth in (1, 2) for name in FAILPOINTS]
    kills = await kill_at_ticks(stage, itertools.cycle(plans))
    assert kills == KILLS
    await stage.start_worker(tick_seconds="0.05")

    async def is_over() -> bool:
        return not await stage.fetch(_OPEN)

    await eventually(is_over, timeout=60.0)
    uncertain = {row["text"] for row in await stage.uncertain()}
    for chat in range(1, PEOPLE + 1):
        expected = [f"P{chat} {n}" for n in range(STEPS)]
        oracle.compare(str(chat), expected, stage.emulator.texts(chat), uncertain)
    [row] = await stage.fetch(_SAID)
    assert (row["n"], row["slots"]) == (PEOPLE * STEPS, PEOPLE * STEPS)


async def kill_at_ticks(stage: Stage, plans: Iterator[str]) -> int:
    """Let workers run beside each other that die at their ticks, until enough have; how many."""
    kills = 0
    ended: dict[asyncio.Task[int], Process] = {}
    started = 0
    while kills < KILLS:
        while len(ended) < SCHEDULERS and started < KILLS:
            process = await stage.start_worker(next(plans), tick_seconds="0.05")
            ended[asyncio.create_task(process.ended(60.0))] = process
            started += 1
        done, _ = await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            assert task.result() == KILLED, ended[task].tail()
            del ended[task]
            kills += 1
    return kills


ZONES = ("UTC", "Asia/Tokyo", "America/New_York", "Europe/Lisbon")
# By how many minutes each scheduler's clock jumps, one after another.
JUMPS = (0, 30, -20, 45, -60, 15, 240, -5, 10, 300, -120, 180, 600, 20, -30, 700)


async def test_clocks_that_jump_back_and_forth_send_each_slot_once(stage: Stage) -> None:
    coach = coach_of(stage)
    contacts = await people(stage, 8, ZONES)
    await coach.enrols(await coach.runs(program(daily("water")), NOW), contacts, NOW)
    clocks = [Clock() for _ in range(SCHEDULERS)]
    for number, jump in enumerate(JUMPS * 6):
        clock = clocks[number % SCHEDULERS]
        clock.move_to(NOW if number < SCHEDULERS else clock.now() + timedelta(minutes=jump))
        await asyncio.gather(*(scheduler(stage, one).tick() for one in clocks))
    assert (await one_message_a_slot(stage))["n"] >= 2 * len(contacts)


async def test_after_three_hours_of_downtime_each_person_gets_one(stage: Stage) -> None:
    coach = coach_of(stage)
    contacts = await people(stage, 8)
    hourly = daily("water") | {"when": {"anchor": "enrolment", "rrule": "FREQ=HOURLY"}}
    await coach.enrols(await coach.runs(program(hourly), NOW), contacts, NOW)
    clock = Clock()
    clock.move_to(NOW + timedelta(minutes=1))
    await settle_all(stage, clock)
    before = (await one_message_a_slot(stage))["n"]
    clock.move(timedelta(hours=3, minutes=10))
    await settle_all(stage, clock)
    assert (await one_message_a_slot(stage))["n"] - before == len(contacts)
    late = [row for row in await stage.fetch(_SLOTS) if row["state"] == "sent"]
    assert max(Counter(row["contact_id"] for row in late).values()) <= 2


def scheduler(stage: Stage, clock: Clock) -> Scheduler:
    runtime = stage.runtime
    return Scheduler(
        database=runtime.database, clock=clock, channels=runtime.channels, live=runtime.live
    )


async def settle_all(stage: Stage, clock: Clock) -> None:
    while await scheduler(stage, clock).tick():
        pass


async def one_message_a_slot(stage: Stage) -> Any:
    """No slot was said twice, none in the night before it was due; how many there were."""
    [row] = await stage.fetch(_SAID)
    assert row["n"] == row["slots"] > 0
    slots = await stage.fetch(_SLOTS)
    named = Counter((slot["contact_id"], slot["occurrence"]) for slot in slots)
    assert max(named.values()) == 1
    assert all(slot["settled_at"] >= slot["planned_at"] for slot in slots)
    return row
