"""Leases: one holder, kept by a heartbeat, fenced by an epoch, handed back unfinished."""

import asyncio
from uuid import UUID, uuid4

import pytest

from core import leases
from core.leases import Lease, LeaseLost
from core.sweeper import sweep
from tests.apps import App
from tests.learners import Learner
from tests.waiting import eventually

SECONDS = 2.0


@pytest.fixture
async def conversation_id(learner: Learner) -> UUID:
    """A conversation with a message that waits."""
    await learner.says("/help")
    return await learner.conversation_id()


async def acquire(app: App, conversation_id: UUID, seconds: float = 30) -> Lease | None:
    async with app.runtime.database.transaction(app.creator_id) as connection:
        return await leases.acquire(
            connection, "turn", app.creator_id, conversation_id, uuid4(), seconds
        )


async def held_lease(app: App, conversation_id: UUID, seconds: float = 30) -> Lease:
    lease = await acquire(app, conversation_id, seconds)
    assert lease is not None
    return lease


async def expire(app: App) -> None:
    await app.fetch(
        "UPDATE app.ai_conversations SET lease_until = now() - interval '1 s' WHERE creator_id = $1"
    )


async def fence(app: App, lease: Lease) -> None:
    async with app.runtime.database.transaction(app.creator_id) as connection:
        await leases.fence(connection, lease)


async def test_of_ten_only_one_gets_it(school: App, conversation_id: UUID) -> None:
    found = await asyncio.gather(*(acquire(school, conversation_id) for _ in range(10)))
    assert len([lease for lease in found if lease]) == 1


async def test_with_nothing_due_nobody_gets_it(learner: Learner) -> None:
    await learner.asks("/help")
    assert await acquire(learner.app, await learner.conversation_id()) is None


async def test_the_two_kinds_do_not_hold_each_other_up(learner: Learner) -> None:
    await learner.says("/help")
    conversation_id = await learner.conversation_id()
    assert await acquire(learner.app, conversation_id)
    await learner.app.fetch(
        "UPDATE app.ai_conversations SET outbound_due_at = now() WHERE creator_id = $1"
    )
    async with learner.app.runtime.database.transaction(learner.app.creator_id) as connection:
        assert await leases.acquire(
            connection, "delivery", learner.app.creator_id, conversation_id, uuid4(), 30
        )


async def test_an_expired_lease_goes_to_the_next_and_fences_the_last(
    school: App, conversation_id: UUID
) -> None:
    first = await held_lease(school, conversation_id)
    await expire(school)
    second = await held_lease(school, conversation_id)
    assert second.epoch == first.epoch + 1
    await fence(school, second)
    with pytest.raises(LeaseLost):
        await fence(school, first)


async def test_a_heartbeat_keeps_it_longer_than_it_lasts(
    school: App, conversation_id: UUID
) -> None:
    lease = await held_lease(school, conversation_id, SECONDS)
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + 2 * SECONDS

    async def is_over() -> bool:
        assert await acquire(school, conversation_id) is None
        return loop.time() > ends_at

    async with leases.held(school.runtime.database, lease, SECONDS):
        await eventually(is_over)
    await fence(school, lease)


async def test_losing_it_cancels_the_work(school: App, conversation_id: UUID) -> None:
    lease = await held_lease(school, conversation_id, SECONDS)
    started = asyncio.Event()
    finished = False

    async def work() -> None:
        nonlocal finished
        async with leases.held(school.runtime.database, lease, SECONDS):
            started.set()
            await asyncio.Event().wait()
            finished = True

    task = asyncio.create_task(work())
    await started.wait()
    await expire(school)
    await held_lease(school, conversation_id)
    with pytest.raises(LeaseLost):
        await asyncio.wait_for(task, 10)
    assert not finished


async def test_a_cancelled_holder_is_cancelled_not_lost(school: App, conversation_id: UUID) -> None:
    lease = await held_lease(school, conversation_id)
    started = asyncio.Event()

    async def work() -> None:
        async with leases.held(school.runtime.database, lease, 30):
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_handing_back_leaves_the_work_to_the_sweeper(
    school: App, conversation_id: UUID
) -> None:
    lease = await held_lease(school, conversation_id)
    assert await sweep(school.runtime.database, 3600) == 0
    async with school.runtime.database.transaction(school.creator_id) as connection:
        await leases.hand_back(connection, lease)
    assert await sweep(school.runtime.database, 3600) == 1
    assert await acquire(school, conversation_id)


async def test_a_stopped_turn_is_handed_back_without_counting_as_a_death(
    learner: Learner,
) -> None:
    started = asyncio.Event()
    bot = learner.app.runtime.bots["coach"]

    async def stall(_turn: object) -> None:
        started.set()
        await asyncio.Event().wait()

    original = bot.commands["goals"]
    bot.commands["goals"] = type(original)(name="goals", help="", handler=stall)
    try:
        await learner.says("/goals")
        engine, creator_id = learner.app.runtime.engine, learner.app.creator_id
        turn = asyncio.create_task(engine.take_turn(creator_id, await learner.conversation_id()))
        await started.wait()
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
    finally:
        bot.commands["goals"] = original
    [row] = await learner.inbound()
    conversation = await learner.conversation()
    assert (row["status"], row["starts"]) == ("pending", 0)
    assert conversation["lease_until"] is None
    assert await sweep(learner.app.runtime.database, 3600) == 1


async def test_a_turn_whose_lease_was_taken_over_writes_nothing(learner: Learner) -> None:
    """The new holder answers; what the old one thought is dropped."""
    entered, go = asyncio.Event(), asyncio.Event()
    bot = learner.app.runtime.bots["coach"]
    original = bot.commands["goals"]

    async def slow(turn: object) -> None:
        entered.set()
        await go.wait()
        turn.say("from the old holder")  # type: ignore[attr-defined]

    bot.commands["goals"] = type(original)(name="goals", help="", handler=slow)
    try:
        await learner.says("/goals")
        conversation_id = await learner.conversation_id()
        turn = asyncio.create_task(
            learner.app.runtime.engine.take_turn(learner.app.creator_id, conversation_id)
        )
        await entered.wait()
        await expire(learner.app)
        assert await acquire(learner.app, conversation_id)
        go.set()
        await turn
    finally:
        bot.commands["goals"] = original
    assert await learner.outbound() == []
    assert (await learner.inbound())[0]["status"] == "pending"
