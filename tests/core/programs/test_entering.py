"""Programs with a segment: who matches enters once, who matches the exit leaves."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

from core.programs.entering import EVERY, sweep_segments
from shared.database import DatabaseManager
from tests.core.programs.coaching import NOW, Coach, daily, program

RUNNERS = {"field": "attribute:group", "op": "eq", "value": "runners"}
INJURED = {"field": "attribute:injured", "op": "eq", "value": True}
_ENROLLED = """
SELECT contact_id, status, reason FROM app.enrolments WHERE creator_id = $1 ORDER BY id
"""


async def in_it(coach: Coach) -> list[tuple[UUID, str]]:
    return [(row["contact_id"], row["status"]) for row in await coach.rows(_ENROLLED)]


async def changes(coach: Coach, contact_id: UUID, **attributes: Any) -> None:
    async with coach.database.transaction(coach.id) as db:
        await db.execute(
            "UPDATE app.contacts SET attributes = attributes || $3"
            " WHERE creator_id = $1 AND id = $2",
            coach.id,
            contact_id,
            attributes,
        )


async def test_who_matches_enters_with_the_next_look_and_once(coach: Coach) -> None:
    ada = await coach.meets(group="runners")
    await coach.meets("Ben", group="swimmers")
    await coach.runs(program(daily("run"), entry=RUNNERS))

    assert await sweep_segments(coach.database, NOW) == 1
    assert await sweep_segments(coach.database, NOW) == 0
    assert await in_it(coach) == [(ada, "active")]
    assert len(await coach.sends("waiting")) == 1

    cleo = await coach.meets("Cleo", group="runners")
    assert await sweep_segments(coach.database, NOW + EVERY / 2) == 0
    assert await sweep_segments(coach.database, NOW + EVERY) == 1
    assert await in_it(coach) == [(ada, "active"), (cleo, "active")]


async def test_who_matches_the_exit_leaves_and_does_not_come_back(coach: Coach) -> None:
    ada = await coach.meets(group="runners")
    await coach.runs(program(daily("run"), entry=RUNNERS, exit=INJURED))
    await sweep_segments(coach.database, NOW)
    await changes(coach, ada, injured=True)

    assert await sweep_segments(coach.database, NOW + EVERY) == 1
    [row] = await coach.rows(_ENROLLED)
    assert (row["status"], row["reason"]) == ("exited", "segment_left")
    assert await coach.sends("waiting") == []

    await changes(coach, ada, injured=False)
    assert await sweep_segments(coach.database, NOW + 2 * EVERY) == 0


async def test_who_would_leave_at_once_does_not_enter(coach: Coach) -> None:
    await coach.meets(group="runners", injured=True)
    await coach.runs(program(daily("run"), entry=RUNNERS, exit=INJURED))
    assert await sweep_segments(coach.database, NOW) == 0


async def test_a_paused_program_waits_and_one_without_a_filter_never_looks(coach: Coach) -> None:
    await coach.meets(group="runners")
    program_id = await coach.runs(program(daily("run"), entry=RUNNERS))
    await coach.publishing.pause(coach.id, program_id, actor="tests")
    assert await sweep_segments(coach.database, NOW) == 0

    other = await coach.runs(program(daily("swim"), slug="swim"))
    await sweep_segments(coach.database, NOW + timedelta(days=1))
    [row] = await coach.rows(
        "SELECT looks_at = 'infinity' AS never FROM app.coaching_programs"
        " WHERE creator_id = $1 AND id = $2",
        other,
    )
    assert row["never"]


async def test_a_new_filter_is_looked_at_when_it_is_published(coach: Coach) -> None:
    ada = await coach.meets(group="runners")
    await coach.runs(program(daily("run")))
    await sweep_segments(coach.database, NOW)
    await coach.edits(program(daily("run"), entry=RUNNERS))
    assert await sweep_segments(coach.database, NOW) == 1
    assert await in_it(coach) == [(ada, "active")]


async def test_two_workers_look_at_once(coach: Coach, database: DatabaseManager) -> None:
    for n in range(20):
        await coach.meets(f"Runner {n}", group="runners")
    await coach.runs(program(daily("run"), entry=RUNNERS))
    entered = await asyncio.gather(*(sweep_segments(database, NOW) for _ in range(4)))
    assert sum(entered) == 20
    assert len(await in_it(coach)) == 20
