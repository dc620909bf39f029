"""Connections that are always bound to one creator, so row level security decides what is seen.

`get_session` serves the ORM; `transaction` gives the bare driver to the hot path. Both set
`app.current_creator_id` for the length of the transaction only, and commit when the block ends.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy import event, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import Session, SessionTransaction

from shared.errors import TenantNotBound, Unavailable
from shared.session_pool import SessionPool
from shared.settings import DatabaseSettings

Record = asyncpg.Record
# Statements and hints are typed as Any by the driver's stubs; one alias keeps call sites readable.
if TYPE_CHECKING:  # generic in the stubs only
    PgConnection = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
    DriverConnection = asyncpg.Connection[asyncpg.Record]
else:
    PgConnection = asyncpg.pool.PoolConnectionProxy
    DriverConnection = asyncpg.Connection

_BEGIN = "BEGIN; SELECT set_config('app.current_creator_id', '{creator_id}', true)"
# Faster by a flush to disk; a crash of the server may lose the commit, never the order of commits.
_BEGIN_REPEATABLE = f"{_BEGIN}; SET LOCAL synchronous_commit = off"
_BIND_SESSION = text("SELECT set_config('app.current_creator_id', :creator, true)")
# What the driver raises when the server is away, restarting, out of something, or in another's
# way for too long: the same statement may well succeed a moment later.
CONNECTION_LOST = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    # Not their parent: a statement that ran too long would run too long again.
    asyncpg.exceptions.AdminShutdownError,
    asyncpg.exceptions.CrashShutdownError,
    asyncpg.exceptions.CannotConnectNowError,
    asyncpg.exceptions.DatabaseDroppedError,
    asyncpg.exceptions.IdleSessionTimeoutError,
    asyncpg.exceptions.InsufficientResourcesError,
    asyncpg.exceptions.IdleInTransactionSessionTimeoutError,
    asyncpg.exceptions.LockNotAvailableError,
    asyncpg.exceptions.DeadlockDetectedError,
    ssl.SSLError,
)

CONNECT_SECONDS = 2.0
CLOSE_SECONDS = 5.0


class TenantSession(Session):
    """A session that refuses to begin without a creator and binds every transaction to it."""


@event.listens_for(TenantSession, "after_begin")
def _bind(session: Session, _transaction: SessionTransaction, connection: Connection) -> None:
    # A COMMIT in mid-request drops the local setting, so each new transaction sets it again.
    connection.execute(_BIND_SESSION, {"creator": _bound(session.info.get("creator_id"))})


def _bound(creator_id: UUID | None) -> str:
    """The setting's value. Anything but a UUID is refused here, before it reaches the database."""
    if creator_id is None:
        raise TenantNotBound
    return str(UUID(str(creator_id)))


async def set_tenant_context(creator_id: UUID, db: AsyncSession) -> None:
    """Bind a session to a creator, also when a transaction is already open."""
    db.sync_session.info["creator_id"] = creator_id
    if db.in_transaction():
        await db.execute(_BIND_SESSION, {"creator": _bound(creator_id)})


def driver_url(url: str) -> str:
    """The asyncpg form of a URL: SQLAlchemy's `+asyncpg` marker removed."""
    return url.replace("postgresql+asyncpg://", "postgresql://", 1)


async def _prepare(connection: DriverConnection) -> None:
    await connection.set_type_codec(
        "jsonb",
        encoder=lambda value: b"\x01" + orjson.dumps(value),
        decoder=lambda data: orjson.loads(data[1:]),
        schema="pg_catalog",
        format="binary",
    )


async def _close(pool: "asyncpg.Pool[Record]") -> None:
    # A connection to a server that is away would be waited for without end.
    try:
        await asyncio.wait_for(pool.close(), CLOSE_SECONDS)
    except CONNECTION_LOST:
        pool.terminate()


async def _already_reset(_connection: DriverConnection) -> None:
    """`_begun` and `lookup` reset the session with their last statement: no round trip for it."""


@asynccontextmanager
async def _begun(
    connection: PgConnection, creator_id: UUID, begin: str = _BEGIN
) -> AsyncIterator[None]:
    """A transaction bound to a creator; each end of it is one round trip."""
    try:
        # The text of a UUID, so nothing that could end the literal.
        await connection.execute(begin.format(creator_id=_bound(creator_id)))
        yield
        await connection.execute("COMMIT; RESET ALL")
    except BaseException:
        await _forget(connection)
        raise


async def _forget(connection: PgConnection) -> None:
    """Leave nothing behind for the next user of this connection."""
    if not connection.is_closed():
        await connection.execute("ROLLBACK; RESET ALL")


class DatabaseManager:
    """Owns the pools of one process: one for tenants (cairn_app), one for the queue (dispatch)."""

    def __init__(self, settings: DatabaseSettings, *, application: str = "cairn") -> None:
        if settings.url is None:
            raise Unavailable("no database configured")
        self._settings = settings
        self._url = driver_url(settings.url.get_secret_value())
        dispatch = settings.dispatch_url
        self._dispatch_url = driver_url(dispatch.get_secret_value()) if dispatch else None
        self._application = application
        self._pool: asyncpg.Pool[Record] | None = None
        self._dispatch_pool: asyncpg.Pool[Record] | None = None
        self._engine: AsyncEngine | None = None
        self._sessions: async_sessionmaker[AsyncSession] | None = None

    async def open(self) -> None:
        """Create the pools. They connect lazily, so a database that is away is not an error yet."""
        self._pool = self._make_pool(self._url, reset=_already_reset)
        await self._pool
        if self._dispatch_url:
            self._dispatch_pool = self._make_pool(self._dispatch_url)
            await self._dispatch_pool
        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self._connect,
            poolclass=SessionPool,
            pool_size=self._settings.pool_size,
            max_overflow=0,
            pool_timeout=self._settings.pool_wait_seconds,
            pool_pre_ping=True,
            hide_parameters=True,
            json_serializer=lambda value: orjson.dumps(value).decode(),
            json_deserializer=orjson.loads,
        )
        self._sessions = async_sessionmaker(
            self._engine, sync_session_class=TenantSession, expire_on_commit=False
        )

    async def close(self) -> None:
        if self._engine:
            await self._engine.dispose()
        for pool in (self._pool, self._dispatch_pool):
            if pool:
                await _close(pool)

    @asynccontextmanager
    async def get_session(self, creator_id: UUID | None = None) -> AsyncIterator[AsyncSession]:
        """An ORM session bound to `creator_id` (or bound later by `set_tenant_context`).

        Commits when the block ends, rolls back when it raises. Raises Unavailable when the
        database is away and TenantNotBound when it is used unbound.
        """
        if self._sessions is None:
            raise Unavailable("the database is not open")
        session = self._sessions()
        if creator_id is not None:
            session.sync_session.info["creator_id"] = creator_id
        try:
            async with session:
                yield session
                await session.commit()
        except (OperationalError, InterfaceError, PoolTimeout, *CONNECTION_LOST) as error:
            raise Unavailable("the database is away", retry_after=2) from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise Unavailable("the database is away", retry_after=2) from error
            raise

    @asynccontextmanager
    async def transaction(
        self, creator_id: UUID, *, is_repeatable: bool = False
    ) -> AsyncIterator[PgConnection]:
        """A driver connection inside a transaction bound to `creator_id`, for the hot path.

        `is_repeatable`: should the server crash, what was done is done again anyway, so the commit
        waits for no disk.
        """
        begin = _BEGIN_REPEATABLE if is_repeatable else _BEGIN
        async with self._acquired(self._pool) as connection, _begun(connection, creator_id, begin):
            yield connection

    @asynccontextmanager
    async def lookup(self) -> AsyncIterator[PgConnection]:
        """An unbound connection: sees no tenant row; for the SECURITY DEFINER look-ups only."""
        async with self._acquired(self._pool) as connection:
            try:
                yield connection
            finally:
                await _forget(connection)

    @asynccontextmanager
    async def dispatch(self) -> AsyncIterator[PgConnection]:
        """A connection as cairn_dispatch: ids, times and leases of every tenant, no content."""
        async with self._acquired(self._dispatch_pool) as connection:
            yield connection

    @property
    def dispatch_pool(self) -> "asyncpg.Pool[Record]":
        if self._dispatch_pool is None:
            raise Unavailable("no dispatch database configured")
        return self._dispatch_pool

    @asynccontextmanager
    async def _acquired(self, pool: "asyncpg.Pool[Record] | None") -> AsyncIterator[PgConnection]:
        if pool is None:
            raise Unavailable("the database is not open")
        try:
            async with pool.acquire(timeout=self._settings.pool_wait_seconds) as connection:
                yield connection
        except ValueError:
            # What the driver can't encode is one of its interface errors; no repeat helps that.
            raise
        except CONNECTION_LOST as error:
            raise Unavailable("the database is away", retry_after=2) from error

    def _make_pool(self, url: str, **options: Any) -> "asyncpg.Pool[Record]":
        return asyncpg.create_pool(
            url,
            min_size=0,
            max_size=self._settings.pool_size,
            init=_prepare,
            **self._connect_options(),
            **options,
        )

    async def _connect(self) -> DriverConnection:
        return await asyncpg.connect(self._url, **self._connect_options())

    def _connect_options(self) -> dict[str, Any]:
        return {
            "timeout": CONNECT_SECONDS,
            # The server ends a statement first; this is for a network that goes silent.
            "command_timeout": self._settings.statement_timeout_seconds + 1,
            "server_settings": self._server_settings(),
        }

    def _server_settings(self) -> dict[str, str]:
        return {
            "application_name": self._application,
            "statement_timeout": f"{int(self._settings.statement_timeout_seconds * 1000)}",
            "idle_in_transaction_session_timeout": "10000",
            "lock_timeout": "2000",
            "TimeZone": "UTC",
        }
