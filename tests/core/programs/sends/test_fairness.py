"""One creator's crowd takes no other creator's turn: counted in batches, not in seconds."""

from uuid import UUID

import pytest

from core.channels import Account
from core.creators import add_creator
from core.programs.sends.scheduler import BATCH, SMALL_BATCH, Scheduler
from core.runtime import Runtime
from shared.utils.ids import new_id
from tests.core.programs.coaching import NOW
from tests.crowds import add_crowd

CROWD, FEW = 1200, 3
_PLAN = """
INSERT INTO app.scheduled_sends (creator_id, id, contact_id, source_kind, source_id, class, purpose,
                                 planned_at, due_at)
SELECT $1, c.id, c.id, 'broadcast', $2, 'broadcast', 'broadcast', $3, $3
FROM app.contacts c WHERE creator_id = $1
"""
_BROADCAST = """
INSERT INTO app.broadcasts (creator_id, id, name, content, filter, actor, state)
VALUES ($1, $2, 'News', '{"en": {"text": "News"}}', '{}', 'tests', 'running')
"""
_LEFT = """
SELECT count(*) FROM app.scheduled_sends WHERE creator_id = $1 AND state = 'waiting'
"""


async def creator_with(runtime: Runtime, people: int) -> UUID:
    """A creator whose people are all to be written to at this moment."""
    creator_id = (await add_creator(runtime.database, f"School of {people}")).id
    adapter = runtime.channels["web"]
    account: Account = await runtime.accounts.add(
        creator_id, adapter, name="web", bot="coach", credentials={}, settings={}
    )
    async with runtime.database.transaction(creator_id) as connection:
        await add_crowd(connection, creator_id, account.channel_id, people)
        broadcast_id = new_id()
        await connection.execute(_BROADCAST, creator_id, broadcast_id)
        await connection.execute(_PLAN, creator_id, broadcast_id, NOW)
    return creator_id


async def left(runtime: Runtime, creator_id: UUID) -> int:
    async with runtime.database.transaction(creator_id) as connection:
        return int(await connection.fetchval(_LEFT, creator_id))


@pytest.fixture
def scheduler(school_runtime: Runtime) -> Scheduler:
    school_runtime.clock.move_to(NOW)
    return school_runtime.scheduler


async def test_a_few_are_served_in_the_tick_in_which_a_crowd_has_one_batch(
    school_runtime: Runtime, scheduler: Scheduler
) -> None:
    crowd = await creator_with(school_runtime, CROWD)
    few = [await creator_with(school_runtime, FEW) for _ in range(2)]
    await scheduler.tick()
    assert [await left(school_runtime, id_) for id_ in few] == [0, 0]
    assert await left(school_runtime, crowd) == CROWD - BATCH // 3


async def test_alone_a_crowd_has_large_batches_and_comes_to_its_end(
    school_runtime: Runtime, scheduler: Scheduler
) -> None:
    crowd = await creator_with(school_runtime, CROWD)
    assert await scheduler.tick() == BATCH
    ticks = 1
    while await scheduler.tick():
        ticks += 1
    assert (await left(school_runtime, crowd), ticks) == (0, -(-CROWD // BATCH))
    assert SMALL_BATCH < BATCH


async def test_a_creator_whose_data_is_broken_stops_nobody_else(
    school_runtime: Runtime, scheduler: Scheduler
) -> None:
    broken, sound = [await creator_with(school_runtime, FEW) for _ in range(2)]
    async with school_runtime.database.transaction(broken) as connection:
        await connection.execute(
            "INSERT INTO app.creator_policies (creator_id, policy) VALUES ($1, '{\"caps\": 7}')",
            broken,
        )
    await scheduler.tick()
    assert [await left(school_runtime, id_) for id_ in (broken, sound)] == [FEW, 0]


async def test_a_send_that_cannot_be_judged_is_put_off_and_the_others_go(
    school_runtime: Runtime, scheduler: Scheduler
) -> None:
    creator_id = await creator_with(school_runtime, 30)
    async with school_runtime.database.transaction(creator_id) as connection:
        await connection.execute(
            "UPDATE app.contacts SET quiet_hours = '{\"start\": 7}' WHERE creator_id = $1"
            " AND id = (SELECT max(id::text)::uuid FROM app.contacts WHERE creator_id = $1)",
            creator_id,
        )
    for _ in range(40):
        await scheduler.tick()
    async with school_runtime.database.transaction(creator_id) as connection:
        rows = await connection.fetch(
            "SELECT state, defer_reason, count(*) AS n FROM app.scheduled_sends"
            " WHERE creator_id = $1 GROUP BY 1, 2 ORDER BY 1",
            creator_id,
        )
    assert [tuple(row) for row in rows] == [("sent", None, 29), ("waiting", "failed", 1)]
