"""Scheduled sends: one slot for one contact; planned, moved and cancelled here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import PgConnection


@dataclass(frozen=True, kw_only=True)
class PlannedSend:
    """A slot to keep: what of an enrolment is due when."""

    id: UUID
    contact_id: UUID
    enrolment_id: UUID
    step_key: str
    generation: int
    occurrence: str
    send_class: str
    purpose: str
    due_at: datetime
    window_end: datetime | None


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Of an enrolment's step: the slot that waits, the latest that was handled, what is open.

    `armed` is the slot that waits, is on its way, or asked what may still be answered; or a nudge
    that a message made needless, as long as the program hasn't heard of it.
    """

    enrolment_id: UUID
    step_key: str
    waiting_id: UUID | None
    waiting: str | None
    planned_at: datetime | None
    handled: str | None
    armed: str | None


# A slot that was handled is never planned again, in whatever generation. Each is looked up by
# itself: joined instead, a planner without fresh statistics reads all of a creator's sends.
_PLAN = """
INSERT INTO app.scheduled_sends
  (creator_id, id, contact_id, source_kind, source_id, step_key, generation, occurrence, class,
   purpose, planned_at, due_at, window_end, created_at)
SELECT $1, n.id, n.contact_id, 'step', n.source_id, n.step_key, n.generation, n.occurrence,
       n.class, n.purpose, n.due_at, n.due_at, n.window_end, $12
FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::integer[], $7::text[], $8::text[],
            $9::text[], $10::timestamptz[], $11::timestamptz[])
  AS n (id, contact_id, source_id, step_key, generation, occurrence, class, purpose, due_at,
        window_end)
WHERE (
  SELECT true FROM app.scheduled_sends h
  WHERE h.creator_id = $1 AND h.source_kind = 'step' AND h.source_id = n.source_id
    AND h.step_key = n.step_key AND h.occurrence = n.occurrence
    AND (h.state <> 'cancelled' OR h.skip_reason = 'replied') LIMIT 1) IS NULL
ON CONFLICT (creator_id, source_kind, source_id, step_key, contact_id, generation, occurrence)
  DO UPDATE SET state = 'waiting', skip_reason = NULL, settled_at = NULL, due_at = excluded.due_at,
    planned_at = excluded.planned_at, window_end = excluded.window_end, defer_reason = NULL,
    deferrals = 0, class = excluded.class, purpose = excluded.purpose,
    created_at = excluded.created_at, answered_at = NULL
  WHERE scheduled_sends.state = 'cancelled'
"""
_MOVE = """
UPDATE app.scheduled_sends s
SET generation = n.generation, occurrence = n.occurrence, class = n.class, purpose = n.purpose,
    window_end = n.window_end,
    due_at = CASE WHEN s.planned_at = n.due_at THEN s.due_at ELSE n.due_at END,
    defer_reason = CASE WHEN s.planned_at = n.due_at THEN s.defer_reason END,
    deferrals = CASE WHEN s.planned_at = n.due_at THEN s.deferrals ELSE 0 END,
    planned_at = n.due_at
FROM unnest($2::uuid[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::timestamptz[],
            $8::timestamptz[])
  AS n (id, generation, occurrence, class, purpose, due_at, window_end)
WHERE s.creator_id = $1 AND s.id = n.id AND s.state = 'waiting'
"""
# A cancelled slot of the same name is in the way of one that moves there.
_CLEAR = """
DELETE FROM app.scheduled_sends s
USING unnest($2::uuid[], $3::text[], $4::integer[], $5::text[])
  AS n (source_id, step_key, generation, occurrence)
WHERE s.creator_id = $1 AND s.source_kind = 'step' AND s.source_id = n.source_id
  AND s.step_key = n.step_key AND s.generation = n.generation AND s.occurrence = n.occurrence
  AND s.state = 'cancelled'
"""
_STANDINGS = """
SELECT s.source_id AS enrolment_id, s.step_key,
  (array_agg(s.id ORDER BY s.due_at) FILTER (WHERE s.state = 'waiting'))[1] AS waiting_id,
  (array_agg(s.occurrence ORDER BY s.due_at) FILTER (WHERE s.state = 'waiting'))[1] AS waiting,
  (array_agg(s.planned_at ORDER BY s.due_at) FILTER (WHERE s.state = 'waiting'))[1] AS planned_at,
  max(s.occurrence) FILTER (WHERE s.state NOT IN ('waiting', 'cancelled')
    OR s.skip_reason = 'replied') AS handled,
  max(s.occurrence) FILTER (WHERE s.state IN ('waiting', 'claimed')
    OR s.state = 'cancelled' AND s.skip_reason = 'replied' AND s.answered_at IS NULL
    OR s.state = 'sent' AND s.answered_at IS NULL AND s.answer_until > $3) AS armed
FROM app.scheduled_sends s
WHERE s.creator_id = $1 AND s.source_kind = 'step' AND s.source_id = ANY($2::uuid[])
GROUP BY s.source_id, s.step_key
"""


def _columns(sends: Sequence[PlannedSend], *names: str) -> list[list[Any]]:
    """The values of each field, as arrays to unnest."""
    return [[getattr(send, name) for send in sends] for name in names]


async def plan(
    db: PgConnection, creator_id: UUID, sends: Sequence[PlannedSend], now: datetime
) -> int:
    """Keep new slots; one that is kept or was handled already is left as it is.

    `now` is when they were decided on: who writes after that has replied to a nudge beforehand.
    """
    if not sends:
        return 0
    tag = await db.execute(
        _PLAN,
        creator_id,
        *_columns(sends, "id", "contact_id", "enrolment_id", "step_key", "generation"),
        *_columns(sends, "occurrence", "send_class", "purpose", "due_at", "window_end"),
        now,
    )
    return int(tag.split()[-1])


async def move(db: PgConnection, creator_id: UUID, sends: Sequence[PlannedSend]) -> int:
    """Let waiting sends (by id) have other slots; a slot that stays keeps what it was put off."""
    if not sends:
        return 0
    await db.execute(
        _CLEAR,
        creator_id,
        *_columns(sends, "enrolment_id", "step_key", "generation", "occurrence"),
    )
    tag = await db.execute(
        _MOVE,
        creator_id,
        *_columns(sends, "id", "generation", "occurrence", "send_class", "purpose"),
        *_columns(sends, "due_at", "window_end"),
    )
    return int(tag.split()[-1])


async def standings(
    db: PgConnection, creator_id: UUID, enrolment_ids: Sequence[UUID], now: datetime
) -> list[Standing]:
    """For each step of these enrolments that was ever planned."""
    rows = await db.fetch(_STANDINGS, creator_id, list(enrolment_ids), now)
    return [Standing(**row) for row in rows]


async def replace(db: PgConnection, creator_id: UUID, sends: Sequence[PlannedSend]) -> int:
    """Let what waits of these steps have another slot, where that slot was never planned."""
    if not sends:
        return 0
    tag = await db.execute(
        """
        UPDATE app.scheduled_sends s
        SET generation = n.generation, occurrence = n.occurrence, planned_at = n.due_at,
            due_at = n.due_at, window_end = n.window_end, defer_reason = NULL, deferrals = 0
        FROM unnest($2::uuid[], $3::text[], $4::integer[], $5::text[], $6::timestamptz[],
                    $7::timestamptz[])
          AS n (source_id, step_key, generation, occurrence, due_at, window_end)
        WHERE s.creator_id = $1 AND s.source_kind = 'step' AND s.source_id = n.source_id
          AND s.step_key = n.step_key AND s.state = 'waiting'
          AND NOT EXISTS (
            SELECT FROM app.scheduled_sends o
            WHERE o.creator_id = $1 AND o.source_kind = 'step' AND o.source_id = n.source_id
              AND o.step_key = n.step_key AND o.occurrence = n.occurrence)
        """,
        creator_id,
        *_columns(sends, "enrolment_id", "step_key", "generation", "occurrence"),
        *_columns(sends, "due_at", "window_end"),
    )
    return int(tag.split()[-1])


async def cancel_steps(
    db: PgConnection,
    creator_id: UUID,
    steps: Sequence[tuple[UUID, str, str, str | None]],
    now: datetime,
) -> int:
    """Cancel what waits of (enrolment, step key, reason, occurrence that is kept) each."""
    if not steps:
        return 0
    ids, keys, reasons, kept = zip(*steps, strict=True)
    tag = await db.execute(
        """
        UPDATE app.scheduled_sends s
        SET state = 'cancelled', skip_reason = n.reason, settled_at = $6,
            answered_at = CASE WHEN n.reason = 'replied' THEN $6 ELSE s.answered_at END
        FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[])
          AS n (source_id, step_key, reason, kept)
        WHERE s.creator_id = $1 AND s.source_kind = 'step' AND s.source_id = n.source_id
          AND s.step_key = n.step_key
          AND (s.state = 'waiting' OR s.state = 'cancelled' AND s.skip_reason = 'replied'
               AND s.answered_at IS NULL)
          AND s.occurrence IS DISTINCT FROM n.kept
        """,
        creator_id,
        list(ids),
        list(keys),
        list(reasons),
        list(kept),
        now,
    )
    return int(tag.split()[-1])


async def cancel_enrolments(
    db: PgConnection,
    creator_id: UUID,
    enrolments: Sequence[tuple[UUID, str]],
    now: datetime,
) -> int:
    """Cancel all that waits of (enrolment, reason) each."""
    if not enrolments:
        return 0
    ids, reasons = zip(*enrolments, strict=True)
    tag = await db.execute(
        """
        UPDATE app.scheduled_sends s
        SET state = 'cancelled', skip_reason = n.reason, settled_at = $4
        FROM unnest($2::uuid[], $3::text[]) AS n (source_id, reason)
        WHERE s.creator_id = $1 AND s.source_kind = 'step' AND s.source_id = n.source_id
          AND s.state = 'waiting'
        """,
        creator_id,
        list(ids),
        list(reasons),
        now,
    )
    return int(tag.split()[-1])


async def cancel_program(
    db: PgConnection, creator_id: UUID, program_id: UUID, *, reason: str, now: datetime
) -> int:
    """Cancel all that waits of a program."""
    tag = await db.execute(
        """
        UPDATE app.scheduled_sends s
        SET state = 'cancelled', skip_reason = $3, settled_at = $4
        WHERE s.creator_id = $1 AND s.source_kind = 'step' AND s.state = 'waiting'
          AND s.source_id IN (SELECT id FROM app.enrolments
                              WHERE creator_id = $1 AND program_id = $2)
        """,
        creator_id,
        program_id,
        reason,
        now,
    )
    return int(tag.split()[-1])


async def revive_paused(db: PgConnection, creator_id: UUID, enrolment_id: UUID, reason: str) -> int:
    """Let what was cancelled when an enrolment was paused wait again."""
    tag = await db.execute(
        """
        UPDATE app.scheduled_sends
        SET state = 'waiting', skip_reason = NULL, settled_at = NULL, due_at = planned_at
        WHERE creator_id = $1 AND source_kind = 'step' AND source_id = $2
          AND state = 'cancelled' AND skip_reason = $3
        """,
        creator_id,
        enrolment_id,
        reason,
    )
    return int(tag.split()[-1])


async def wake_program(db: PgConnection, creator_id: UUID, program_id: UUID, now: datetime) -> int:
    """Look again at what was put off because the program was paused; why it is late is kept."""
    tag = await db.execute(
        """
        UPDATE app.scheduled_sends s
        SET due_at = greatest(planned_at, $3)
        WHERE s.creator_id = $1 AND s.source_kind = 'step' AND s.state = 'waiting'
          AND s.defer_reason = 'program_paused'
          AND s.source_id IN (SELECT id FROM app.enrolments
                              WHERE creator_id = $1 AND program_id = $2)
        """,
        creator_id,
        program_id,
        now,
    )
    return int(tag.split()[-1])
