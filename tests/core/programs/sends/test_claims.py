"""Which creators have something due, and whose turn it is: by counts and plans, not by seconds."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from core.channels import Rate
from core.creators import add_creator
from core.programs.sends import claims
from core.programs.sends.pacing import FARTHEST, Pace, Paces
from shared.database import DatabaseManager, PgConnection
from shared.utils.ids import new_id
from tests.core.programs.coaching import NOW
from tests.databases import DatabaseUrls, execute

MINUTE = timedelta(minutes=1)
_ADD = """
WITH people AS (
  INSERT INTO app.contacts (creator_id, id)
  SELECT $1, gen_random_uuid() FROM generate_series(1, $2::int) RETURNING id
)
INSERT INTO app.scheduled_sends (creator_id, id, contact_id, source_kind, source_id, class,
                                 planned_at, due_at)
SELECT $1, gen_random_uuid(), id, 'broadcast', $3, $4, $5, $5 FROM people
"""


@pytest.fixture
async def dispatch(database: DatabaseManager) -> AsyncIterator[PgConnection]:
    async with database.dispatch() as connection:
        yield connection


async def plan(
    database: DatabaseManager,
    creator_id: UUID,
    count: int,
    due_at: datetime,
    send_class: str = "broadcast",
) -> None:
    async with database.transaction(creator_id) as connection:
        await connection.execute(_ADD, creator_id, count, new_id(), send_class, due_at)


async def creators(database: DatabaseManager, count: int) -> list[UUID]:
    return [(await add_creator(database, f"School {n}")).id for n in range(count)]


async def test_creators_with_something_due_come_who_waits_longest_first(
    database: DatabaseManager, dispatch: PgConnection
) -> None:
    late, now, soon, _ = await creators(database, 4)
    await plan(database, now, 2, NOW)
    await plan(database, late, 1, NOW - 60 * MINUTE)
    await plan(database, soon, 3, NOW + timedelta(seconds=20))  # in the same minute
    assert await claims.due_creators(dispatch, NOW) == [late, now]
    assert await claims.due_creators(dispatch, NOW + MINUTE) == [late, now, soon]
    assert await claims.due_creators(dispatch, NOW - 61 * MINUTE) == []


async def test_finding_them_costs_as_many_steps_as_pairs_whatever_waits(
    database: DatabaseManager, dispatch: PgConnection
) -> None:
    crowded, other = await creators(database, 2)
    for minute in range(3):
        await plan(database, crowded, 400, NOW - minute * MINUTE)
    await plan(database, crowded, 2000, NOW + 60 * MINUTE)
    await plan(database, other, 1, NOW)
    await dispatch.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
    explained = await dispatch.fetchval(
        f"EXPLAIN (ANALYZE, FORMAT JSON) {claims._DUE}", claims.slot_of(NOW), NOW, 1000
    )
    touched = [node for node in _nodes(json.loads(explained)[0]["Plan"]) if "Relation Name" in node]
    assert {node["Index Name"] for node in touched} <= {
        "scheduled_sends_due",
        "scheduled_sends_next",
    }
    # Four pairs: a step to each, one that finds no more, and a look at those of this minute.
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in touched) <= 8


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in _nodes(child))]


async def test_the_next_ones_are_found_beside_any_history(
    database: DatabaseManager, database_urls: DatabaseUrls, creator: UUID
) -> None:
    """Where most of what was ever due is done, and most of what is due is others' or of a class."""
    await plan(database, creator, 3000, NOW - 90 * MINUTE)
    await execute(database_urls.admin, "UPDATE app.scheduled_sends SET state = 'sent'")
    await plan(database, creator, 1000, NOW - 60 * MINUTE)
    await plan(database, creator, 2, NOW, "check_in")
    [crowded] = await creators(database, 1)
    await plan(database, crowded, 2000, NOW - 60 * MINUTE)
    await execute(database_urls.admin, "ANALYZE app.scheduled_sends")
    async with database.transaction(creator) as connection:
        explained = await connection.fetchval(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {claims._CLAIM}",
            creator,
            NOW,
            claims.slot_of(NOW),
            10,
        )
    read = [node for node in _nodes(json.loads(explained)[0]["Plan"]) if "Relation Name" in node]
    assert {node["Index Name"] for node in read} == {"scheduled_sends_next"}
    assert [node.get("Rows Removed by Filter", 0) for node in read] == [0] * len(claims.CLASSES)
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in read) <= 10


async def test_classes_go_in_their_order_and_each_contact_once(
    database: DatabaseManager, creator: UUID
) -> None:
    await plan(database, creator, 3, NOW - 9 * MINUTE)
    await plan(database, creator, 2, NOW - MINUTE, "nudge")
    await plan(database, creator, 2, NOW, "check_in")
    await plan(database, creator, 1, NOW, "reply")
    async with database.transaction(creator) as connection:
        found = await claims.claim(connection, creator, NOW, 6)
        again = await claims.claim(connection, creator, NOW, 3)
    expected = ["reply", "check_in", "check_in", "nudge", "nudge", "broadcast"]
    assert [send.send_class for send in found] == expected
    assert len(claims.first_of_each([*found, *again])) == 6


async def test_one_scheduler_at_a_time_works_for_a_creator(
    database: DatabaseManager, creator: UUID
) -> None:
    @asynccontextmanager
    async def scheduler() -> AsyncIterator[bool]:
        async with database.transaction(creator) as connection:
            yield await claims.is_alone(connection, creator)

    async with scheduler() as first, scheduler() as second:
        assert (first, second) == (True, False)
    async with scheduler() as third:
        assert third


# --- how many a channel takes


def pace(per_second: float = 10.0, found: tuple[datetime, datetime] | None = None) -> Pace:
    channel_id = new_id()
    known = {channel_id: found} if found else {}
    return Paces(known, NOW).of(channel_id, Rate(per_second=per_second))


def test_a_channel_takes_what_leaves_in_three_seconds_with_room_for_replies() -> None:
    one = pace()
    admitted = sum(one.admit() for _ in range(100))
    assert admitted == 24
    assert not one.admit()


def test_what_finds_no_place_stands_in_a_row_behind_the_others() -> None:
    one = pace()
    while one.admit():
        pass
    turns = [one.park() for _ in range(3)]
    assert turns == sorted(set(turns))
    assert turns[0] > NOW + timedelta(seconds=3)
    later = pace(found=(one.next_at, one.parked_to))
    assert later.park() > turns[-1]


def test_nobody_is_put_off_for_longer_than_a_few_minutes() -> None:
    one = pace(per_second=0.001)
    assert [one.park() for _ in range(3)] == [NOW + FARTHEST] * 3


def test_a_channel_without_a_rate_takes_everything() -> None:
    one = Paces({}, NOW).of(new_id(), None)
    assert all(one.admit() for _ in range(1000))
    assert not one.is_changed


def test_a_clock_that_was_set_back_finds_its_channels_free() -> None:
    ahead = NOW + timedelta(hours=1)
    assert pace(found=(ahead, ahead)).admit()
