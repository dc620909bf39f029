"""Scheduled sends as a creator sees them: what is planned, and what became of the rest."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.database import PgConnection

_LISTED = """
s.id, s.contact_id, s.source_kind, s.source_id, s.step_key, s.occurrence, s.class AS send_class,
s.purpose, s.planned_at, s.due_at, s.window_end, s.state, s.skip_reason, s.defer_reason,
s.deferrals, s.channel_id, s.message_id, s.settled_at, s.answered_at, e.program_id
"""


@dataclass(frozen=True, kw_only=True)
class SendRow:
    """A send as it is listed; `program_id` is of a step's."""

    id: UUID
    contact_id: UUID
    source_kind: str
    source_id: UUID
    step_key: str
    occurrence: str
    send_class: str
    purpose: str
    planned_at: datetime
    due_at: datetime
    window_end: datetime | None
    state: str
    skip_reason: str | None
    defer_reason: str | None
    deferrals: int
    channel_id: UUID | None
    message_id: UUID | None
    settled_at: datetime | None
    answered_at: datetime | None
    program_id: UUID | None


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which sends are listed; None is any."""

    state: str | None = None
    reason: str | None = None
    contact_id: UUID | None = None
    program_id: UUID | None = None
    broadcast_id: UUID | None = None
    enrolment_id: UUID | None = None


async def listed(
    db: PgConnection,
    creator_id: UUID,
    filters: Filters,
    *,
    limit: int,
    after: tuple[datetime, UUID] | None = None,
) -> list[SendRow]:
    """In the order in which they are due."""
    due_at, id_ = after or (None, None)
    rows = await db.fetch(
        f"""
        SELECT {_LISTED} FROM app.scheduled_sends s
        LEFT JOIN app.enrolments e
          ON e.creator_id = s.creator_id AND s.source_kind = 'step' AND e.id = s.source_id
        WHERE s.creator_id = $1
          AND ($2::timestamptz IS NULL OR (s.due_at, s.id) > ($2, $3::uuid))
          AND ($4::text IS NULL OR s.state = $4)
          AND ($5::text IS NULL OR $5 IN (s.skip_reason, s.defer_reason))
          AND ($6::uuid IS NULL OR s.contact_id = $6)
          AND ($7::uuid IS NULL OR e.program_id = $7)
          AND ($8::uuid IS NULL OR (s.source_kind = 'broadcast' AND s.source_id = $8))
          AND ($9::uuid IS NULL OR (s.source_kind = 'step' AND s.source_id = $9))
        ORDER BY s.due_at, s.id LIMIT $10
        """,  # noqa: S608 - a list of columns
        creator_id,
        due_at,
        id_,
        filters.state,
        filters.reason,
        filters.contact_id,
        filters.program_id,
        filters.broadcast_id,
        filters.enrolment_id,
        limit,
    )
    return [SendRow(**row) for row in rows]


async def find(db: PgConnection, creator_id: UUID, send_id: UUID) -> SendRow | None:
    row = await db.fetchrow(
        f"""
        SELECT {_LISTED} FROM app.scheduled_sends s
        LEFT JOIN app.enrolments e
          ON e.creator_id = s.creator_id AND s.source_kind = 'step' AND e.id = s.source_id
        WHERE s.creator_id = $1 AND s.id = $2
        """,  # noqa: S608
        creator_id,
        send_id,
    )
    return SendRow(**row) if row else None
