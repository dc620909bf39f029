"""Which creators have something due, and the next of one creator's sends, held until commit.

A scheduler waits for nobody's lock: what somebody else holds is left for the next look. So it is
never part of a circle of waiting, whatever else a transaction holds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import get_args
from uuid import UUID

from core.programs.definition import SendClass
from shared.database import PgConnection

MAX_PAIRS = 10_000  # (minute, creator) pairs looked at in one tick
MAX_LEFT_OVER = 1_000
STUCK_AFTER = timedelta(minutes=2)  # a turn that still waits isn't counted, however long
CLASSES: tuple[str, ...] = get_args(SendClass)  # the first one goes first

# From pair to pair by the index, each step one descent: rows that are due later, or behind others
# of their creator in the same minute, cost nothing. What isn't due yet in the minute that runs is
# left out at the end, for there a step can't tell.
_DUE = """
WITH RECURSIVE pair AS (
  (SELECT due_slot, creator_id FROM app.scheduled_sends
   WHERE state = 'waiting' AND due_slot <= $1 ORDER BY due_slot, creator_id LIMIT 1)
  UNION ALL
  SELECT later.due_slot, later.creator_id FROM pair CROSS JOIN LATERAL (
    SELECT s.due_slot, s.creator_id FROM app.scheduled_sends s
    WHERE s.state = 'waiting' AND (s.due_slot, s.creator_id) > (pair.due_slot, pair.creator_id)
      AND s.due_slot <= $1
    ORDER BY s.due_slot, s.creator_id LIMIT 1) later
)
SELECT p.creator_id FROM (SELECT due_slot, creator_id FROM pair LIMIT $3) p
LEFT JOIN LATERAL (
  SELECT true AS is_due FROM app.scheduled_sends s
  WHERE s.state = 'waiting' AND s.due_slot = $1 AND s.creator_id = p.creator_id
    AND s.due_at <= $2 AND p.due_slot = $1
  LIMIT 1) running ON true
WHERE p.due_slot < $1 OR running.is_due
GROUP BY p.creator_id ORDER BY min(p.due_slot), p.creator_id
"""
# Held by the first until it commits: caps and paces of a creator are counted by one at a time.
_ALONE = "SELECT pg_try_advisory_xact_lock(hashtextextended('scheduler ' || $1::text, 0))"
_COLUMNS = """
id, contact_id, source_kind, source_id, step_key, occurrence, generation, class AS send_class,
purpose, planned_at, due_at, window_end, channel_id, created_at, defer_reason, deferrals
"""
# Class by class, the oldest first, each by its own range of one index. The planner must see that:
# by slot and moment, which is the order of moments alone, because the index of the list has that
# order too and all that was ever sent; and each class by its name, because it knows how many there
# are of each, and that nearly all may be another's.
_NEXT = f"""
SELECT * FROM (
  SELECT {_COLUMNS} FROM app.scheduled_sends
  WHERE creator_id = $1 AND state = 'waiting' AND class = '{{name}}'
    AND due_slot <= $3 AND due_at <= $2
  ORDER BY due_slot, due_at LIMIT $4 FOR UPDATE SKIP LOCKED) {{name}}
"""  # noqa: S608 - constants only
_CLAIM = " UNION ALL ".join(_NEXT.format(name=name) for name in CLASSES) + " LIMIT $4"
_CLAIMED = f"""
SELECT {_COLUMNS} FROM app.scheduled_sends
WHERE creator_id = $1 AND id = $2 AND state = 'claimed'
"""  # noqa: S608
# Questions whose time is over, and turns that ended without settling their send.
_MISSED = f"""
SELECT {_COLUMNS} FROM app.scheduled_sends
WHERE creator_id = $1 AND state = 'sent' AND answered_at IS NULL AND missed_at IS NULL
  AND answer_until <= $2
ORDER BY answer_until LIMIT $3 FOR UPDATE SKIP LOCKED
"""  # noqa: S608
_STUCK = f"""
SELECT {_COLUMNS} FROM app.scheduled_sends s
WHERE creator_id = $1 AND state = 'claimed' AND settled_at <= $2
  AND NOT EXISTS (SELECT FROM app.messages m
                  WHERE m.creator_id = $1 AND m.id = s.message_id AND m.status = 'pending')
ORDER BY settled_at LIMIT $3 FOR UPDATE SKIP LOCKED
"""  # noqa: S608
# Both sets are small, or their oldest are dealt with first.
_LEFT_OVER = """
SELECT DISTINCT creator_id FROM (
  (SELECT creator_id FROM app.scheduled_sends
   WHERE state = 'sent' AND answered_at IS NULL AND missed_at IS NULL AND answer_until <= $1
   ORDER BY answer_until LIMIT $3)
  UNION ALL
  (SELECT creator_id FROM app.scheduled_sends WHERE state = 'claimed' AND settled_at <= $2
   ORDER BY settled_at LIMIT $3)) AS found
"""


@dataclass(frozen=True, kw_only=True)
class Send:
    """One slot of one contact, as it was planned."""

    id: UUID
    contact_id: UUID
    source_kind: str
    source_id: UUID
    step_key: str
    occurrence: str
    generation: int
    send_class: SendClass
    purpose: str
    planned_at: datetime
    due_at: datetime
    window_end: datetime | None
    channel_id: UUID | None  # only there
    created_at: datetime
    defer_reason: str | None = None
    deferrals: int = 0


def slot_of(moment: datetime) -> int:
    """The minute of a moment, as `due_slot` counts them."""
    return int(moment.timestamp() // 60)


async def due_creators(connection: PgConnection, now: datetime) -> list[UUID]:
    """Creators with something due, who waits longest first. For a dispatch connection."""
    rows = await connection.fetch(_DUE, slot_of(now), now, MAX_PAIRS)
    return [row["creator_id"] for row in rows]


async def is_alone(connection: PgConnection, creator_id: UUID) -> bool:
    """Whether no other scheduler works for this creator; none will until the commit."""
    return bool(await connection.fetchval(_ALONE, str(creator_id)))


async def claim(
    connection: PgConnection, creator_id: UUID, now: datetime, limit: int
) -> list[Send]:
    """The next sends that are due, locked; at most one of each contact.

    One at a time keeps a person's messages in order and their caps exact.
    """
    rows = await connection.fetch(_CLAIM, creator_id, now, slot_of(now), limit)
    return first_of_each(Send(**row) for row in rows)


async def claimed(connection: PgConnection, creator_id: UUID, send_id: UUID) -> Send | None:
    """A send that a turn is to settle; None when that has happened."""
    row = await connection.fetchrow(_CLAIMED, creator_id, send_id)
    return Send(**row) if row else None


async def left_over(connection: PgConnection, now: datetime) -> list[UUID]:
    """Creators with questions nobody answered in time, or sends whose turn died."""
    rows = await connection.fetch(_LEFT_OVER, now, now - STUCK_AFTER, MAX_LEFT_OVER)
    return [row["creator_id"] for row in rows]


async def missed(
    connection: PgConnection, creator_id: UUID, now: datetime, limit: int
) -> list[Send]:
    """Questions that nobody answered in time, locked; at most one of each contact."""
    rows = await connection.fetch(_MISSED, creator_id, now, limit)
    return first_of_each(Send(**row) for row in rows)


async def stuck(
    connection: PgConnection, creator_id: UUID, now: datetime, limit: int
) -> list[Send]:
    """Claimed sends whose turn ended without them, locked; at most one of each contact."""
    rows = await connection.fetch(_STUCK, creator_id, now - STUCK_AFTER, limit)
    return first_of_each(Send(**row) for row in rows)


def first_of_each(sends: Iterable[Send]) -> list[Send]:
    """The first send of each contact."""
    by_contact: dict[UUID, Send] = {}
    for send in sends:
        by_contact.setdefault(send.contact_id, send)
    return list(by_contact.values())


def ids_of(sends: Sequence[Send]) -> list[UUID]:
    return [send.id for send in sends]
