"""What bots keep under topics that several people's turns share, one row a key."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from core.bots import Records
from shared.database import PgConnection

MAX_RECORDS = 1000  # of one topic, read at once

_READ = """
SELECT key, value FROM app.bot_records
WHERE creator_id = $1 AND bot = $2 AND topic = $3 ORDER BY key LIMIT $4
"""
# In one order everywhere, so that two turns that keep the same keys never wait for each other.
_KEEP = """
INSERT INTO app.bot_records (creator_id, bot, topic, key, value, contact_id)
SELECT $1, $2, k.topic, k.key, k.value, $3
FROM unnest($4::text[], $5::text[], $6::jsonb[]) AS k (topic, key, value)
ORDER BY k.topic, k.key
ON CONFLICT (creator_id, bot, topic, key)
  DO UPDATE SET value = excluded.value, contact_id = excluded.contact_id, updated_at = now()
"""
_FORGET = """
DELETE FROM app.bot_records r USING unnest($3::text[], $4::text[]) AS k (topic, key)
WHERE r.creator_id = $1 AND r.bot = $2 AND r.topic = k.topic AND r.key = k.key
"""


async def read_topic(connection: PgConnection, creator_id: UUID, bot: str, topic: str) -> Records:
    """What a bot keeps under a topic, by key: the first 1,000 of it."""
    rows = await connection.fetch(_READ, creator_id, bot, topic, MAX_RECORDS)
    return {row["key"]: row["value"] for row in rows}


async def keep(
    connection: PgConnection,
    creator_id: UUID,
    bot: str,
    contact_id: UUID,
    kept: Mapping[tuple[str, str], Any],
) -> None:
    """Write what one turn put; None forgets a key. Goes with the contact who put it last."""
    owner = (creator_id, bot)
    puts = [(*place, value) for place, value in kept.items() if value is not None]
    gone = [place for place, value in kept.items() if value is None]
    if puts:
        await connection.execute(_KEEP, *owner, contact_id, *_columns(puts))
    if gone:
        await connection.execute(_FORGET, *owner, *_columns(gone))


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
