"""A database that another test has used is as good as new, or it is not lent again."""

import asyncpg
import pytest

from tests.databases import DatabaseUrls, Pool, execute

ADD_CREATOR = "INSERT INTO app.creators (creator_id, name) VALUES (gen_random_uuid(), 'Ada')"


async def change(urls: DatabaseUrls, sql: str) -> None:
    await execute(urls.admin, sql)


async def count(urls: DatabaseUrls, table: str) -> int:
    connection = await asyncpg.connect(urls.admin)
    try:
        found: int = await connection.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608
        return found
    finally:
        await connection.close()


async def test_a_database_comes_back_without_rows(databases: Pool) -> None:
    async with databases.lend() as first:
        await change(first, ADD_CREATOR)
        assert await count(first, "app.creators") == 1
    async with databases.lend() as second:
        assert second.name == first.name
        assert await count(second, "app.creators") == 0
        assert await count(second, "app.alembic_version") == 1


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE app.notes (text text)",
        "ALTER TABLE app.messages NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE app.creators ALTER COLUMN name SET DEFAULT 'Ada'",
        "DROP INDEX app.contact_links_standing",
        "GRANT SELECT ON app.creators TO cairn_dispatch",
        "CREATE POLICY open ON app.creators FOR SELECT USING (true)",
        "UPDATE app.alembic_version SET version_num = 'other'",
        "DELETE FROM app.alembic_version",
    ],
)
async def test_a_database_of_another_shape_is_not_lent_again(databases: Pool, sql: str) -> None:
    async with databases.lend() as first:
        await change(first, sql)
    async with databases.lend() as second:
        assert second.name != first.name


async def test_a_connection_that_was_left_open_is_ended(databases: Pool) -> None:
    async with databases.lend() as urls:
        left = await asyncpg.connect(urls.app)
        await left.execute("BEGIN")
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError)):
        await left.fetchval("SELECT 1")


async def test_two_tests_at_once_share_nothing(databases: Pool) -> None:
    async with databases.lend() as first, databases.lend() as second:
        assert first.name != second.name
