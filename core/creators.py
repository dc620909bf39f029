"""Creators and their API keys. A key is shown once; only its hash is stored."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from core.house import HOUSE
from shared.database import DatabaseManager, PgConnection
from shared.errors import Forbidden, InvalidInput, NotFound
from shared.security import new_api_key
from shared.utils.ids import new_id

NAME_LENGTH = 200


@dataclass(frozen=True, kw_only=True)
class NewCreator:
    id: UUID
    api_key: str


@dataclass(frozen=True, kw_only=True)
class CreatorSummary:
    id: UUID
    name: str
    status: str


async def add_creator(
    database: DatabaseManager, name: str, *, creator_id: UUID | None = None
) -> NewCreator:
    """Make a creator with a first API key. Raises InvalidInput for an empty or long name."""
    name = name.strip()
    if not 1 <= len(name) <= NAME_LENGTH:
        raise InvalidInput(f"a creator's name has 1 to {NAME_LENGTH} characters")
    creator_id = creator_id or new_id()
    _refuse_house(creator_id)
    async with database.transaction(creator_id) as connection:
        await connection.execute(
            "INSERT INTO app.creators (creator_id, name) VALUES ($1, $2)", creator_id, name
        )
        api_key = await add_api_key(connection, creator_id, "first key")
        await connection.execute(
            "INSERT INTO app.audit_log (creator_id, id, actor, action, target)"
            " VALUES ($1, $2, 'operator', 'creator.added', $3)",
            creator_id,
            new_id(),
            str(creator_id),
        )
    return NewCreator(id=creator_id, api_key=api_key)


async def add_api_key(connection: PgConnection, creator_id: UUID, name: str) -> str:
    """Store a new key's prefix and hash; return the key itself."""
    _refuse_house(creator_id)
    plaintext, prefix, digest = new_api_key()
    await connection.execute(
        "INSERT INTO app.api_keys (creator_id, id, name, prefix, hash) VALUES ($1, $2, $3, $4, $5)",
        creator_id,
        new_id(),
        name,
        prefix,
        digest,
    )
    return plaintext


async def creator_ids(database: DatabaseManager) -> list[UUID]:
    """Every creator but the house, for the operator's loops; their rows are read one at a time."""
    async with database.dispatch() as connection:
        rows = await connection.fetch(
            "SELECT creator_id FROM app.creators WHERE creator_id <> $1 ORDER BY creator_id", HOUSE
        )
    return [row["creator_id"] for row in rows]


async def require_creator(database: DatabaseManager, creator_id: UUID) -> None:
    """Raise NotFound when there is no such creator."""
    if creator_id not in await creator_ids(database):
        raise NotFound(f"there is no creator {creator_id}; `cairn creators list` shows them")


async def list_creators(database: DatabaseManager) -> AsyncIterator[CreatorSummary]:
    for creator_id in await creator_ids(database):
        async with database.transaction(creator_id) as connection:
            row = await connection.fetchrow(
                "SELECT name, status FROM app.creators WHERE creator_id = $1", creator_id
            )
        if row is not None:
            yield CreatorSummary(id=creator_id, name=row["name"], status=row["status"])


async def set_status(database: DatabaseManager, creator_id: UUID, status: str) -> bool:
    """Suspend or wake a creator; False when there is none with this id."""
    _refuse_house(creator_id)
    async with database.transaction(creator_id) as connection:
        found = await connection.fetchval(
            "UPDATE app.creators SET status = $2 WHERE creator_id = $1 RETURNING 1",
            creator_id,
            status,
        )
    return found is not None


def _refuse_house(creator_id: UUID) -> None:
    if creator_id == HOUSE:
        raise Forbidden("the shared defaults have no keys and stay suspended")
