"""One migrated template for the whole run, and clones of it that are lent to one test at a time.

A clone is a database of its own, so tests commit, listen and use several connections for real.
Making and dropping one writes twenty megabytes into hundreds of files; emptying one takes
milliseconds. So a test is lent what an earlier one gave back, unless that one changed its shape.
"""

import itertools
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from migrations import runner
from migrations.roles import prepare_database_sql
from shared.embedded import EngineUrls

TEMPLATE = "cairn_template"

_END_OTHERS = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""

# The role makes foreign keys, and the triggers that forbid a deletion, stand aside.
_EMPTY = """
SET lock_timeout = '5s';
SET session_replication_role = replica;
DO $$
DECLARE place regclass;
BEGIN
  FOR place IN
    SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname IN ('app', 'queue') AND c.relname <> 'alembic_version'
  LOOP
    EXECUTE format('DELETE FROM ONLY %s', place);
  END LOOP;
  PERFORM setval(c.oid, s.seqstart, false)
  FROM pg_class c JOIN pg_sequence s ON s.seqrelid = c.oid;
END $$;
"""

# An object that was altered was written by a newer transaction. Rows of pg_class are also written
# by maintenance, so of these it is what they say that counts.
_SHAPE = """
SELECT md5(string_agg(line, chr(10) ORDER BY line)) FROM (
  SELECT concat_ws(' ', c.oid, c.relname, c.relkind, c.relowner, c.relacl, c.relrowsecurity,
                   c.relforcerowsecurity, c.reloptions, c.relispartition) AS line
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname NOT LIKE 'pg!_%' ESCAPE '!' AND n.nspname <> 'information_schema'
  UNION ALL SELECT 'namespace ' || concat_ws(' ', oid, nspowner, nspacl) FROM pg_namespace
  WHERE nspname NOT LIKE 'pg!_t%' ESCAPE '!'
  UNION ALL SELECT 'policy ' || concat_ws(' ', oid, xmin) FROM pg_policy
  UNION ALL SELECT 'trigger ' || concat_ws(' ', oid, xmin) FROM pg_trigger
  UNION ALL SELECT 'constraint ' || concat_ws(' ', oid, xmin) FROM pg_constraint
  UNION ALL SELECT 'routine ' || concat_ws(' ', oid, xmin) FROM pg_proc
  UNION ALL SELECT 'type ' || concat_ws(' ', oid, xmin) FROM pg_type
  UNION ALL SELECT 'column ' || concat_ws(' ', attrelid, attnum, xmin) FROM pg_attribute
  UNION ALL SELECT 'default ' || concat_ws(' ', oid, xmin) FROM pg_attrdef
  UNION ALL SELECT 'extension ' || concat_ws(' ', oid, xmin) FROM pg_extension
  UNION ALL SELECT 'settings ' || concat_ws(' ', setdatabase, setrole, setconfig)
  FROM pg_db_role_setting
  UNION ALL SELECT 'version ' || version_num FROM app.alembic_version
  UNION ALL SELECT 'database ' || concat_ws(' ', datdba, datacl) FROM pg_database
  WHERE datname = current_database()
) AS shape
"""

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseUrls:
    """One database, as each role sees it."""

    name: str
    app: str
    dispatch: str
    migrate: str
    backup: str
    admin: str


def urls_of(engines: EngineUrls, name: str) -> DatabaseUrls:
    return DatabaseUrls(
        name=name,
        app=engines.postgres_url("cairn_app", database=name),
        dispatch=engines.postgres_url("cairn_dispatch", database=name),
        migrate=engines.postgres_url("cairn_migrate", database=name),
        backup=engines.postgres_url("cairn_backup", database=name),
        admin=engines.postgres_url("postgres", database=name),
    )


async def make_template(engines: EngineUrls) -> None:
    urls = await make_empty(engines, TEMPLATE)
    await runner.migrate(urls.migrate)


async def make_empty(engines: EngineUrls, name: str) -> DatabaseUrls:
    """Roles, database and schemas, but no table yet."""
    urls = urls_of(engines, name)
    await runner.bootstrap(engines.postgres_admin, name)
    await runner.prepare(urls.admin, name)
    return urls


class Pool:
    """The clones that wait for the next test: `async with pool.lend() as urls`."""

    def __init__(self, engines: EngineUrls) -> None:
        self._engines = engines
        self._waiting: list[tuple[DatabaseUrls, str | None]] = []

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[DatabaseUrls]:
        urls, shape = self._waiting.pop() if self._waiting else await self._make()
        try:
            yield urls
        finally:
            if shape is not None and await emptied(urls.admin) == shape:
                self._waiting.append((urls, shape))
            else:
                await drop(self._engines, urls.name)

    async def _make(self) -> tuple[DatabaseUrls, str | None]:
        urls = await clone(self._engines, TEMPLATE)
        return urls, await emptied(urls.admin)


@asynccontextmanager
async def cloned(engines: EngineUrls, template: str = TEMPLATE) -> AsyncIterator[DatabaseUrls]:
    """A copy of the template, dropped at the end with every connection that is left."""
    urls = await clone(engines, template)
    try:
        yield urls
    finally:
        await drop(engines, urls.name)


async def clone(engines: EngineUrls, template: str) -> DatabaseUrls:
    urls = urls_of(engines, fresh_name())
    await execute(engines.postgres_admin, f'CREATE DATABASE "{urls.name}" TEMPLATE "{template}"')
    # Who may connect belongs to the database itself and is not copied from a template.
    await execute(urls.admin, prepare_database_sql(urls.name))
    return urls


async def emptied(admin_url: str) -> str | None:
    """End all connections, delete all rows and say what is left: the shape, by its hash.

    None where that did not work: nobody can say what such a database is like.
    """
    try:
        connection = await asyncpg.connect(admin_url, timeout=30)
    except (OSError, asyncpg.PostgresError):
        return None
    try:
        await connection.execute(_END_OTHERS)
        await connection.execute(_EMPTY)
        return str(await connection.fetchval(_SHAPE))
    except asyncpg.PostgresError:
        return None
    finally:
        await connection.close()


def fresh_name() -> str:
    return f"test_{os.getpid()}_{next(_numbers)}"


async def drop(engines: EngineUrls, name: str) -> None:
    await execute(engines.postgres_admin, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


async def execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url, timeout=30)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
