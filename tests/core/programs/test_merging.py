"""One person instead of two: what waits for both is sent once, what they did is kept."""

from datetime import timedelta
from uuid import UUID

from core.programs.merging import merge_programs
from shared.utils.ids import new_id
from tests.core.programs.coaching import NOW, SENDS, Coach, daily, program, step

ADD_GOAL = """
INSERT INTO app.goals (creator_id, id, contact_id, slug, title)
VALUES ($1, $2, $3, 'walk', 'Walk') RETURNING id
"""
ADD_CHECK_IN = """
INSERT INTO app.check_ins (creator_id, id, contact_id, subject, goal_id, local_day, kind, value,
                           source, at)
VALUES ($1, $2, $3, 'goal:' || $4, $4::uuid, $5, 'bool', 'true', 'button', $6) RETURNING id
"""
CHECK_INS = """
SELECT k.local_day, g.status FROM app.check_ins k
JOIN app.goals g ON g.creator_id = k.creator_id AND g.id = k.goal_id
WHERE k.creator_id = $1 AND k.contact_id = $2 ORDER BY k.local_day
"""
ENROLMENTS = """
SELECT p.slug, e.contact_id, e.status, e.reason FROM app.enrolments e
JOIN app.coaching_programs p ON p.creator_id = e.creator_id AND p.id = e.program_id
WHERE e.creator_id = $1 ORDER BY p.slug, e.status
"""


async def merge(coach: Coach, old: UUID, new: UUID) -> bool:
    async with coach.database.transaction(coach.id) as db:
        return await merge_programs(db, coach.id, old, new, NOW + timedelta(hours=4))


async def test_who_is_twice_in_a_program_stays_where_they_are_further(coach: Coach) -> None:
    fit = await coach.runs(program(daily("mood", "13:00"), step("more")))
    walk = await coach.runs(program(daily("walk"), slug="walk"))
    old, new = await coach.meets("Old"), await coach.meets("New", timezone="Asia/Tokyo")
    await coach.enrols(fit, [old])
    await coach.handles("mood")  # to the old contact, before the new one came
    await coach.enrols(fit, [new])
    await coach.enrols(walk, [old])
    assert await merge(coach, old, new)
    assert [tuple(row) for row in await coach.rows(ENROLMENTS)] == [
        ("fit", new, "active", None),
        ("fit", new, "exited", "linked"),
        ("walk", new, "active", None),
    ]
    waiting = [row for row in await coach.rows(SENDS) if row["state"] == "waiting"]
    assert {row["contact_id"] for row in waiting} == {new}
    keys = [row["step_key"] for row in waiting]
    assert len(keys) == len(set(keys))
    [walk_row] = [row for row in waiting if row["step_key"] == "walk"]
    assert walk_row["due_at"].hour == 0  # nine o'clock in Tokyo


async def test_the_same_broadcast_reaches_the_person_once(coach: Coach) -> None:
    old, new = await coach.meets("Old"), await coach.meets("New")
    both, one = new_id(), new_id()
    for contact, broadcast in ((old, both), (new, both), (old, one)):
        await coach.rows(
            "INSERT INTO app.scheduled_sends (creator_id, id, contact_id, source_kind, source_id,"
            " class, planned_at, due_at) VALUES ($1, $2, $3, 'broadcast', $4, 'broadcast', $5, $5)"
            " RETURNING id",
            *(new_id(), contact, broadcast, NOW),
        )
    assert await merge(coach, old, new)
    sql = "SELECT contact_id, source_id FROM app.scheduled_sends WHERE creator_id = $1"
    waiting = await coach.rows(f"{sql} AND state = 'waiting'")
    assert sorted(tuple(row) for row in waiting) == sorted([(new, both), (new, one)])


async def test_goals_of_one_name_become_one_with_all_their_days(coach: Coach) -> None:
    old, new = await coach.meets("Old"), await coach.meets("New")
    today = NOW.date()
    for contact, days in ((old, (1, 2, 3)), (new, (3, 4))):
        [goal] = await coach.rows(ADD_GOAL, new_id(), contact)
        for day in days:
            there = (str(goal["id"]), today - timedelta(days=day), NOW)
            await coach.rows(ADD_CHECK_IN, new_id(), contact, *there)
    assert await merge(coach, old, new)
    kept = await coach.rows(CHECK_INS, new)
    assert [row["local_day"] for row in kept if row["status"] == "active"] == [
        today - timedelta(days=day) for day in (4, 3, 2, 1)
    ]
    active = await coach.rows(
        "SELECT contact_id FROM app.goals WHERE creator_id = $1 AND status = 'active'"
    )
    assert [row["contact_id"] for row in active] == [new]


async def test_who_is_still_met_elsewhere_keeps_what_is_theirs(coach: Coach) -> None:
    fit = await coach.runs(program(daily("mood")))
    old, new = await coach.meets("Old"), await coach.meets("New")
    await coach.enrols(fit, [old])
    [channel] = await coach.rows(
        "INSERT INTO app.channels (creator_id, id, type, name, bot, route_key, credentials,"
        " settings) VALUES ($1, $2, 'web', 'web', 'coach', 'r', '', '{}') RETURNING id",
        new_id(),
    )
    await coach.rows(
        "INSERT INTO app.contact_identities (creator_id, id, contact_id, channel_id, address)"
        " VALUES ($1, $2, $3, $4, 'a') RETURNING id",
        *(new_id(), old, channel["id"]),
    )
    assert not await merge(coach, old, new)
    assert [row["contact_id"] for row in await coach.rows(ENROLMENTS)] == [old]
