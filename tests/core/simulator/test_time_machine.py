"""Time that is let pass: it stops at everything that is due, is moved by one at a time, forward."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest

from core.runtime import Runtime
from core.simulator.routes import install
from core.simulator.stage import Stage
from core.simulator.time_machine import AlreadyMoving, TimeMachine
from core.testing.apps import working
from shared.settings import Settings
from tests.apps import quick
from tests.core.programs.coaching import NOW, Coach, daily, program, step
from tests.e2e.simulated import OWN_PAGE
from tests.gateway import new_gateway
from tests.learners import Learner
from tests.waiting import eventually

DAY = timedelta(days=1)
SETTLED = """
SELECT step_key, state, skip_reason, due_at, settled_at FROM app.scheduled_sends
WHERE creator_id = $1 AND source_kind = 'step' AND settled_at IS NOT NULL ORDER BY settled_at
"""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A worker that looks for what is due as often as the clock looks whether it is done."""
    hurried = settings.worker.model_copy(update={"tick_seconds": 0.05})
    return quick(settings, worker=hurried)


@pytest.fixture
def coach(learner: Learner) -> Coach:
    learner.app.runtime.clock.move_to(NOW)
    return Coach(database=learner.app.runtime.database, id=learner.app.creator_id)


@pytest.fixture
async def machine(coach: Coach, school_runtime: Runtime) -> AsyncIterator[TimeMachine]:
    machine = TimeMachine(school_runtime.database, school_runtime.clock, coach.id)
    yield machine
    await machine.close()


@pytest.fixture
async def page(coach: Coach, school_runtime: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    """The simulator's own page, at the time that the coach lives in."""
    stage = Stage(school_runtime, coach.id, "http://cairn.test")
    gateway = new_gateway(school_runtime)
    install(gateway, stage)
    transport = httpx.ASGITransport(gateway)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://cairn.test/simulator/api", headers=OWN_PAGE
    ) as client:
        yield client
    await stage.time.close()


async def enrol(coach: Coach, learner: Learner, *steps: dict[str, object]) -> UUID:
    await learner.asks("/start")
    contact_id: UUID = (await learner.conversation())["contact_id"]
    await coach.enrols(await coach.runs(program(*steps, minds_silence=False)), [contact_id])
    return contact_id


async def test_it_stops_at_each_send_that_is_due(
    coach: Coach, learner: Learner, machine: TimeMachine
) -> None:
    await enrol(coach, learner, daily("early", "08:00"), daily("late", "20:00"))
    before = len(learner.emulator.sent)
    async with working(learner.app.runtime):
        await machine.travel(NOW + 2 * DAY)
    assert [sent.text for sent in learner.emulator.sent[before:]] == [
        *("late", "early", "late", "early"),
    ]
    rows = await coach.rows(SETTLED)
    assert [row["due_at"].hour for row in rows] == [20, 8, 20, 8]
    late_by = [row["settled_at"] - row["due_at"] for row in rows]
    assert max(late_by) < timedelta(minutes=5)  # hours, had the clock not stopped
    assert machine.now >= NOW + 2 * DAY


async def test_a_question_that_nobody_answers_goes_on_at_its_time(
    coach: Coach, learner: Learner, machine: TimeMachine
) -> None:
    question = {"kind": "question", "expects": "bool", "timeout": "1 day"}
    soon = {"offset": {"n": 1, "unit": "hours"}}
    await enrol(coach, learner, step("ask", **question), step("after", when=soon))
    async with working(learner.app.runtime):
        await machine.travel(NOW + 5 * DAY)
    asked, after = await coach.rows(SETTLED)
    assert (asked["step_key"], after["step_key"]) == ("ask", "after")
    assert after["due_at"] - asked["due_at"] < timedelta(days=1, hours=1, minutes=5)


async def test_what_a_person_holds_up_is_no_stop_until_it_is_over(
    coach: Coach, learner: Learner, machine: TimeMachine
) -> None:
    await enrol(coach, learner, daily("late", "20:00", expires_after="3 hours"))
    await coach.rows("UPDATE app.ai_conversations SET status = 'human' WHERE creator_id = $1")
    evening = NOW + timedelta(hours=8)
    async with working(learner.app.runtime):
        await machine.travel(evening)
        assert await machine.next_due() == evening + timedelta(hours=3)
        await machine.travel(evening + timedelta(hours=6))
    [row] = await coach.rows(SETTLED)
    assert (row["state"], row["skip_reason"]) == ("expired", "expired")
    assert await machine.next_due() == evening + DAY


async def test_time_is_moved_by_one_at_a_time(
    coach: Coach, learner: Learner, machine: TimeMachine
) -> None:
    await enrol(coach, learner, daily("late", "20:00"))
    machine.start(NOW + DAY)
    with pytest.raises(AlreadyMoving):
        machine.start(NOW + 2 * DAY)
    async with working(learner.app.runtime):
        await eventually(lambda: not machine.is_moving)
    assert NOW + DAY <= machine.now < NOW + 2 * DAY


async def test_time_never_goes_back(coach: Coach, machine: TimeMachine) -> None:
    await machine.travel(NOW - DAY)
    assert machine.now >= NOW


async def test_the_page_moves_time_until_the_next_message(
    coach: Coach, learner: Learner, page: httpx.AsyncClient
) -> None:
    await enrol(coach, learner, daily("late", "20:00"))
    moving = await page.post("time", json={"minutes": None})
    assert (moving.status_code, moving.json()["is_moving"]) == (202, True)
    second = await page.post("time", json={"minutes": 60})
    assert (second.status_code, second.json()["code"]) == (409, "time_is_passing")
    async with working(learner.app.runtime):
        await eventually(lambda: learner.emulator.texts()[-1] == "late")
    shown = (await page.get("time")).json()
    assert datetime.fromisoformat(shown["now"]).hour == 20
    assert datetime.fromisoformat(shown["next_due"]) == datetime(2026, 11, 24, 20, tzinfo=UTC)


async def test_with_nothing_due_there_is_nowhere_to_go(page: httpx.AsyncClient) -> None:
    answer = await page.post("time", json={"minutes": None})
    assert (answer.status_code, answer.json()["code"]) == (422, "nothing_due")


@pytest.mark.parametrize("minutes", [0, -60, 63 * 24 * 60], ids=["none", "back", "too far"])
async def test_time_passes_forward_and_not_for_ever(page: httpx.AsyncClient, minutes: int) -> None:
    answer = await page.post("time", json={"minutes": minutes})
    assert answer.status_code == 422


async def test_only_the_page_itself_moves_time(page: httpx.AsyncClient) -> None:
    del page.headers["Cairn-Simulator"]
    answer = await page.post("time", json={"minutes": 60})
    assert answer.status_code == 403
