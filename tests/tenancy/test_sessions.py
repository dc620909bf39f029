"""Sessions under load: always their own creator's rows, never a connection lost.

Two connections serve hundreds of interleaved tasks, many of them cancelled at a random point;
the seed is printed so that a failing order can be repeated.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.database import DatabaseManager, set_tenant_context
from shared.errors import AppError, TenantNotBound
from shared.settings import Settings
from shared.utils.ids import new_id
from tests.conftest import AddCreator
from tests.databases import DatabaseUrls
from tests.waiting import eventually

TASKS = 400
POOL_SIZE = 2
WAIT_SECONDS = 90  # hundreds of tasks take turns on two connections, beside other tests
VISIBLE = "SELECT creator_id FROM app.creators"
BOUND = "SELECT current_setting('app.current_creator_id', true)"

Read = Callable[[DatabaseManager, UUID], Awaitable[list[UUID]]]


@pytest.fixture
async def narrow(settings: Settings) -> AsyncIterator[DatabaseManager]:
    """Two connections for all, and patience to wait for one."""
    changes = {"pool_size": POOL_SIZE, "pool_wait_seconds": WAIT_SECONDS}
    manager = DatabaseManager(settings.database.model_copy(update=changes), application="narrow")
    await manager.open()
    yield manager
    await manager.close()


async def by_session(database: DatabaseManager, creator_id: UUID) -> list[UUID]:
    async with database.get_session(creator_id) as session:
        first = list((await session.scalars(text(VISIBLE))).all())
        await asyncio.sleep(0)
        await session.commit()
        return first + list((await session.scalars(text(VISIBLE))).all())


async def by_transaction(database: DatabaseManager, creator_id: UUID) -> list[UUID]:
    async with database.transaction(creator_id) as connection:
        first = await connection.fetch(VISIBLE)
        await asyncio.sleep(0)
        return [row[0] for row in [*first, *await connection.fetch(VISIBLE)]]


async def by_failing(database: DatabaseManager, creator_id: UUID) -> list[UUID]:
    """A statement that fails in the middle must not leave a connection bound or broken."""
    seen: list[UUID] = []
    with suppress(asyncpg.DivisionByZeroError):
        async with database.transaction(creator_id) as connection:
            seen = [row[0] for row in await connection.fetch(VISIBLE)]
            await connection.execute("SELECT 1 / 0")
    return seen


READS: dict[str, Read] = {
    "session": by_session,
    "transaction": by_transaction,
    "failing": by_failing,
}


async def test_hundreds_of_tasks_on_two_connections_never_see_a_stranger(
    narrow: DatabaseManager, database_urls: DatabaseUrls, add_creator: AddCreator
) -> None:
    seed = int(os.environ.get("SEED", random.SystemRandom().randrange(2**32)))
    chance = random.Random(seed)  # noqa: S311 - to choose an order, not a secret
    creators = [await add_creator(f"creator {number}") for number in range(8)]
    outcomes = {"right": 0, "cancelled": 0}

    async def one(creator_id: UUID, read: Read) -> None:
        seen = await read(narrow, creator_id)
        assert set(seen) == {creator_id}, f"seed {seed}: saw {seen} as {creator_id}"
        outcomes["right"] += 1

    tasks = []
    for _ in range(TASKS):
        read = chance.choice(list(READS.values()))
        task = asyncio.create_task(one(chance.choice(creators), read))
        if chance.random() < 0.3:
            asyncio.get_running_loop().call_later(chance.random() * 0.5, task.cancel)
        tasks.append(task)
    results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), WAIT_SECONDS)
    outcomes["cancelled"] = sum(isinstance(r, asyncio.CancelledError) for r in results)
    failures = [r for r in results if isinstance(r, Exception)]
    assert failures == [], f"seed {seed}"
    assert outcomes["cancelled"] > 0, f"seed {seed}: nothing was cancelled"
    assert outcomes["right"] + outcomes["cancelled"] == TASKS
    await assert_nothing_leaked(narrow, database_urls, creators[0])


async def assert_nothing_leaked(
    narrow: DatabaseManager, database_urls: DatabaseUrls, creator_id: UUID
) -> None:
    """Both pools still give all their connections, none is left inside a transaction."""
    for _ in range(POOL_SIZE):
        together = [by_session(narrow, creator_id) for _ in range(POOL_SIZE)]
        together += [by_transaction(narrow, creator_id) for _ in range(POOL_SIZE)]
        await asyncio.wait_for(asyncio.gather(*together), 10)
    admin = await asyncpg.connect(database_urls.admin)

    async def all_idle() -> bool:
        states = [
            row[0]
            for row in await admin.fetch(
                "SELECT state FROM pg_stat_activity"
                " WHERE datname = $1 AND application_name = 'narrow'",
                database_urls.name,
            )
        ]
        return set(states) <= {"idle"} and len(states) <= 2 * POOL_SIZE

    try:
        await eventually(all_idle)
    finally:
        await admin.close()


async def test_a_commit_in_the_middle_keeps_the_binding(
    database: DatabaseManager, add_creator: AddCreator
) -> None:
    ada = await add_creator("Ada")
    await add_creator("Bob")
    async with database.get_session(ada) as session:
        for _ in range(3):
            assert list((await session.scalars(text(VISIBLE))).all()) == [ada]
            await session.commit()
        await session.rollback()
        assert list((await session.scalars(text(VISIBLE))).all()) == [ada]


async def test_a_savepoint_keeps_the_binding(
    database: DatabaseManager, add_creator: AddCreator
) -> None:
    ada = await add_creator("Ada")
    async with database.get_session(ada) as session:
        async with session.begin_nested() as savepoint:
            await session.execute(text("UPDATE app.creators SET name = 'Eve'"))
            await savepoint.rollback()
        names = await session.scalars(text("SELECT name FROM app.creators"))
        assert list(names.all()) == ["Ada"]


async def test_an_unbound_session_is_refused_before_any_statement(
    database: DatabaseManager,
) -> None:
    with pytest.raises(TenantNotBound):
        async with database.get_session() as session:
            await session.execute(text("SELECT 1"))
    with pytest.raises(TenantNotBound):
        async with database.transaction(None):  # type: ignore[arg-type]
            pass


async def test_a_session_can_be_bound_later(
    database: DatabaseManager, add_creator: AddCreator
) -> None:
    ada, bob = await add_creator("Ada"), await add_creator("Bob")
    async with database.get_session() as session:
        await set_tenant_context(ada, session)
        assert list((await session.scalars(text(VISIBLE))).all()) == [ada]
        await set_tenant_context(bob, session)  # also inside a transaction that is open
        assert list((await session.scalars(text(VISIBLE))).all()) == [bob]
        await session.commit()
        assert list((await session.scalars(text(VISIBLE))).all()) == [bob]


@pytest.mark.parametrize("garbage", ["", "x", "' OR true --", "0190b7a5"])
async def test_only_a_uuid_binds(database: DatabaseManager, garbage: str) -> None:
    with pytest.raises(ValueError, match="hexadecimal UUID"):
        async with database.get_session(garbage) as session:  # type: ignore[arg-type]
            await session.execute(text("SELECT 1"))
    with pytest.raises(ValueError, match="hexadecimal UUID"):
        async with database.transaction(garbage):  # type: ignore[arg-type]
            pass


async def test_a_connection_given_back_is_bound_to_nobody(
    narrow: DatabaseManager, add_creator: AddCreator
) -> None:
    ada = await add_creator("Ada")
    for read in READS.values():
        await read(narrow, ada)
    async with narrow.lookup() as one, narrow.lookup() as other:
        for connection in (one, other):
            assert await connection.fetchval(BOUND) in (None, "")
            assert await connection.fetch(VISIBLE) == []


async def test_a_session_wide_setting_does_not_outlive_its_use(narrow: DatabaseManager) -> None:
    """Even a mistake with set_config(…, false) is washed out when the connection is given back."""
    async with narrow.lookup() as connection:
        await connection.execute(
            "SELECT set_config('app.current_creator_id', $1, false)", str(new_id())
        )
    async with narrow.lookup() as one, narrow.lookup() as other:
        for connection in (one, other):
            assert await connection.fetchval(BOUND) in (None, "")


async def test_an_orm_session_washes_a_session_wide_setting_out(
    narrow: DatabaseManager, add_creator: AddCreator
) -> None:
    ada, bob = await add_creator("Ada"), await add_creator("Bob")
    async with narrow.get_session(ada) as session:
        await session.execute(
            text("SELECT set_config('app.current_creator_id', :c, false)"), {"c": str(bob)}
        )
    for _ in range(POOL_SIZE):
        assert await by_session(narrow, ada) == [ada, ada]


async def test_an_error_shows_no_parameter(
    database: DatabaseManager, add_creator: AddCreator
) -> None:
    ada = await add_creator("Ada")
    with pytest.raises(DBAPIError) as caught:
        async with database.get_session(ada) as session:
            await session.execute(
                text("INSERT INTO app.creators (creator_id, name) VALUES (:id, :name)"),
                {"id": ada, "name": "hunter2"},
            )
    assert "hunter2" not in str(caught.value)


async def test_a_refused_write_is_no_success(
    database: DatabaseManager, add_creator: AddCreator
) -> None:
    ada, bob = await add_creator("Ada"), await add_creator("Bob")
    with pytest.raises((asyncpg.InsufficientPrivilegeError, AppError)):
        async with database.transaction(ada) as connection:
            await connection.execute(
                "INSERT INTO app.contacts (creator_id, id) VALUES ($1, $2)", bob, new_id()
            )
