"""Migrating: from nothing, twice, at once, across months; the catalog is clean each time."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from alembic.script import ScriptDirectory
from hypothesis import given
from hypothesis import strategies as st

from migrations import runner
from migrations.partitions import lower_bound, months_from, partition_name
from shared.embedded import EmbeddedEngines
from shared.tenancy import audit_catalog
from shared.utils.ids import new_id
from tests.databases import DatabaseUrls, drop, fresh_name, make_empty

ROOT = Path(runner.__file__).parents[1]
_SCHEMA = """
SELECT c.relname, c.relkind, c.relacl::text, a.attname, a.atttypid::regtype::text, a.attnotnull
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE n.nspname IN ('app', 'queue') ORDER BY 1, 4
"""


@pytest.fixture
async def empty(engines: EmbeddedEngines) -> AsyncIterator[DatabaseUrls]:
    urls = await make_empty(engines.urls, fresh_name())
    yield urls
    await drop(engines.urls, urls.name)


async def schema_of(urls: DatabaseUrls) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(urls.app)
    try:
        assert await audit_catalog(connection) == []
        return [tuple(row) for row in await connection.fetch(_SCHEMA)]
    finally:
        await connection.close()


async def start_migrating(url: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import asyncio, os; from migrations import runner;"
        " asyncio.run(runner.migrate(os.environ['URL']))",
        env={**os.environ, "URL": url},
        cwd=ROOT,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )


def test_there_is_one_head_and_no_gap() -> None:
    scripts = ScriptDirectory(str(Path(runner.__file__).parent))
    assert len(scripts.get_heads()) == 1
    versions = sorted(script.revision for script in scripts.walk_revisions())
    assert versions == [f"{number:04}" for number in range(1, len(versions) + 1)]
    assert runner.head() == versions[-1]


async def test_migrating_twice_changes_nothing(empty: DatabaseUrls) -> None:
    assert await runner.current(empty.migrate) is None
    await runner.migrate(empty.migrate)
    first = await schema_of(empty)
    await runner.migrate(empty.migrate)
    assert await schema_of(empty) == first
    assert await runner.current(empty.migrate) == runner.head()


async def test_preparing_twice_changes_nothing(
    empty: DatabaseUrls, engines: EmbeddedEngines
) -> None:
    await runner.migrate(empty.migrate)
    first = await schema_of(empty)
    await make_empty(engines.urls, empty.name)
    assert await schema_of(empty) == first


async def test_runs_at_once_take_turns(empty: DatabaseUrls) -> None:
    runs = [await start_migrating(empty.migrate) for _ in range(3)]
    for run in runs:
        _, errors = await asyncio.wait_for(run.communicate(), timeout=60)
        assert run.returncode == 0, errors.decode()
    assert await runner.current(empty.migrate) == runner.head()
    await schema_of(empty)


async def test_the_partitions_of_the_next_months_exist(empty: DatabaseUrls) -> None:
    await runner.migrate(empty.migrate)
    names = {row[0] for row in await schema_of(empty)}
    today = datetime.now(UTC).date()
    assert {partition_name(month) for month in months_from(today, runner.MONTHS_AHEAD + 1)} <= names


async def test_months_over_new_year_join_without_gap(database_urls: DatabaseUrls) -> None:
    connection = await asyncpg.connect(database_urls.migrate)
    try:
        await connection.execute("SET ROLE cairn_owner")
        await runner.create_months(connection, date(2031, 11, 30), 4)
        bounds = await connection.fetch(
            "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) AS bound FROM pg_class c"
            " WHERE c.relname ~ '^messages_(2031|2032)_[0-9]+$' ORDER BY 1"
        )
    finally:
        await connection.close()
    assert [row["relname"] for row in bounds] == [
        "messages_2031_11",
        "messages_2031_12",
        "messages_2032_01",
        "messages_2032_02",
    ]
    froms = [row["bound"].split("'")[1] for row in bounds]
    tos = [row["bound"].split("'")[3] for row in bounds]
    assert tos[:-1] == froms[1:]
    await schema_of(database_urls)


async def test_a_month_whose_rows_went_to_the_default_partition_stays_there(
    database_urls: DatabaseUrls,
) -> None:
    """After a long time without `cairn migrate` the next one must still go through."""
    late = UUID(int=lower_bound(date(2033, 6, 1)).int + 1)
    admin = await asyncpg.connect(database_urls.admin)
    try:
        await admin.execute("SET session_replication_role = replica")  # no parent rows needed
        await admin.execute(
            "INSERT INTO app.messages (creator_id, id, conversation_id, channel_id, contact_id,"
            " seq, direction, kind, author, text, status)"
            " VALUES ($1, $2, $1, $1, $1, 1, 'in', 'text', 'contact', 'hi', 'pending')",
            new_id(),
            late,
        )
        await admin.execute("SET session_replication_role = origin; SET ROLE cairn_owner")
        await runner.create_months(admin, date(2033, 5, 1), 3)
        made = await admin.fetch(
            "SELECT relname FROM pg_class WHERE relname ~ '^messages_2033_..$'"
        )
    finally:
        await admin.close()
    assert sorted(row[0] for row in made) == ["messages_2033_05", "messages_2033_07"]


@given(day=st.dates(date(1971, 1, 1), date(2999, 1, 1)), count=st.integers(1, 40))
def test_months_follow_each_other(day: date, count: int) -> None:
    months = list(months_from(day, count))
    assert months[0] == day.replace(day=1)
    assert len(months) == count
    for month, following in pairwise(months):
        assert following.day == 1
        assert (month + timedelta(days=31)).replace(day=1) == following
        assert lower_bound(month) < lower_bound(following)


def test_an_id_made_now_lies_in_this_month() -> None:
    today = datetime.now(UTC).date()
    this, following = months_from(today, 2)
    made = new_id()
    assert lower_bound(this) <= made < lower_bound(following) or datetime.now(UTC).date() != today
