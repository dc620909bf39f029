"""Bring a database to the newest schema: roles once, then every pending version."""

import asyncio
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from migrations import ADVISORY_LOCK
from migrations.partitions import create_month_sql, months_from, partition_name
from migrations.roles import create_roles_sql, prepare_database_sql

HERE = Path(__file__).parent
MONTHS_AHEAD = 3


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.attributes["connect"] = lambda: asyncpg.connect(url, timeout=5)
    return config


def head() -> str:
    """The newest version that this code knows."""
    revision = ScriptDirectory(str(HERE)).get_current_head()
    assert revision is not None  # noqa: S101 - versions/ is never empty
    return revision


async def bootstrap(admin_url: str, database: str) -> None:
    """Create the roles and the database. `admin_url` is a superuser's, in any other database."""
    connection = await asyncpg.connect(admin_url, timeout=5)
    try:
        await connection.execute(create_roles_sql())
        exists = await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", database)
        if not exists:
            await connection.execute(f'CREATE DATABASE "{database}"')
    finally:
        await connection.close()


async def prepare(admin_url: str, database: str) -> None:
    """Give a new database its schemas and let only our roles in. `admin_url` points into it."""
    connection = await asyncpg.connect(admin_url, timeout=5)
    try:
        await connection.execute(prepare_database_sql(database))
    finally:
        await connection.close()


async def migrate(url: str) -> None:
    """Run every pending version as cairn_migrate, then make the partitions of the next months."""
    connection = await asyncpg.connect(url, timeout=5)
    try:
        # First, so that a role that may not migrate is told before anything is tried.
        await connection.execute("SET ROLE cairn_owner; SET lock_timeout = '5s'")
        await asyncio.to_thread(command.upgrade, _config(url), "head")
        await _make_months(connection)
    finally:
        await connection.close()


async def make_months(url: str) -> None:
    """Make the partitions of the next months, as `migrate` does; for who runs for months."""
    connection = await asyncpg.connect(url, timeout=5)
    try:
        await connection.execute("SET ROLE cairn_owner; SET lock_timeout = '5s'")
        await _make_months(connection)
    finally:
        await connection.close()


async def _make_months(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    await connection.execute("SELECT pg_advisory_lock($1)", ADVISORY_LOCK)
    await create_months(connection, datetime.now(UTC).date(), MONTHS_AHEAD + 1)


async def create_months(
    connection: "asyncpg.Connection[asyncpg.Record]", first: date, count: int
) -> None:
    """Make the partitions that are missing. Connected as cairn_migrate, in the role cairn_owner."""
    for month in months_from(first, count):
        # A new partition locks the whole table for a moment, so an existing one is left alone.
        known = await connection.fetchval("SELECT to_regclass($1)", f"app.{partition_name(month)}")
        if known is not None:
            continue
        # After a long time without `cairn migrate` the default partition holds rows of this
        # month, and keeps them: the month then has no partition of its own.
        with suppress(asyncpg.CheckViolationError):
            await connection.execute(create_month_sql(month))


async def drop_empty_months(url: str, before: date) -> list[str]:
    """Drop the partitions of past months whose every row was deleted; their names.

    By their files: whoever owns a table under forced row level security sees none of its rows.
    """
    connection = await asyncpg.connect(url, timeout=5)
    try:
        await connection.execute("SET ROLE cairn_owner; SET lock_timeout = '5s'")
        names = [row[0] for row in await connection.fetch(_MONTHS, partition_name(before))]
        return [name for name in names if await _dropped(connection, name)]
    finally:
        await connection.close()


_MONTHS = """
SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'app.messages'::regclass AND c.relname ~ '^messages_[0-9]{4}_[0-9]{2}$'
  AND c.relname < $1 ORDER BY 1
"""


async def _dropped(connection: "asyncpg.Connection[asyncpg.Record]", name: str) -> bool:
    """Whether not a page of it was left, also once nobody could write to it any more."""
    is_empty = f"SELECT pg_relation_size('app.{name}') = 0"
    await connection.execute(f"VACUUM (TRUNCATE) app.{name}")
    if not await connection.fetchval(is_empty):
        return False
    async with connection.transaction():
        await connection.execute(f"LOCK TABLE app.messages, app.{name} IN ACCESS EXCLUSIVE MODE")
        if not await connection.fetchval(is_empty):
            return False
        await connection.execute(f"ALTER TABLE app.messages DETACH PARTITION app.{name}")
        await connection.execute(f"DROP TABLE app.{name}")
    return True


async def current(url: str) -> str | None:
    """The version a database is at; None when it was never migrated."""
    connection = await asyncpg.connect(url, timeout=5)
    try:
        exists = await connection.fetchval("SELECT to_regclass('app.alembic_version')")
        if exists is None:
            return None
        version: str | None = await connection.fetchval(
            "SELECT version_num FROM app.alembic_version"
        )
        return version
    finally:
        await connection.close()
