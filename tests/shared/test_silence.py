"""A network that goes silent in mid-transaction: an error in time, and all is well afterwards."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from shared.database import DatabaseManager
from shared.errors import Unavailable
from shared.settings import DatabaseSettings, Settings
from tests.conftest import AddCreator
from tests.shared.test_database import NAMES, Opener, each_way, run

IN_TIME_SECONDS = 30.0  # on a machine that is busy


@asynccontextmanager
async def over(url: str, settings: DatabaseSettings) -> AsyncIterator[DatabaseManager]:
    """One connection for all: kept, it would be missed."""
    changes = {"url": SecretStr(url), "pool_size": 1, "statement_timeout_seconds": 0.5}
    manager = DatabaseManager(settings.model_copy(update=changes))
    await manager.open()
    try:
        yield manager
    finally:
        await manager.close()


class Wire:
    """Carries bytes to PostgreSQL and back; while it is silent none arrive and no socket closes."""

    def __init__(self, database_url: str) -> None:
        self._parts = urlsplit(database_url)
        place = parse_qs(self._parts.query)
        self._socket = f"{place['host'][0]}/.s.PGSQL.{place['port'][0]}"
        self._carries = asyncio.Event()
        self._carries.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def silence(self) -> None:
        self._carries.clear()

    def restore(self) -> None:
        self._carries.set()

    @asynccontextmanager
    async def url(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        user = self._parts.netloc.rpartition("@")[0]
        try:
            yield f"postgresql://{user}@127.0.0.1:{port}{self._parts.path}?sslmode=disable"
        finally:
            server.close()
            self._carries.set()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, near: asyncio.StreamReader, to_near: asyncio.StreamWriter) -> None:
        far, to_far = await asyncio.open_unix_connection(self._socket)
        for source, target in ((near, to_far), (far, to_near)):
            self._tasks.add(asyncio.create_task(self._carry(source, target)))

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(2**16):
                await self._carries.wait()
                target.write(data)
        finally:
            target.close()


@each_way
async def test_silence_is_an_error_in_time_and_does_not_keep_the_connection(
    settings: Settings, add_creator: AddCreator, opened: Opener
) -> None:
    ada = await add_creator("Ada")
    assert settings.database.url
    wire = Wire(settings.database.url.get_secret_value())
    async with wire.url() as url, over(url, settings.database) as database:

        async def ask_into_silence() -> None:
            async with asyncio.timeout(IN_TIME_SECONDS), opened(database, ada) as connection:
                await run(connection, NAMES)
                wire.silence()
                await run(connection, NAMES)

        with pytest.raises(Unavailable):
            await ask_into_silence()
        wire.restore()
        async with asyncio.timeout(IN_TIME_SECONDS), opened(database, ada) as connection:
            await run(connection, NAMES)
