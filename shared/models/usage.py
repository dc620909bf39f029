"""What a creator used, counted by day and metric in shards that don't block each other.

`storage_bytes` is not counted but measured: its value is that of its day. What was told about a
limit is noted once a month.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from shared.database import PgConnection
from shared.models.base import Base

STORAGE = "storage_bytes"
# Of so many latest messages the size is taken; all of them would be too many to look at.
SAMPLE = 500

_SINCE = """
SELECT metric, sum(value)::bigint AS value FROM app.usage_counters
WHERE creator_id = $1 AND day >= $2 AND day < $3 AND metric = ANY ($4::text[]) GROUP BY metric
"""
_ADD = """
INSERT INTO app.usage_counters (creator_id, day, metric, shard, value)
SELECT $1, $2, u.metric, $5, u.value
FROM unnest($3::text[], $4::bigint[]) AS u (metric, value) WHERE u.value > 0
ORDER BY u.metric
ON CONFLICT (creator_id, day, metric, shard)
  DO UPDATE SET value = usage_counters.value + excluded.value
"""
_SET_STORAGE = """
INSERT INTO app.usage_counters (creator_id, day, metric, shard, value)
VALUES ($1, $2, 'storage_bytes', 0, $3)
ON CONFLICT (creator_id, day, metric, shard) DO UPDATE SET value = excluded.value
"""
_STORAGE_OF = """
SELECT value FROM app.usage_counters
WHERE creator_id = $1 AND day = $2 AND metric = 'storage_bytes' AND shard = 0
"""
_DOCUMENTS = """
SELECT coalesce(sum(size_bytes), 0)::bigint FROM app.knowledge_documents WHERE creator_id = $1
"""
_MESSAGES = """
SELECT coalesce(sum(value), 0)::bigint FROM app.usage_counters
WHERE creator_id = $1 AND metric IN ('messages_in', 'messages_out')
  AND ($2::date IS NULL OR day >= $2)
"""
_MESSAGE_BYTES = """
SELECT coalesce(avg(size), 0)::float8 FROM (
  SELECT octet_length(text) + pg_column_size(payload) AS size FROM app.messages
  WHERE creator_id = $1 ORDER BY id DESC LIMIT $2) latest
"""
_TELL = """
INSERT INTO app.quota_notices (creator_id, month, quota, level, at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING RETURNING true
"""


class UsageCounter(Base):
    __tablename__ = "usage_counters"

    creator_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    metric: Mapped[str] = mapped_column(primary_key=True)
    shard: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int]


class Usage:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def by_day(self, first: date, last: date) -> Sequence[tuple[date, str, int]]:
        """(day, metric, value) from `first` to `last`, both included."""
        query = (
            select(UsageCounter.day, UsageCounter.metric, func.sum(UsageCounter.value))
            .where(UsageCounter.day.between(first, last))
            .group_by(UsageCounter.day, UsageCounter.metric)
            .order_by(UsageCounter.day, UsageCounter.metric)
        )
        rows = await self._session.execute(query)
        return [(day, metric, int(value)) for day, metric, value in rows]


async def between(
    db: PgConnection, creator_id: UUID, first: date, end: date, metrics: Sequence[str]
) -> dict[str, int]:
    """Sums by metric from `first` to before `end`; what was never counted is absent."""
    rows = await db.fetch(_SINCE, creator_id, first, end, list(metrics))
    return {row["metric"]: row["value"] for row in rows}


async def add(
    db: PgConnection, creator_id: UUID, day: date, counts: Mapping[str, int], *, shard: int = 0
) -> None:
    """Count with the caller's transaction."""
    await db.execute(_ADD, creator_id, day, list(counts), list(counts.values()), shard)


async def measure_storage(db: PgConnection, creator_id: UUID, kept_since: date | None) -> int:
    """Bytes of documents, and of messages by the size of the latest and the number counted."""
    documents: int = await db.fetchval(_DOCUMENTS, creator_id)
    messages: int = await db.fetchval(_MESSAGES, creator_id, kept_since)
    size: float = await db.fetchval(_MESSAGE_BYTES, creator_id, SAMPLE) if messages else 0.0
    return documents + round(messages * size)


async def storage_of(db: PgConnection, creator_id: UUID, day: date) -> int | None:
    """What was measured on a day; None when nothing was."""
    found: int | None = await db.fetchval(_STORAGE_OF, creator_id, day)
    return found


async def set_storage(db: PgConnection, creator_id: UUID, day: date, size_bytes: int) -> None:
    await db.execute(_SET_STORAGE, creator_id, day, size_bytes)


async def note_once(
    db: PgConnection, creator_id: UUID, month: date, quota: str, level: str, at: datetime
) -> bool:
    """Whether this is the first time that this limit was reached this month."""
    return bool(await db.fetchval(_TELL, creator_id, month, quota, level, at))
