"""Programs that come with a bot: every creator who uses it has them, and keeps their own say."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from core.bots import Bot
from core.programs.declared import Declared, sync_declared
from core.programs.definition import Program
from core.programs.keeping import ProgramInCode
from shared.utils.clock import Clock
from tests.apps import App
from tests.core.programs.coaching import SENDS, Coach, daily, program, step
from tests.learners import Learner, on_telegram


def runner_bot(*programs: Program, drafts: tuple[Program, ...] = ()) -> Bot:
    return Bot(name="runner", persona="Runs.", programs=programs, drafts=drafts)


def run(*steps: str, **fields: object) -> Program:
    return program(*(daily(key) for key in steps), slug="run", bot="runner", **fields)


async def declare(coach: Coach, bot: Bot) -> None:
    declared = Declared({bot.name: bot}, Clock())
    async with coach.database.transaction(coach.id) as db:
        await declared.reach(db, coach.id, bot.name)


async def status(coach: Coach, slug: str = "run") -> tuple[str, int, int | None]:
    row = await coach.programs.by_name(coach.id, slug)
    assert row.origin == "code"
    return row.status, row.version, row.live_version


async def test_a_bots_programs_are_live_and_its_drafts_are_not(coach: Coach) -> None:
    draft = program(step("later"), slug="later", bot="runner")
    for _ in range(2):  # a second time changes nothing
        await declare(coach, runner_bot(run("warm-up"), drafts=(draft,)))
    assert await status(coach) == ("live", 1, 1)
    assert await status(coach, "later") == ("draft", 1, None)


async def test_changed_code_is_the_next_version_and_moves_what_waits(coach: Coach) -> None:
    await declare(coach, runner_bot(run("warm-up")))
    row = await coach.programs.by_name(coach.id, "run")
    await coach.enrols(row.id, [await coach.meets()])
    await declare(coach, runner_bot(run("sprint")))
    assert await status(coach) == ("live", 2, 2)
    assert {key for key, _, _ in await coach.sends("waiting")} == {"sprint"}


@pytest.mark.parametrize("action", ["pause", "archive"])
async def test_what_the_creator_put_away_stays_so(coach: Coach, action: str) -> None:
    await declare(coach, runner_bot(run("warm-up")))
    row = await coach.programs.by_name(coach.id, "run")
    if action == "pause":
        await coach.publishing.pause(coach.id, row.id, actor="tests")
    else:
        await coach.publishing.archive(coach.id, row.id, actor="tests", now=Clock().now())
    await declare(coach, runner_bot(run("sprint")))
    expected = ("paused", 2, 2) if action == "pause" else ("archived", 2, 1)
    assert await status(coach) == expected


async def test_a_program_of_the_creators_own_is_left_alone(coach: Coach) -> None:
    own = (await coach.programs.put(coach.id, run("mine"), actor="tests")).row
    await declare(coach, runner_bot(run("warm-up")))
    row = await coach.programs.by_name(coach.id, "run")
    assert (row.id, row.origin, row.version) == (own.id, "api", 1)


async def test_what_code_declares_is_edited_there(coach: Coach) -> None:
    await declare(coach, runner_bot(run("warm-up")))
    row = await coach.programs.by_name(coach.id, "run")
    with pytest.raises(ProgramInCode):
        await coach.programs.save(coach.id, row.id, run("mine"), actor="tests")


@pytest.fixture
async def runner(school: App) -> AsyncIterator[Learner]:
    """Somebody who talks to a bot with programs, one of which everybody joins."""
    programs = run("warm-up", joins_on_start=True), program(step("other"), slug="other")
    school.runtime.bots["runner"] = runner_bot(*programs)
    async with on_telegram(school, bot="runner") as learner:
        yield learner


def coach_of(learner: Learner) -> Coach:
    return Coach(database=learner.app.runtime.database, id=learner.app.creator_id)


async def test_a_channel_brings_the_programs_of_its_bot(runner: Learner) -> None:
    assert await status(coach_of(runner)) == ("live", 1, 1)
    assert await status(coach_of(runner), "other") == ("live", 1, 1)


async def test_who_opens_the_bot_joins_once_and_their_clock_counts(runner: Learner) -> None:
    coach = coach_of(runner)
    for _ in range(2):
        await runner.asks("/start")
    enrolled = "SELECT status FROM app.enrolments WHERE creator_id = $1"
    assert [row["status"] for row in await coach.rows(enrolled)] == ["active"]
    [(key, _, _)] = await coach.sends("waiting")
    assert key == "warm-up"
    for zone, hour in (("Asia/Tokyo", 0), ("Asia/Dubai", 5)):
        await runner.asks(f"/timezone {zone}")
        [row] = [one for one in await coach.rows(SENDS) if one["state"] == "waiting"]
        assert row["due_at"].hour == hour  # nine o'clock there


async def test_a_worker_brings_what_was_declared_since(school: App) -> None:
    coach = Coach(database=school.runtime.database, id=school.creator_id)
    await school.add_channel("web", bot="coach")
    bot = Bot(name="coach", persona="", programs=(run("new").model_copy(update={"bot": "coach"}),))
    await sync_declared(coach.database, [bot], UUID(int=7), Clock())  # nobody: nothing
    school.runtime.bots["coach"].programs += bot.programs
    try:
        await school.runtime.declared.sync_all(coach.database)
    finally:
        school.runtime.bots["coach"].programs = school.runtime.bots["coach"].programs[:-1]
    assert await status(coach) == ("live", 1, 1)
