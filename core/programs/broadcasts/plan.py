"""Give every contact of a broadcast their moment: one statement, however many there are.

On each channel the sends follow each other no faster than it takes them. Who can't be reached now
gets a row all the same: the gates ask again when it is due, and the row says why nothing came.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from core.programs.broadcasts.reach import ReachSql
from shared.database import PgConnection

# A pause puts what waits out of every scheduler's sight. Not infinity: minutes are counted of it.
PARKED = datetime(4000, 1, 1, tzinfo=UTC)
STATEMENT_SECONDS = 120

# Version 7, made here for all rows: the server's own function is only in PostgreSQL 18.
_ID = """encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) PLACING
  substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
  FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid"""
# `place` counts on each channel, and apart for whom none is open: they take nobody's time.
_PLACED = """
, placed AS (
  SELECT r.id, row_number() OVER w - 1 AS place,
    greatest({spread}::float8 / count(*) OVER (PARTITION BY r.channel_id, r.verdict = 'ready'),
      CASE WHEN r.verdict = 'ready' THEN coalesce(g.gap, 0) ELSE 0 END) AS gap
  FROM reached r
  LEFT JOIN unnest({channels}::uuid[], {gaps}::float8[]) AS g (channel_id, gap)
    ON g.channel_id = r.channel_id
  WINDOW w AS (PARTITION BY r.channel_id, r.verdict = 'ready' ORDER BY r.id)
), due AS (
  SELECT id, {starts_at}::timestamptz + place * gap * interval '1 second' AS due_at FROM placed
)
"""
_INSERT = f"""
INSERT INTO app.scheduled_sends (creator_id, id, contact_id, source_kind, source_id, class, purpose,
                                 planned_at, due_at, window_end, channel_id)
SELECT $1, {_ID}, id, 'broadcast', {{source}}::uuid, 'broadcast', $2, due_at, due_at,
  due_at + {{expires}}::float8 * interval '1 second', $3 FROM due
"""  # noqa: S608 - constants only
# As a conflict rather than a join: the planner knows nothing yet of rows that were just written,
# and would compare each with each.
_ANEW = """
ON CONFLICT (creator_id, source_kind, source_id, step_key, contact_id, generation, occurrence)
DO UPDATE SET due_at = excluded.due_at, window_end = excluded.window_end, defer_reason = NULL
WHERE scheduled_sends.state = 'waiting'
"""
_ONCE = "ON CONFLICT DO NOTHING"
_PARK = """
UPDATE app.scheduled_sends SET due_at = $3, defer_reason = 'broadcast_paused'
WHERE creator_id = $1 AND source_kind = 'broadcast' AND source_id = $2 AND state = 'waiting'
"""
_CANCEL = """
UPDATE app.scheduled_sends
SET state = 'cancelled', skip_reason = 'broadcast_cancelled', settled_at = $3
WHERE creator_id = $1 AND source_kind = 'broadcast' AND source_id = $2
  AND state = 'waiting'
"""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """From when on, over how long at least, and how many seconds apart on each channel."""

    starts_at: datetime
    seconds: float
    gaps: Mapping[UUID, float]
    expires_after_seconds: int


async def plan(
    connection: PgConnection, broadcast_id: UUID, reach: ReachSql, spread: Spread
) -> int:
    """A row for each contact that has none yet; how many there are."""
    return await _spread(connection, _INSERT + _ONCE, broadcast_id, reach, spread)


async def spread_anew(
    connection: PgConnection, broadcast_id: UUID, reach: ReachSql, spread: Spread
) -> int:
    """New moments for the contacts that still wait."""
    return await _spread(connection, _INSERT + _ANEW, broadcast_id, reach, spread)


async def park(connection: PgConnection, creator_id: UUID, broadcast_id: UUID) -> int:
    """Nothing that waits is due any more. What a scheduler holds is waited for, and is sent."""
    return await _execute(connection, _PARK, creator_id, broadcast_id, PARKED)


async def cancel(
    connection: PgConnection, creator_id: UUID, broadcast_id: UUID, now: datetime
) -> int:
    """What waits is never sent."""
    return await _execute(connection, _CANCEL, creator_id, broadcast_id, now)


async def _spread(
    connection: PgConnection, write: str, broadcast_id: UUID, reach: ReachSql, spread: Spread
) -> int:
    names = ("channels", "gaps", "spread", "starts_at", "source", "expires")
    places = {name: f"${reach.next_place + n}" for n, name in enumerate(names)}
    return await _execute(
        connection,
        reach.sql + (_PLACED + write).format(**places),
        *reach.arguments,
        list(spread.gaps),
        list(spread.gaps.values()),
        spread.seconds,
        spread.starts_at,
        broadcast_id,
        spread.expires_after_seconds,
    )


async def _execute(connection: PgConnection, sql: str, *arguments: object) -> int:
    # A hundred thousand rows with their indexes are more than an ordinary statement may take.
    await connection.execute(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'")
    status = await connection.execute(sql, *arguments, timeout=STATEMENT_SECONDS + 5)
    return int(str(status).rsplit(" ", 1)[-1])
