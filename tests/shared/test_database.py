"""Sessions and transactions: bound, committed, translated."""

from shared.database import DatabaseManager
from tests.conftest import AddCreator


async def test_a_transaction_sees_only_its_own_creator(
    database: DatabaseManager, add_creator: AddCreator
) -> None:
    ada, bob = await add_creator("Ada"), await add_creator("Bob")
    async with database.transaction(ada) as connection:
        names = [r["name"] for r in await connection.fetch("SELECT name FROM app.creators")]
    assert names == ["Ada"]
    async with database.transaction(bob) as connection:
        assert await connection.fetchval("SELECT name FROM app.creators") == "Bob"
