"""What every test can ask for: real engines, a database of its own, settings, creators.

`engines` runs PostgreSQL, Redis and Chroma once a session; `database` is an open DatabaseManager
as cairn_app on an empty clone of the migrated template; `add_creator` makes a tenant in it.
"""

import base64
import gc
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Protocol
from uuid import UUID

import pytest
import redis.asyncio as redis_client
import structlog
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pydantic import SecretStr

from shared.database import DatabaseManager
from shared.embedded import EmbeddedEngines
from shared.embedded.engines import discard
from shared.settings import (
    ChromaSettings,
    DatabaseSettings,
    OllamaSettings,
    RedisSettings,
    Settings,
)
from shared.utils.ids import new_id
from tests import network
from tests.databases import DatabaseUrls, Pool, execute, make_template
from tests.waiting import PATIENCE_SECONDS

# The developer's own settings must not reach a test; this one asks a test to write its pictures.
TAKES_SCREENSHOTS = os.environ.get("CAIRN_SCREENSHOTS") == "1"
for _name in [name for name in os.environ if name.startswith("CAIRN_")]:
    del os.environ[_name]


# As the product does: the default draws every local variable of every frame, which takes seconds.
structlog.configure(
    processors=[
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        ),
    ]
)

# `asyncio.Runner` takes the default handler's place around each test and fixture, and to see if it
# is still there `signal` draws the whole test as text. A handler of ours is left alone.
signal.signal(signal.SIGINT, lambda *given: signal.default_int_handler(*given))

# The same examples in every run, and no clock: a slow machine is not a fault of the code. To look
# further: `make test ARGS="--hypothesis-profile=default …"`.
hypothesis_settings.register_profile(
    "steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("steady")

# Files whose tests take long go first, else the last of them runs while the other process idles.
_LONG = (
    *("tests/chaos/test_random_kills", "tests/chaos/", "tests/e2e/", "tests/browser/"),
    *("tests/testing/", "tests/core/dialogue/test_reply_stream", "tests/shared/test_embedded"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _place(item.nodeid))


def _place(node_id: str) -> int:
    return next((n for n, start in enumerate(_LONG) if node_id.startswith(start)), len(_LONG))


def pytest_collection_finish() -> None:
    """All that was imported and collected stays to the end: no look for garbage goes through it."""
    gc.collect()
    gc.freeze()


class AddCreator(Protocol):
    def __call__(self, name: str = ..., *, status: str = ...) -> Awaitable[UUID]: ...


@pytest.fixture(scope="session", autouse=True)
def _network_guard() -> None:
    network.install()


@pytest.fixture(autouse=True)
def _no_network_used() -> Iterator[None]:
    """Fails the test also where the code under test swallowed the guard's error."""
    network.refused.clear()
    yield
    assert not network.refused, f"tried to reach {network.refused}"


@pytest.fixture(scope="session")
async def engines(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedEngines]:
    folder = tmp_path_factory.mktemp("engines")
    embedded = EmbeddedEngines(folder)
    async with embedded:
        # Guards against the machine losing power, not against any kill that a test can do; and
        # a new database for each test costs many seconds of it.
        await execute(embedded.urls.postgres_admin, "ALTER SYSTEM SET fsync = off")
        await execute(embedded.urls.postgres_admin, "SELECT pg_reload_conf()")
        yield embedded
        # It would wait five seconds for a client that some test left to the garbage collector.
        embedded.kill("chroma")
    discard(folder)


@pytest.fixture(scope="session")
async def template_database(engines: EmbeddedEngines) -> None:
    await make_template(engines.urls)


@pytest.fixture(scope="session")
def databases(engines: EmbeddedEngines, template_database: None) -> Pool:
    return Pool(engines.urls)


@pytest.fixture
async def database_urls(databases: Pool) -> AsyncIterator[DatabaseUrls]:
    async with databases.lend() as urls:
        yield urls


@pytest.fixture(scope="session")
async def shared_redis(engines: EmbeddedEngines) -> AsyncIterator[redis_client.Redis]:
    async with redis_client.Redis.from_url(engines.urls.redis) as client:
        yield client


@pytest.fixture
async def redis_url(engines: EmbeddedEngines, shared_redis: redis_client.Redis) -> str:
    """The session's Redis, emptied."""
    await shared_redis.flushall()
    return engines.urls.redis


@pytest.fixture(scope="session")
def closed_port() -> Iterator[int]:
    """A port that is held but not listened on: a connect is refused at once."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@pytest.fixture
def secret_keys() -> SecretStr:
    return SecretStr(f"test:{base64.b64encode(os.urandom(32)).decode()}")


@pytest.fixture
def settings(
    database_urls: DatabaseUrls,
    redis_url: str,
    engines: EmbeddedEngines,
    closed_port: int,
    secret_keys: SecretStr,
) -> Settings:
    """The test's own database, an empty Redis, the session's Chroma, no Ollama."""
    return Settings(
        database=DatabaseSettings(
            url=SecretStr(database_urls.app),
            dispatch_url=SecretStr(database_urls.dispatch),
            pool_wait_seconds=PATIENCE_SECONDS,
        ),
        redis=RedisSettings(url=SecretStr(redis_url)),
        chroma=ChromaSettings(url=engines.urls.chroma),
        ollama=OllamaSettings(host=f"http://127.0.0.1:{closed_port}"),
        secret_keys=secret_keys,
    )


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[DatabaseManager]:
    manager = DatabaseManager(settings.database, application="tests")
    await manager.open()
    yield manager
    await manager.close()


@pytest.fixture
def add_creator(database: DatabaseManager) -> AddCreator:
    async def add(name: str = "Ada", *, status: str = "active") -> UUID:
        creator_id = new_id()
        async with database.transaction(creator_id) as connection:
            await connection.execute(
                "INSERT INTO app.creators (creator_id, name, status) VALUES ($1, $2, $3)",
                creator_id,
                name,
                status,
            )
        return creator_id

    return add


@pytest.fixture
async def creator(add_creator: AddCreator) -> UUID:
    """One creator, for tests that need no second."""
    return await add_creator()
