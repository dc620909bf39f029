"""Broadcasts: one message to everybody in a segment, its state, and what became of its sends."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import PgConnection, Record

# What a change of a draft may set.
CHANGEABLE = (
    "name",
    "purpose",
    "content",
    "filter",
    "segment_id",
    "channel_id",
    "starts_at",
    "spread_seconds",
    "expires_after_seconds",
)

_COLUMNS = """id, name, purpose, content, filter, segment_id, channel_id, state, starts_at,
  spread_seconds, expires_after_seconds, planned, actor, created_at, updated_at, finished_at"""
_ADD = f"""
INSERT INTO app.broadcasts (creator_id, id, name, purpose, content, filter, segment_id, channel_id,
                            starts_at, spread_seconds, expires_after_seconds, actor)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only
_FIND = f"SELECT {_COLUMNS} FROM app.broadcasts WHERE creator_id = $1 AND id = $2"  # noqa: S608
_NEWEST = f"""
SELECT {_COLUMNS} FROM app.broadcasts
WHERE creator_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3
"""  # noqa: S608 - constants only
_CHANGE = f"""
UPDATE app.broadcasts SET name = $3, purpose = $4, content = $5, filter = $6, segment_id = $7,
  channel_id = $8, starts_at = $9, spread_seconds = $10, expires_after_seconds = $11,
  updated_at = clock_timestamp()
WHERE creator_id = $1 AND id = $2 RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only
_MOVE = f"""
UPDATE app.broadcasts SET state = $3, updated_at = clock_timestamp(),
  planned = coalesce($4, planned), filter = coalesce($5, filter),
  starts_at = coalesce($6, starts_at), finished_at = $7
WHERE creator_id = $1 AND id = $2 RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only
# Done is when nothing waits: the last send's moment is when it was. Whoever holds a broadcast may
# wait for its sends, which we hold: what is held is left, for whoever settles or reads it next.
_FINISH = """
WITH over AS (
  SELECT b.id FROM app.broadcasts b
  WHERE b.creator_id = $1 AND b.state = 'running' AND ($2::uuid[] IS NULL OR b.id = ANY ($2))
    AND NOT EXISTS (
      SELECT FROM app.scheduled_sends s WHERE s.creator_id = $1 AND s.source_kind = 'broadcast'
        AND s.source_id = b.id AND s.state IN ('waiting', 'claimed'))
  ORDER BY b.id FOR UPDATE SKIP LOCKED
)
UPDATE app.broadcasts b SET state = 'done', updated_at = clock_timestamp(), finished_at =
  coalesce((SELECT max(s.settled_at) FROM app.scheduled_sends s WHERE s.creator_id = $1
            AND s.source_kind = 'broadcast' AND s.source_id = b.id), b.updated_at)
FROM over WHERE b.creator_id = $1 AND b.id = over.id
"""
_COUNTS = """
SELECT s.state, s.skip_reason, m.status, count(*) AS count,
  max(s.due_at) FILTER (WHERE s.state = 'waiting') AS last_due_at
FROM app.scheduled_sends s
LEFT JOIN app.messages m ON m.creator_id = $1 AND m.id = s.message_id
WHERE s.creator_id = $1 AND s.source_kind = 'broadcast' AND s.source_id = $2
GROUP BY s.state, s.skip_reason, m.status
"""
_WAITING = """
SELECT count(*) FROM app.scheduled_sends WHERE creator_id = $1 AND source_kind = 'broadcast'
  AND source_id = $2 AND state = 'waiting'
"""
_RECIPIENTS = """
SELECT s.id, s.contact_id, c.name, s.state, s.skip_reason, s.defer_reason, s.due_at, s.settled_at,
  s.message_id, m.status AS message_status, m.error_code
FROM app.scheduled_sends s
JOIN app.contacts c ON c.creator_id = $1 AND c.id = s.contact_id
LEFT JOIN app.messages m ON m.creator_id = $1 AND m.id = s.message_id
WHERE s.creator_id = $1 AND s.source_kind = 'broadcast' AND s.source_id = $2
  AND ($3::text IS NULL OR s.state = $3) AND ($4::uuid IS NULL OR s.id > $4)
ORDER BY s.id LIMIT $5
"""
_OUTCOMES = {
    "delivered": "delivered",
    "read": "delivered",
    "failed": "failed",
    "undelivered": "failed",
    "canceled": "failed",
    "uncertain": "uncertain",
}


@dataclass(frozen=True, kw_only=True)
class Broadcast:
    """A broadcast as stored; `content` by language."""

    id: UUID
    name: str
    purpose: str
    content: dict[str, Any]
    filter: dict[str, Any]
    segment_id: UUID | None
    channel_id: UUID | None
    state: str
    starts_at: datetime | None
    spread_seconds: int
    expires_after_seconds: int
    planned: int
    actor: str
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None


@dataclass(kw_only=True)
class Progress:
    """How far a broadcast is. `delivered`, `failed` and `uncertain` are of those sent."""

    planned: int = 0
    waiting: int = 0
    sent: int = 0
    skipped: int = 0
    cancelled: int = 0
    expired: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    delivered: int = 0
    failed: int = 0
    uncertain: int = 0
    last_due_at: datetime | None = None

    def add(self, row: Record) -> None:
        state = "waiting" if row["state"] == "claimed" else row["state"]
        setattr(self, state, getattr(self, state) + row["count"])
        self.planned += row["count"]
        if row["skip_reason"]:
            reason = row["skip_reason"]
            self.reasons[reason] = self.reasons.get(reason, 0) + row["count"]
        if outcome := _OUTCOMES.get(row["status"] or ""):
            setattr(self, outcome, getattr(self, outcome) + row["count"])
        if row["last_due_at"]:
            self.last_due_at = max(self.last_due_at or row["last_due_at"], row["last_due_at"])


async def add(db: PgConnection, creator_id: UUID, broadcast_id: UUID, **values: Any) -> Broadcast:
    """A draft; `values` are what a change may set, and the `actor`."""
    given = [values[name] for name in (*CHANGEABLE, "actor")]
    return _read(await db.fetchrow(_ADD, creator_id, broadcast_id, *given))


async def find(
    db: PgConnection, creator_id: UUID, broadcast_id: UUID, *, for_update: bool = False
) -> Broadcast | None:
    query = f"{_FIND} FOR UPDATE" if for_update else _FIND
    row = await db.fetchrow(query, creator_id, broadcast_id)
    return _read(row) if row else None


async def newest(
    db: PgConnection, creator_id: UUID, limit: int, before: UUID | None
) -> list[Broadcast]:
    return [_read(row) for row in await db.fetch(_NEWEST, creator_id, before, limit)]


async def change(
    db: PgConnection, creator_id: UUID, broadcast_id: UUID, values: dict[str, Any]
) -> Broadcast:
    given = [values[name] for name in CHANGEABLE]
    return _read(await db.fetchrow(_CHANGE, creator_id, broadcast_id, *given))


async def move(
    db: PgConnection,
    creator_id: UUID,
    broadcast_id: UUID,
    state: str,
    *,
    planned: int | None = None,
    filter: dict[str, Any] | None = None,
    starts_at: datetime | None = None,
    finished_at: datetime | None = None,
) -> Broadcast:
    """Into another state; what is None stays."""
    row = await db.fetchrow(
        _MOVE, creator_id, broadcast_id, state, planned, filter, starts_at, finished_at
    )
    return _read(row)


async def finish(
    db: PgConnection, creator_id: UUID, broadcast_ids: Iterable[UUID] | None = None
) -> None:
    """Let those be done of which nothing waits any more; of these, or of all."""
    wanted = None if broadcast_ids is None else list(broadcast_ids)
    if wanted != []:
        await db.execute(_FINISH, creator_id, wanted)


async def delete(db: PgConnection, creator_id: UUID, broadcast_id: UUID) -> None:
    """What was sent of it stays on record."""
    await db.execute(
        "DELETE FROM app.broadcasts WHERE creator_id = $1 AND id = $2", creator_id, broadcast_id
    )


async def waiting(db: PgConnection, creator_id: UUID, broadcast_id: UUID) -> int:
    """How many contacts are still to get it."""
    found: int = await db.fetchval(_WAITING, creator_id, broadcast_id)
    return found


async def progress(db: PgConnection, creator_id: UUID, broadcast_id: UUID) -> Progress:
    found = Progress()
    for row in await db.fetch(_COUNTS, creator_id, broadcast_id):
        found.add(row)
    return found


async def recipients(
    db: PgConnection,
    creator_id: UUID,
    broadcast_id: UUID,
    *,
    state: str | None,
    after: UUID | None,
    limit: int,
) -> Sequence[Record]:
    """What became of each contact, in the order of planning."""
    return await db.fetch(_RECIPIENTS, creator_id, broadcast_id, state, after, limit)


def _read(row: Record | None) -> Broadcast:
    assert row is not None  # noqa: S101 - the row is there: just written, or held
    return Broadcast(**row)
