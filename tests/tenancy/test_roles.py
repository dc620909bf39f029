"""A process refuses a role that row level security does not bind, and a schema not its own."""

import asyncpg
import pytest

from migrations import runner
from shared.database import DatabaseManager, DriverConnection
from shared.errors import ConfigurationError
from shared.tenancy import check_schema, refuse_strong_role
from tests.databases import DatabaseUrls

ROLE = "refused_for_a_test"


async def test_the_application_role_is_accepted(database: DatabaseManager) -> None:
    async with database.lookup() as connection:
        await refuse_strong_role(connection)
        await check_schema(connection, runner.head())


async def test_the_dispatch_role_is_accepted(database: DatabaseManager) -> None:
    async with database.dispatch() as connection:
        await refuse_strong_role(connection, may_join=())
        await check_schema(connection, runner.head())


@pytest.mark.parametrize(
    ("role", "says"),
    [
        ("admin", "role postgres is a superuser"),
        ("backup", "role cairn_backup has BYPASSRLS"),
        ("migrate", "role cairn_migrate is a member of cairn_owner, cairn_router"),
    ],
)
async def test_a_strong_role_is_refused_in_one_plain_line(
    database_urls: DatabaseUrls, role: str, says: str
) -> None:
    connection = await asyncpg.connect(getattr(database_urls, role))
    try:
        await refused(connection, says)
    finally:
        await connection.close()


async def refused(connection: DriverConnection, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        await refuse_strong_role(connection)
    assert "connect as cairn_app in CAIRN_DATABASE__URL" in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.exit_code == 78


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        pytest.param("ALTER ROLE {role} SUPERUSER", "is a superuser", id="superuser"),
        pytest.param("ALTER ROLE {role} BYPASSRLS", "has BYPASSRLS", id="bypassrls"),
        pytest.param("ALTER TABLE app.messages OWNER TO {role}", "owns tables", id="owner"),
        pytest.param("GRANT cairn_owner TO {role}", "is a member of cairn_owner", id="member"),
        pytest.param("GRANT cairn_migrate TO {role}", "is a member of cairn_migrate", id="far"),
        pytest.param("GRANT pg_read_all_data TO {role}", "is a member of pg_", id="reads-all"),
        pytest.param(
            "ALTER TABLE app.messages DISABLE ROW LEVEL SECURITY", "not active", id="inactive"
        ),
    ],
)
async def test_each_strength_alone_is_refused(
    database_urls: DatabaseUrls, sql: str, says: str
) -> None:
    connection = await asyncpg.connect(database_urls.admin)
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(f"CREATE ROLE {ROLE} LOGIN IN ROLE authenticated_user")
        await connection.execute(sql.format(role=ROLE))
        await connection.execute(f"SET LOCAL SESSION AUTHORIZATION {ROLE}")
        await refused(connection, says)
    finally:
        await transaction.rollback()
        await connection.close()


async def test_a_superuser_that_only_acts_as_the_application_is_refused(
    database_urls: DatabaseUrls,
) -> None:
    connection = await asyncpg.connect(database_urls.admin)
    try:
        await connection.execute("SET ROLE cairn_app")
        await refused(connection, "role postgres is a superuser")
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        pytest.param("UPDATE app.alembic_version SET version_num = '0000'", "older", id="older"),
        pytest.param("UPDATE app.alembic_version SET version_num = '9999'", "newer", id="newer"),
        pytest.param("DELETE FROM app.alembic_version", "no schema yet", id="empty"),
        pytest.param("DROP TABLE app.alembic_version", "no schema yet", id="missing"),
        pytest.param("DROP SCHEMA app CASCADE", "no schema yet", id="no-schema"),
    ],
)
async def test_another_schema_is_refused_with_the_command(
    database: DatabaseManager, database_urls: DatabaseUrls, sql: str, says: str
) -> None:
    admin = await asyncpg.connect(database_urls.admin)
    await admin.execute(sql)
    await admin.close()
    async with database.lookup() as connection:
        with pytest.raises(ConfigurationError, match=says) as caught:
            await check_schema(connection, runner.head())
    assert "`cairn migrate`" in caught.value.message
