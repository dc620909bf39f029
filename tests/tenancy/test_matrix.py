"""Every table × select, insert, update, delete × tenant unset, empty, garbage, another's, right.

The tables come from the catalog, so a new one is tested by being there. Its rows are generated;
the constraints that would ask for meaningful ones are dropped in this database, policies are not.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from shared.catalog import REVIEWED_COLUMNS
from shared.database import DriverConnection
from shared.embedded import EmbeddedEngines
from shared.utils.ids import new_id, new_token
from tests.databases import DatabaseUrls, cloned

ADA, BOB, CAROL = new_id(), new_id(), new_id()
TENANTS = {
    "unset": None,
    "empty": "",
    "garbage": "ada' OR true --",
    "other": str(BOB),
    "right": str(ADA),
}
OPERATIONS = ("SELECT", "INSERT", "UPDATE", "DELETE")

_TABLES = """
SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'app' AND c.relkind IN ('r', 'p') AND c.relispartition = $1
  AND c.relname <> 'alembic_version' ORDER BY 1
"""
_COLUMNS = """
SELECT a.attname::text AS name, a.atttypid::regtype::text AS type
FROM pg_attribute a WHERE a.attrelid = ('app.' || $1)::regclass AND a.attnum > 0
  AND NOT a.attisdropped AND a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''
"""
_CONSTRAINTS = """
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname)
FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
WHERE n.nspname = 'app' AND k.contype IN ('c', 'f') AND k.conparentid = 0 AND k.conislocal
"""


def value_of(type_: str) -> Any:
    values: dict[str, Any] = {
        "uuid": new_id(),
        "text": new_token(),
        "text[]": [],
        "jsonb": "{}",
        "bytea": new_token().encode(),
        "boolean": False,
        "real": 1.0,
        "double precision": 1.0,
        "smallint": 1,
        "integer": 1,
        "bigint": 1,
        "date": date(2026, 1, 1),
        "time without time zone": datetime(2026, 1, 1).time(),
        "timestamp with time zone": datetime.now(UTC),
    }
    return values[type_]


async def insert(connection: DriverConnection, table: str, creator_id: UUID) -> str:
    columns = await connection.fetch(_COLUMNS, table)
    values = {row["name"]: value_of(row["type"]) for row in columns} | {"creator_id": creator_id}
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    return await connection.execute(
        f"INSERT INTO app.{table} ({', '.join(values)}) VALUES ({places})",  # noqa: S608
        *values.values(),
    )


@pytest.fixture(scope="module")
async def urls(engines: EmbeddedEngines, template_database: None) -> AsyncIterator[DatabaseUrls]:
    """A row of Ada and one of Bob in every table; Carol has none."""
    async with cloned(engines.urls) as urls:
        admin = await asyncpg.connect(urls.admin)
        for row in await admin.fetch(_CONSTRAINTS):
            await admin.execute(row[0])
        for (table,) in await admin.fetch(_TABLES, False):
            for creator_id in (ADA, BOB):
                await insert(admin, table, creator_id)
        await admin.close()
        yield urls


@pytest.fixture
async def app(urls: DatabaseUrls) -> AsyncIterator[DriverConnection]:
    """A fresh connection: on a used one an unset setting reads as an empty one."""
    connection = await asyncpg.connect(urls.app)
    yield connection
    await connection.close()


@asynccontextmanager
async def bound(connection: DriverConnection, tenant: str | None) -> AsyncIterator[None]:
    transaction = connection.transaction()
    await transaction.start()
    try:
        if tenant is not None:
            await connection.execute(
                "SELECT set_config('app.current_creator_id', $1, true)", tenant
            )
        yield
    finally:
        await transaction.rollback()


async def outcome(
    app: DriverConnection, table: str, operation: str, tenant: str | None
) -> int | str:
    """How many of Ada's rows were seen or touched, or the error that came instead."""
    statements = {
        "SELECT": f"SELECT FROM app.{table} WHERE creator_id = $1",
        "UPDATE": f"UPDATE app.{table} SET creator_id = $1 WHERE creator_id = $1",  # noqa: S608
        "DELETE": f"DELETE FROM app.{table} WHERE creator_id = $1",  # noqa: S608
    }
    try:
        async with bound(app, tenant):
            if operation == "INSERT":
                status = await insert(app, table, ADA)
            elif operation == "SELECT":
                return len(await app.fetch(statements[operation], ADA))
            else:
                status = await app.execute(statements[operation], ADA)
    except asyncpg.InsufficientPrivilegeError as error:
        return "refused" if "row-level security" in str(error) else "not granted"
    except asyncpg.InvalidTextRepresentationError:
        return "garbage"
    except asyncpg.UniqueViolationError:
        return 1  # Ada's only row of its kind stands already: the policy let it pass
    return int(status.split()[-1])


def expected(operation: str, tenant: str) -> int | str:
    if tenant == "garbage":
        return "garbage"
    if tenant == "right":
        return 1
    return "refused" if operation == "INSERT" else 0


async def is_granted(app: DriverConnection, table: str, operation: str) -> bool:
    return bool(
        await app.fetchval(
            "SELECT has_table_privilege($1::text, $2)"
            " OR $2 <> 'DELETE' AND has_column_privilege($1::text, 'creator_id', $2)",
            f"app.{table}",
            operation,
        )
    )


@pytest.mark.parametrize("tenant", TENANTS)
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_only_the_right_tenant_reaches_a_row(
    app: DriverConnection, operation: str, tenant: str
) -> None:
    wrong = {}
    for (table,) in await app.fetch(_TABLES, False):
        granted = await is_granted(app, table, operation)
        wanted = expected(operation, tenant) if granted else "not granted"
        found = await outcome(app, table, operation, TENANTS[tenant])
        if found != wanted:
            wrong[table] = (found, wanted)
    assert wrong == {}


async def test_every_table_was_in_the_matrix(app: DriverConnection) -> None:
    tables = {row[0] for row in await app.fetch(_TABLES, False)}
    assert {"creators", "channels", "messages", "user_sessions", "knowledge_chunks"} <= tables
    refused = [t for t in tables if not await is_granted(app, t, "SELECT")]
    assert refused == []


async def test_a_row_cannot_be_given_to_another_creator(app: DriverConnection) -> None:
    passed = []
    for (table,) in await app.fetch(_TABLES, False):
        try:
            async with bound(app, str(ADA)):
                await app.execute(f"UPDATE app.{table} SET creator_id = $1", CAROL)  # noqa: S608
        except asyncpg.InsufficientPrivilegeError:
            continue
        passed.append(table)
    assert passed == []


async def test_without_a_filter_only_own_rows_are_there(app: DriverConnection) -> None:
    async with bound(app, str(ADA)):
        for (table,) in await app.fetch(_TABLES, False):
            seen = await app.fetch(f"SELECT creator_id FROM app.{table}")  # noqa: S608
            assert [row[0] for row in seen] == [ADA], table


@pytest.mark.parametrize("operation", ["SELECT", "DELETE", "TRUNCATE"])
async def test_a_partition_cannot_be_reached_directly(
    app: DriverConnection, operation: str
) -> None:
    verb = {"SELECT": "SELECT FROM", "DELETE": "DELETE FROM", "TRUNCATE": "TRUNCATE"}[operation]
    for (table,) in await app.fetch(_TABLES, True):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with bound(app, str(ADA)):
                await app.execute(f"{verb} app.{table}")


async def test_no_table_can_be_truncated(app: DriverConnection) -> None:
    for (table,) in await app.fetch(_TABLES, False):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with bound(app, str(ADA)):
                await app.execute(f"TRUNCATE app.{table}")


async def test_dispatch_reaches_the_reviewed_columns_and_nothing_else(urls: DatabaseUrls) -> None:
    connection = await asyncpg.connect(urls.dispatch)
    try:
        reached = await connection.fetch("""
            SELECT concat_ws(' ', 'cairn_dispatch', p.name, c.relname) AS place,
                   string_agg(a.attname, ' ' ORDER BY a.attname) AS columns
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped,
                 (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('REFERENCES')) AS p (name)
            WHERE n.nspname = 'app' AND c.relkind IN ('r', 'p') AND c.relname <> 'alembic_version'
              AND has_column_privilege(c.oid, a.attnum, p.name)
            GROUP BY 1
            """)
        deletable = await connection.fetch("""
            SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = 'app' AND c.relkind IN ('r', 'p')
              AND has_table_privilege(c.oid, 'DELETE, TRUNCATE, TRIGGER')
            """)
    finally:
        await connection.close()
    assert {row["place"]: row["columns"] for row in reached} == {
        place: " ".join(sorted(columns.split()))
        for place, columns in REVIEWED_COLUMNS.items()
        if place.startswith("cairn_dispatch")
    }
    assert deletable == []


@pytest.mark.parametrize(
    ("call", "found"),
    [
        pytest.param("app.find_channel('telegram', 'guess')", 0, id="channel"),
        pytest.param("app.find_api_key('guess')", 0, id="api-key"),
    ],
)
async def test_a_look_up_needs_the_exact_key(app: DriverConnection, call: str, found: int) -> None:
    assert len(await app.fetch(f"SELECT * FROM {call}")) == found  # noqa: S608


async def test_a_look_up_answers_its_one_row_unbound(
    app: DriverConnection, urls: DatabaseUrls
) -> None:
    admin = await asyncpg.connect(urls.admin)
    prefix = await admin.fetchval("SELECT prefix FROM app.api_keys WHERE creator_id = $1", BOB)
    await admin.close()
    rows = await app.fetch("SELECT * FROM app.find_api_key($1)", prefix)
    assert [row["creator_id"] for row in rows] == [BOB]
