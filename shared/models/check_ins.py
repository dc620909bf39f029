"""Check-ins: what somebody answered about a goal or a program's step, one for each local day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from shared.database import PgConnection

_COLUMNS = """
id, contact_id, subject, goal_id, send_id, enrolment_id, step_key, local_day, kind, value, met,
source, message_id, at
"""


@dataclass(frozen=True, kw_only=True)
class CheckInRow:
    """`subject` is `goal:<id>` or `step:<program id>/<step key>`; `met` counts for the streak."""

    id: UUID
    contact_id: UUID
    subject: str
    local_day: date
    kind: str
    value: Any
    met: bool
    source: str
    at: datetime
    goal_id: UUID | None = None
    send_id: UUID | None = None
    enrolment_id: UUID | None = None
    step_key: str = ""
    message_id: UUID | None = None


def subject_of_goal(goal_id: UUID) -> str:
    return f"goal:{goal_id}"


def subject_of_step(program_id: UUID, step_key: str) -> str:
    return f"step:{program_id}/{step_key}"


async def put(db: PgConnection, creator_id: UUID, row: CheckInRow) -> CheckInRow:
    """Keep a check-in; it replaces what was said of the same subject on the same local day."""
    kept = await db.fetchrow(
        f"""
        INSERT INTO app.check_ins (creator_id, id, contact_id, subject, goal_id, send_id,
          enrolment_id, step_key, local_day, kind, value, met, source, message_id, at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
        ON CONFLICT (creator_id, contact_id, subject, local_day) DO UPDATE
        SET goal_id = excluded.goal_id, send_id = excluded.send_id,
            enrolment_id = excluded.enrolment_id, step_key = excluded.step_key,
            kind = excluded.kind, value = excluded.value, met = excluded.met,
            source = excluded.source, message_id = excluded.message_id, at = excluded.at
        RETURNING {_COLUMNS}
        """,  # noqa: S608 - a list of columns
        creator_id,
        row.id,
        row.contact_id,
        row.subject,
        row.goal_id,
        row.send_id,
        row.enrolment_id,
        row.step_key,
        row.local_day,
        row.kind,
        row.value,
        row.met,
        row.source,
        row.message_id,
        row.at,
    )
    assert kept is not None  # noqa: S101 - one row goes in or is replaced
    return CheckInRow(**kept)


async def since(
    db: PgConnection, creator_id: UUID, contact_ids: Sequence[UUID], day: date
) -> list[CheckInRow]:
    """From this local day on, the oldest first."""
    rows = await db.fetch(
        f"""
        SELECT {_COLUMNS} FROM app.check_ins
        WHERE creator_id = $1 AND contact_id = ANY ($2::uuid[]) AND local_day >= $3
        ORDER BY local_day, id
        """,  # noqa: S608
        creator_id,
        list(contact_ids),
        day,
    )
    return [CheckInRow(**row) for row in rows]


async def of_subject(
    db: PgConnection, creator_id: UUID, contact_id: UUID, subject: str, since_day: date
) -> list[CheckInRow]:
    """From this local day on."""
    rows = await db.fetch(
        f"""
        SELECT {_COLUMNS} FROM app.check_ins
        WHERE creator_id = $1 AND contact_id = $2 AND subject = $3 AND local_day >= $4
        """,  # noqa: S608
        creator_id,
        contact_id,
        subject,
        since_day,
    )
    return [CheckInRow(**row) for row in rows]


async def listed(
    db: PgConnection,
    creator_id: UUID,
    contact_id: UUID,
    *,
    limit: int,
    before: tuple[date, UUID] | None = None,
    goal_id: UUID | None = None,
) -> list[CheckInRow]:
    """The newest day first."""
    day, id_ = before or (None, None)
    rows = await db.fetch(
        f"""
        SELECT {_COLUMNS} FROM app.check_ins
        WHERE creator_id = $1 AND contact_id = $2
          AND ($3::date IS NULL OR (local_day, id) < ($3, $4::uuid))
          AND ($5::uuid IS NULL OR goal_id = $5)
        ORDER BY local_day DESC, id DESC LIMIT $6
        """,  # noqa: S608
        creator_id,
        contact_id,
        day,
        id_,
        goal_id,
        limit,
    )
    return [CheckInRow(**row) for row in rows]
