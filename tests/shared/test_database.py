"""Sessions and transactions: committed or rolled back whole; one error when the server is away."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from shared.database import DatabaseManager, driver_url
from shared.errors import Unavailable
from shared.settings import DatabaseSettings, Settings
from shared.utils.ids import new_id
from tests.conftest import AddCreator
from tests.databases import DatabaseUrls, execute

NAMES = "SELECT name FROM app.creators"


async def run(connection: Any, sql: str) -> Any:
    """The same statement through the ORM's session or the driver."""
    return await (
        connection.execute(text(sql)) if hasattr(connection, "scalars") else connection.execute(sql)
    )


Opener = Callable[[DatabaseManager, UUID], AbstractAsyncContextManager[Any]]
OPENERS: dict[str, Opener] = {
    "session": lambda database, creator_id: database.get_session(creator_id),
    "transaction": lambda database, creator_id: database.transaction(creator_id),
}
each_way = pytest.mark.parametrize("opened", OPENERS.values(), ids=OPENERS)


async def name_of(database: DatabaseManager, creator_id: UUID) -> str:
    async with database.transaction(creator_id) as connection:
        name: str = await connection.fetchval(NAMES)
        return name


@each_way
async def test_a_block_that_ends_commits(
    database: DatabaseManager, add_creator: AddCreator, opened: Opener
) -> None:
    ada, bob = await add_creator("Ada"), await add_creator("Bob")
    async with opened(database, ada) as connection:
        await run(connection, "UPDATE app.creators SET name = 'Eve'")
    assert await name_of(database, ada) == "Eve"
    assert await name_of(database, bob) == "Bob"


@each_way
async def test_a_block_that_raises_rolls_back(
    database: DatabaseManager, add_creator: AddCreator, opened: Opener
) -> None:
    ada = await add_creator("Ada")

    async def fail() -> None:
        async with opened(database, ada) as connection:
            await run(connection, "UPDATE app.creators SET name = 'Eve'")
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    assert await name_of(database, ada) == "Ada"


@each_way
async def test_a_block_that_is_cancelled_rolls_back(
    database: DatabaseManager, add_creator: AddCreator, opened: Opener
) -> None:
    ada = await add_creator("Ada")
    written = asyncio.Event()

    async def write() -> None:
        async with opened(database, ada) as connection:
            await run(connection, "UPDATE app.creators SET name = 'Eve'")
            written.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write())
    await written.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await name_of(database, ada) == "Ada"


async def test_json_travels_as_values_both_ways(database: DatabaseManager, creator: UUID) -> None:
    value = {"a": [1, None, "ü\u2028", {"b": 1.5}], "'": '"'}
    async with database.transaction(creator) as connection:
        contact_id = new_id()
        await connection.execute(
            "INSERT INTO app.contacts (creator_id, id, memory) VALUES ($1, $2, $3)",
            creator,
            contact_id,
            value,
        )
        assert await connection.fetchval("SELECT memory FROM app.contacts") == value
    async with database.get_session(creator) as session:
        assert await session.scalar(text("SELECT memory FROM app.contacts")) == value


@pytest.fixture
async def nowhere(closed_port: int) -> AsyncIterator[DatabaseManager]:
    """A server that is away, with a password that must never be shown."""
    url = SecretStr(f"postgresql://cairn_app:hunter2@127.0.0.1:{closed_port}/cairn")
    manager = DatabaseManager(DatabaseSettings(url=url, dispatch_url=url))
    await manager.open()
    yield manager
    await manager.close()


@each_way
async def test_a_server_that_is_away_is_unavailable(
    nowhere: DatabaseManager, opened: Opener
) -> None:
    with pytest.raises(Unavailable) as caught:
        async with opened(nowhere, new_id()) as connection:
            await run(connection, "SELECT 1")
    assert caught.value.retry_after
    assert "hunter2" not in repr(caught.value) + str(caught.value.__cause__)


async def test_the_queue_of_a_server_that_is_away_is_unavailable(nowhere: DatabaseManager) -> None:
    with pytest.raises(Unavailable):
        async with nowhere.dispatch():
            pass
    with pytest.raises(Unavailable):
        async with nowhere.lookup():
            pass


@each_way
async def test_a_server_that_goes_in_the_middle_is_unavailable_and_comes_back(
    database: DatabaseManager,
    database_urls: DatabaseUrls,
    add_creator: AddCreator,
    opened: Opener,
) -> None:
    ada = await add_creator("Ada")

    async def lose_the_server() -> None:
        async with opened(database, ada) as connection:
            await run(connection, "SELECT 1")
            await execute(
                database_urls.admin,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            await run(connection, "SELECT 1")

    with pytest.raises(Unavailable):
        await lose_the_server()
    async with opened(database, ada) as connection:
        await run(connection, NAMES)


@each_way
async def test_waiting_for_a_connection_ends(
    settings: Settings, add_creator: AddCreator, opened: Opener
) -> None:
    ada = await add_creator("Ada")
    changes = {"pool_size": 1, "pool_wait_seconds": 0.05}
    narrow = DatabaseManager(settings.database.model_copy(update=changes))
    await narrow.open()
    try:
        async with opened(narrow, ada) as first:
            await run(first, "SELECT 1")
            with pytest.raises(Unavailable):
                async with opened(narrow, ada) as second:
                    await run(second, "SELECT 1")
    finally:
        await narrow.close()


async def test_a_long_statement_is_ended_by_the_server(
    settings: Settings, add_creator: AddCreator
) -> None:
    ada = await add_creator("Ada")
    changes = {"statement_timeout_seconds": 0.05}
    strict = DatabaseManager(settings.database.model_copy(update=changes))
    await strict.open()
    try:
        with pytest.raises(asyncpg.QueryCanceledError):
            async with strict.transaction(ada) as connection:
                await connection.execute("SELECT pg_sleep(5)")
    finally:
        await strict.close()


async def test_before_it_is_opened_nothing_can_be_asked(settings: Settings) -> None:
    closed = DatabaseManager(settings.database)
    with pytest.raises(Unavailable, match="not open"):
        async with closed.get_session(new_id()):
            pass
    with pytest.raises(Unavailable, match="not open"):
        async with closed.transaction(new_id()):
            pass


def test_without_an_address_there_is_no_manager() -> None:
    with pytest.raises(Unavailable, match="no database configured"):
        DatabaseManager(DatabaseSettings())


def test_the_marker_of_sqlalchemy_is_understood() -> None:
    assert driver_url("postgresql+asyncpg://u@h/d") == "postgresql://u@h/d"
