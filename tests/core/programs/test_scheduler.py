"""What is due is sent once, through the real database to the emulated platform."""

from datetime import timedelta

import pytest

from core.runtime import Runtime
from shared.utils.clock import Clock
from tests.core.programs.coaching import NOW, Coach, daily, program, step
from tests.learners import Learner, work

DAY = timedelta(days=1)


@pytest.fixture
def clock(school_runtime: Runtime) -> Clock:
    """Noon of a Monday, on the clock that programs go by."""
    school_runtime.clock.move_to(NOW)
    return school_runtime.clock


@pytest.fixture
def coach(learner: Learner, clock: Clock) -> Coach:
    return Coach(database=learner.app.runtime.database, id=learner.app.creator_id)


async def enrolled(coach: Coach, learner: Learner, *steps: dict[str, object]) -> None:
    """The learner has written once, so that they may be written to, and is in this program."""
    await learner.asks("/start")
    contact_id = (await learner.conversation())["contact_id"]
    await coach.enrols(await coach.runs(program(*steps)), [contact_id])


async def ticks(learner: Learner) -> int:
    """Settle all that is due, and deliver it."""
    total = 0
    while count := await learner.app.runtime.scheduler.tick():
        total += count
    await work(learner.app)
    return total


async def test_a_step_with_written_text_reaches_the_person_once(
    coach: Coach, learner: Learner, clock: Clock
) -> None:
    await enrolled(coach, learner, step("hello"), step("more"))
    before = len(learner.emulator.sent)
    assert await ticks(learner) == 0
    clock.move(DAY)
    assert await ticks(learner) == 1
    assert [sent.text for sent in learner.emulator.sent[before:]] == ["hello"]
    assert await coach.sends() == [
        ("hello", "2026-11-24T09:00", "sent"),
        ("more", "2026-11-25T09:00", "waiting"),
    ]
    clock.move(DAY)
    await ticks(learner)
    assert [sent.text for sent in learner.emulator.sent[before:]] == ["hello", "more"]


async def test_a_daily_step_goes_on_day_by_day(
    coach: Coach, learner: Learner, clock: Clock
) -> None:
    await enrolled(coach, learner, daily("water"))
    before = len(learner.emulator.sent)
    for _ in range(3):
        clock.move(DAY)
        await ticks(learner)
    assert len(learner.emulator.sent) - before == 3
