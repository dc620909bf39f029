"""The house holds what all creators share, and nobody can act as it."""

import asyncpg
import pytest

from core.creators import (
    add_api_key,
    add_creator,
    creator_ids,
    list_creators,
    require_creator,
    set_status,
)
from core.house import HOUSE, ensure_house
from shared.database import DatabaseManager
from shared.errors import Forbidden, NotFound
from tests.conftest import AddCreator

_KEY = "INSERT INTO app.api_keys (creator_id, id, name, prefix, hash)"
_CHANNEL = "INSERT INTO app.channels (creator_id, id, type, name, bot, route_key, credentials)"


@pytest.fixture
async def house(database: DatabaseManager) -> None:
    await ensure_house(database)
    await ensure_house(database)


async def test_no_list_of_creators_shows_the_house(
    house: None, database: DatabaseManager, add_creator: AddCreator
) -> None:
    ada = await add_creator("Ada")
    assert await creator_ids(database) == [ada]
    assert [creator.name async for creator in list_creators(database)] == ["Ada"]
    with pytest.raises(NotFound):
        await require_creator(database, HOUSE)


async def test_no_key_can_be_made_for_the_house(house: None, database: DatabaseManager) -> None:
    async with database.transaction(HOUSE) as connection:
        with pytest.raises(Forbidden):
            await add_api_key(connection, HOUSE, "a way in")
    with pytest.raises(Forbidden):
        await add_creator(database, "Mallory", creator_id=HOUSE)


async def test_the_house_stays_suspended(house: None, database: DatabaseManager) -> None:
    with pytest.raises(Forbidden):
        await set_status(database, HOUSE, "active")


@pytest.mark.parametrize(
    "statement",
    [
        f"{_KEY} VALUES ($1, gen_random_uuid(), 'k', 'cairn_x', '\\x00')",
        f"{_CHANNEL} VALUES ($1, gen_random_uuid(), 'web', 'w', 'coach', 'route', 'x')",
        "UPDATE app.creators SET status = 'active' WHERE creator_id = $1",
    ],
    ids=["key", "channel", "active"],
)
async def test_the_schema_refuses_whatever_acts_as_the_house(
    house: None, database: DatabaseManager, statement: str
) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        async with database.transaction(HOUSE) as connection:
            await connection.execute(statement, HOUSE)
