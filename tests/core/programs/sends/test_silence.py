"""Somebody falls silent: two gentle words, then the coach's list; whoever writes begins anew."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from core.programs.check_ins.words import WORDS
from core.programs.sends import silence
from core.programs.sends.silence import Place, place_of
from core.runtime import Runtime
from shared.utils.clock import Clock
from tests.core.programs.coaching import NOW, Coach, program, step
from tests.learners import Learner, work

DAY = timedelta(days=1)
FIRST, SECOND = WORDS["en"].reminders
LADDER = """
SELECT split_part(occurrence, '@', 1) AS rung, state, skip_reason FROM app.scheduled_sends
WHERE creator_id = $1 AND source_kind = 'silence' ORDER BY id
"""
TICKETS = "SELECT reason, detail, state FROM app.tickets WHERE creator_id = $1"


@pytest.fixture
def clock(school_runtime: Runtime) -> Clock:
    """Noon of a Monday, on the clock that programs go by."""
    school_runtime.clock.move_to(NOW)
    return school_runtime.clock


@pytest.fixture
def coach(learner: Learner, clock: Clock) -> Coach:
    return Coach(database=learner.app.runtime.database, id=learner.app.creator_id)


async def enrol(coach: Coach, learner: Learner) -> UUID:
    """In a program that says nothing for a year."""
    await learner.asks("/start")
    contact_id: UUID = (await learner.conversation())["contact_id"]
    far = step("far", when={"offset": {"n": 365, "unit": "days"}, "at": "12:00"})
    await coach.enrols(await coach.runs(program(far)), [contact_id])
    return contact_id


async def after(learner: Learner, **passed: float) -> list[str]:
    """What the bot says by itself when so much time has passed."""
    before = len(learner.emulator.sent)
    learner.app.runtime.clock.move(timedelta(**passed))
    while await learner.app.runtime.scheduler.tick():
        pass
    await work(learner.app)
    return [sent.text for sent in learner.emulator.sent[before:]]


async def ladder(coach: Coach) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await coach.rows(LADDER)]


async def tickets(coach: Coach) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await coach.rows(TICKETS)]


async def test_two_words_and_then_the_coachs_list(coach: Coach, learner: Learner) -> None:
    await enrol(coach, learner)
    assert await after(learner, days=1.9) == []
    assert await after(learner, days=0.2) == [FIRST]
    assert await after(learner, days=2) == []
    assert await after(learner, days=1) == [SECOND]
    assert await tickets(coach) == []
    assert await after(learner, days=5) == []
    assert await tickets(coach) == [("silence", "No word for 10 days.", "queued")]
    assert await ladder(coach) == [
        ("1", "sent", None),
        ("2", "sent", None),
        ("3", "skipped", "human"),
    ]
    assert await after(learner, days=30) == []


async def test_whoever_writes_begins_at_the_foot(coach: Coach, learner: Learner) -> None:
    await enrol(coach, learner)
    await after(learner, days=1.5)
    await learner.asks("thanks")
    assert await after(learner, days=1) == []
    assert await ladder(coach) == [("1", "waiting", None)]
    assert await after(learner, days=1.1) == [FIRST]


async def test_a_word_between_two_rungs_begins_anew(coach: Coach, learner: Learner) -> None:
    await enrol(coach, learner)
    assert await after(learner, days=2.1) == [FIRST]
    await learner.asks("thanks")
    assert await after(learner, days=3) == [FIRST]
    assert await after(learner, days=3.2) == [SECOND]


@pytest.mark.parametrize("word", ["thanks", "/goals", "I want to die"])
async def test_a_word_after_the_last_rung_begins_anew(
    coach: Coach, learner: Learner, word: str
) -> None:
    await enrol(coach, learner)
    for days in (2.1, 3, 5):
        await after(learner, days=days)
    assert len(await tickets(coach)) == 1
    await learner.asks(word)
    assert (await ladder(coach))[-1] == ("1", "waiting", None)


@pytest.mark.parametrize("word", ["/start", "start"])
async def test_who_comes_back_after_a_stop_begins_at_the_foot(
    coach: Coach, learner: Learner, word: str
) -> None:
    await enrol(coach, learner)
    await learner.asks("stop")
    await learner.asks("/goals")
    assert await ladder(coach) == [("1", "cancelled", "stopped")]
    await learner.asks(word)
    assert (await ladder(coach))[-1] == ("1", "waiting", None)


async def test_who_has_left_is_left_alone(coach: Coach, learner: Learner) -> None:
    await enrol(coach, learner)
    await coach.rows("UPDATE app.enrolments SET status = 'exited' WHERE creator_id = $1")
    assert await after(learner, days=3) == []
    assert await ladder(coach) == [("1", "cancelled", "enrolment_ended")]


async def test_who_opted_out_is_left_alone(coach: Coach, learner: Learner) -> None:
    await enrol(coach, learner)
    await learner.asks("stop")
    assert await after(learner, days=20) == []
    assert await tickets(coach) == []


async def test_at_night_nobody_is_reminded(coach: Coach, learner: Learner, clock: Clock) -> None:
    clock.move(timedelta(hours=10))  # 22:00
    await enrol(coach, learner)
    await coach.rows(
        "UPDATE app.contacts SET quiet_hours = $2 WHERE creator_id = $1",
        {"start": "21:00", "end": "08:00"},
    )
    assert await after(learner, days=2, hours=1) == []
    assert await after(learner, hours=10) == [FIRST]


async def test_after_weeks_without_a_scheduler_one_word_is_said(
    coach: Coach, learner: Learner
) -> None:
    await enrol(coach, learner)
    assert await after(learner, days=25) == [FIRST]
    assert await after(learner, hours=1) == []


async def test_a_ladder_is_planned_once(coach: Coach, learner: Learner) -> None:
    contact_id = await enrol(coach, learner)
    async with coach.database.transaction(coach.id) as db:
        await silence.plan_silence(db, coach.id, [contact_id], NOW + DAY)
    assert len(await ladder(coach)) == 1


async def test_a_second_ladder_is_taken_away(coach: Coach, learner: Learner) -> None:
    await enrol(coach, learner)
    await coach.rows(
        "INSERT INTO app.scheduled_sends (creator_id, id, contact_id, source_kind, source_id,"
        " occurrence, class, planned_at, due_at) SELECT creator_id, gen_random_uuid(), contact_id,"
        " source_kind, source_id, '1@2026-11-23T11:00:00Z', class, planned_at, due_at"
        " FROM app.scheduled_sends WHERE creator_id = $1 AND source_kind = 'silence'"
    )
    assert await after(learner, days=2.1) == [FIRST]
    assert await after(learner, days=1) == []
    assert sorted(state for _, state, _ in await ladder(coach)) == ["cancelled", "sent", "waiting"]


async def test_in_the_persons_language(coach: Coach, learner: Learner) -> None:
    await learner.asks("/language pt-BR")
    await enrol(coach, learner)
    assert await after(learner, days=2.1) == [WORDS["pt"].reminders[0]]


def test_a_place_on_the_ladder_is_read_as_it_is_written() -> None:
    place = Place(rung=2, since=NOW + timedelta(microseconds=7))
    assert place_of(place.occurrence) == place
    assert place.due_at((2, 5, 10)) == place.since + timedelta(days=5)
    assert place.due_at((3,)) == place.since + timedelta(days=3)
