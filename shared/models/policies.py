"""Creators' policies: one row each, written whole, with a version to write against."""

from typing import Any, NamedTuple
from uuid import UUID

from shared.database import PgConnection

_READ = "SELECT policy, version FROM app.creator_policies WHERE creator_id = $1"
_ADD = """
INSERT INTO app.creator_policies (creator_id, policy, updated_at) VALUES ($1, $2, now())
ON CONFLICT DO NOTHING RETURNING version
"""
_WRITE = """
UPDATE app.creator_policies SET policy = $2, version = version + 1, updated_at = now()
WHERE creator_id = $1 AND version = $3 RETURNING version
"""


class Stored(NamedTuple):
    policy: dict[str, Any]
    version: int


async def read(connection: PgConnection, creator_id: UUID) -> Stored | None:
    row = await connection.fetchrow(_READ, creator_id)
    return Stored(row["policy"], row["version"]) if row else None


async def write(
    connection: PgConnection, creator_id: UUID, policy: dict[str, Any], after: int
) -> int | None:
    """The new version; None when it isn't `after` (0: not set yet) that stands now."""
    if after == 0:
        version = await connection.fetchval(_ADD, creator_id, policy)
    else:
        version = await connection.fetchval(_WRITE, creator_id, policy, after)
    return int(version) if version is not None else None
