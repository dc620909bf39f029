"""The schema as migrated isolates every table, seen with the rights of the application."""

from shared.database import DatabaseManager
from shared.tenancy import audit_catalog


async def test_the_migrated_schema_has_no_hole(database: DatabaseManager) -> None:
    async with database.lookup() as connection:
        assert await audit_catalog(connection) == []
