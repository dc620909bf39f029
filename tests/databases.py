"""One migrated template for the whole run, cloned in milliseconds for each test.

A clone is a database of its own, so tests commit, listen and use several connections for real.
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


@asynccontextmanager
async def cloned(engines: EngineUrls, template: str = TEMPLATE) -> AsyncIterator[DatabaseUrls]:
    """A copy of the template, dropped at the end with every connection that is left."""
    urls = urls_of(engines, fresh_name())
    await execute(engines.postgres_admin, f'CREATE DATABASE "{urls.name}" TEMPLATE "{template}"')
    try:
        # Who may connect belongs to the database itself and is not copied from a template.
        await execute(urls.admin, prepare_database_sql(urls.name))
        yield urls
    finally:
        await drop(engines, urls.name)


def fresh_name() -> str:
    return f"test_{os.getpid()}_{next(_numbers)}"


async def drop(engines: EngineUrls, name: str) -> None:
    await execute(engines.postgres_admin, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


async def execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url, timeout=5)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
