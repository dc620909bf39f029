"""Enrolments: who is in which program, since when, and how far they have come."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import PgConnection

OPEN = ("active", "paused")

# With what a plan needs to know of the contact.
_SELECT = """
SELECT e.id, e.program_id, e.contact_id, e.status, e.reason, e.started_at, e.step_key, e.answers,
  e.actor, e.ended_at, e.created_at, e.updated_at, c.timezone, c.attributes,
  (SELECT max(i.last_inbound_at) FROM app.contact_identities i
   WHERE i.creator_id = e.creator_id AND i.contact_id = e.contact_id) AS last_inbound_at
FROM app.enrolments e
JOIN app.contacts c ON c.creator_id = e.creator_id AND c.id = e.contact_id
WHERE e.creator_id = $1
"""


@dataclass(frozen=True, kw_only=True)
class EnrolmentRow:
    """One contact in one program. `timezone`, `attributes`, `last_inbound_at`: the contact's."""

    id: UUID
    program_id: UUID
    contact_id: UUID
    status: str
    reason: str | None
    started_at: datetime
    step_key: str | None
    answers: dict[str, Any]
    actor: str
    ended_at: datetime | None
    created_at: datetime
    updated_at: datetime
    timezone: str | None
    attributes: dict[str, Any]
    last_inbound_at: datetime | None

    @property
    def is_open(self) -> bool:
        return self.status in OPEN


async def add(
    db: PgConnection,
    creator_id: UUID,
    program_id: UUID,
    ids: Sequence[UUID],
    contact_ids: Sequence[UUID],
    *,
    actor: str,
    now: datetime,
) -> list[EnrolmentRow]:
    """Begin enrolments of contacts that exist; who is in the program already is left out."""
    rows = await db.fetch(
        """
        INSERT INTO app.enrolments (creator_id, id, program_id, contact_id, started_at, actor)
        SELECT $1, n.id, $2, n.contact_id, $5, $6
        FROM unnest($3::uuid[], $4::uuid[]) AS n (id, contact_id)
        JOIN app.contacts c ON c.creator_id = $1 AND c.id = n.contact_id
        ORDER BY n.contact_id
        ON CONFLICT (creator_id, program_id, contact_id) WHERE status IN ('active', 'paused')
          DO NOTHING
        RETURNING id
        """,
        creator_id,
        program_id,
        list(ids),
        list(contact_ids),
        now,
        actor,
    )
    return await by_ids(db, creator_id, [row["id"] for row in rows])


async def find(
    db: PgConnection, creator_id: UUID, enrolment_id: UUID, *, for_update: bool = False
) -> EnrolmentRow | None:
    found = await by_ids(db, creator_id, [enrolment_id], for_update=for_update)
    return found[0] if found else None


async def by_ids(
    db: PgConnection, creator_id: UUID, ids: Sequence[UUID], *, for_update: bool = False
) -> list[EnrolmentRow]:
    """In the order of their ids; `for_update`: locked, in this order everywhere."""
    lock = " FOR UPDATE OF e" if for_update else ""
    sql = f"{_SELECT} AND e.id = ANY($2::uuid[]) ORDER BY e.id{lock}"
    return [EnrolmentRow(**row) for row in await db.fetch(sql, creator_id, list(ids))]


async def open_of_contact(
    db: PgConnection, creator_id: UUID, contact_id: UUID
) -> list[EnrolmentRow]:
    sql = f"{_SELECT} AND e.contact_id = $2 AND e.status IN ('active', 'paused') ORDER BY e.id"
    return [EnrolmentRow(**row) for row in await db.fetch(sql, creator_id, contact_id)]


async def open_of_program(
    db: PgConnection,
    creator_id: UUID,
    program_id: UUID,
    *,
    status: str = "active",
    after: UUID | None = None,
    limit: int = 1_000_000,
) -> list[EnrolmentRow]:
    sql = f"""{_SELECT} AND e.program_id = $2 AND e.status = $3
      AND ($4::uuid IS NULL OR e.id > $4) ORDER BY e.id LIMIT $5"""
    rows = await db.fetch(sql, creator_id, program_id, status, after, limit)
    return [EnrolmentRow(**row) for row in rows]


async def newest(
    db: PgConnection,
    creator_id: UUID,
    program_id: UUID,
    *,
    limit: int,
    before: UUID | None = None,
    status: str | None = None,
) -> list[EnrolmentRow]:
    sql = f"""{_SELECT} AND e.program_id = $2 AND ($3::uuid IS NULL OR e.id < $3)
      AND ($4::text IS NULL OR e.status = $4) ORDER BY e.id DESC LIMIT $5"""
    rows = await db.fetch(sql, creator_id, program_id, before, status, limit)
    return [EnrolmentRow(**row) for row in rows]


async def counts(db: PgConnection, creator_id: UUID, program_id: UUID) -> dict[str, int]:
    rows = await db.fetch(
        """
        SELECT status, count(*) AS count FROM app.enrolments
        WHERE creator_id = $1 AND program_id = $2 GROUP BY status
        """,
        creator_id,
        program_id,
    )
    return {row["status"]: row["count"] for row in rows}


@dataclass(frozen=True, kw_only=True)
class Change:
    """What becomes of an enrolment: a None leaves the step, the status or the answers."""

    id: UUID
    step_key: str | None = None
    status: str | None = None
    reason: str | None = None
    answers: dict[str, Any] | None = None


async def change(
    db: PgConnection, creator_id: UUID, changes: Sequence[Change], now: datetime
) -> None:
    """Write changes of enrolments that have not ended."""
    if not changes:
        return
    await db.execute(
        """
        UPDATE app.enrolments e
        SET step_key = coalesce(m.step_key, e.step_key),
            status = coalesce(m.status, e.status),
            reason = CASE WHEN m.status IS NULL THEN e.reason ELSE m.reason END,
            answers = coalesce(m.answers, e.answers),
            ended_at = CASE WHEN m.status IN ('completed', 'exited', 'cancelled') THEN $7
                            WHEN m.status IS NULL THEN e.ended_at END,
            updated_at = clock_timestamp()
        FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::jsonb[])
          AS m (id, step_key, status, reason, answers)
        WHERE e.creator_id = $1 AND e.id = m.id AND e.status IN ('active', 'paused')
        """,
        creator_id,
        [c.id for c in changes],
        [c.step_key for c in changes],
        [c.status for c in changes],
        [c.reason for c in changes],
        [c.answers for c in changes],
        now,
    )


async def end_all(
    db: PgConnection, creator_id: UUID, program_id: UUID, *, status: str, reason: str, now: datetime
) -> int:
    """End whatever is open of a program."""
    tag = await db.execute(
        """
        UPDATE app.enrolments
        SET status = $3, reason = $4, ended_at = $5, updated_at = clock_timestamp()
        WHERE creator_id = $1 AND program_id = $2 AND status IN ('active', 'paused')
        """,
        creator_id,
        program_id,
        status,
        reason,
        now,
    )
    return int(tag.split()[-1])
