"""Goals: what somebody works on, how it is measured, on how many days a week."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import PgConnection

ACTIVE = "active"
_COLUMNS = """
id, contact_id, slug, title, detail, kind, unit, target, days_per_week, grace_days, status,
created_at, updated_at
"""


@dataclass(frozen=True, kw_only=True)
class NewGoal:
    """What is to be kept of a goal. `slug` is how a program's check-in names it."""

    id: UUID
    title: str
    slug: str = "goal"
    detail: dict[str, Any] = field(default_factory=dict)
    kind: str = "bool"
    unit: str = ""
    target: float | None = None
    days_per_week: int = 7
    grace_days: int = 1


@dataclass(frozen=True, kw_only=True)
class GoalRow:
    id: UUID
    contact_id: UUID
    slug: str
    title: str
    detail: dict[str, Any]
    kind: str
    unit: str
    target: float | None
    days_per_week: int
    grace_days: int
    status: str
    created_at: datetime
    updated_at: datetime


async def add(
    db: PgConnection, creator_id: UUID, contact_id: UUID, goal: NewGoal, now: datetime
) -> bool:
    """Keep a goal; False when it is kept already."""
    tag: str = await db.execute(
        """
        INSERT INTO app.goals (creator_id, id, contact_id, slug, title, detail, kind, unit, target,
                               days_per_week, grace_days, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        ON CONFLICT (creator_id, id) DO NOTHING
        """,
        creator_id,
        goal.id,
        contact_id,
        goal.slug,
        goal.title,
        goal.detail,
        goal.kind,
        goal.unit,
        goal.target,
        goal.days_per_week,
        goal.grace_days,
        now,
    )
    return tag.endswith(" 1")


async def of_contacts(
    db: PgConnection, creator_id: UUID, contact_ids: Sequence[UUID]
) -> list[GoalRow]:
    """The active goals of these contacts, the newest last."""
    rows = await db.fetch(
        f"""
        SELECT {_COLUMNS} FROM app.goals
        WHERE creator_id = $1 AND contact_id = ANY ($2::uuid[]) AND status = 'active'
        ORDER BY created_at, id
        """,  # noqa: S608 - a list of columns
        creator_id,
        list(contact_ids),
    )
    return [GoalRow(**row) for row in rows]


async def listed(
    db: PgConnection,
    creator_id: UUID,
    contact_id: UUID,
    *,
    limit: int,
    before: UUID | None = None,
    status: str | None = None,
) -> list[GoalRow]:
    """Newest first."""
    rows = await db.fetch(
        f"""
        SELECT {_COLUMNS} FROM app.goals
        WHERE creator_id = $1 AND contact_id = $2 AND ($3::uuid IS NULL OR id < $3)
          AND ($4::text IS NULL OR status = $4)
        ORDER BY id DESC LIMIT $5
        """,  # noqa: S608
        creator_id,
        contact_id,
        before,
        status,
        limit,
    )
    return [GoalRow(**row) for row in rows]


async def find(
    db: PgConnection,
    creator_id: UUID,
    contact_id: UUID,
    goal_id: UUID,
    *,
    for_update: bool = False,
) -> GoalRow | None:
    lock = " FOR UPDATE" if for_update else ""
    row = await db.fetchrow(
        f"SELECT {_COLUMNS} FROM app.goals"  # noqa: S608
        f" WHERE creator_id = $1 AND contact_id = $2 AND id = $3{lock}",
        creator_id,
        contact_id,
        goal_id,
    )
    return GoalRow(**row) if row else None


async def count_active(db: PgConnection, creator_id: UUID, contact_id: UUID) -> int:
    found: int = await db.fetchval(
        "SELECT count(*) FROM app.goals"
        " WHERE creator_id = $1 AND contact_id = $2 AND status = 'active'",
        creator_id,
        contact_id,
    )
    return found


async def save(db: PgConnection, creator_id: UUID, goal: GoalRow) -> GoalRow:
    """Write a goal as it is now, with a new `updated_at`."""
    row = await db.fetchrow(
        f"""
        UPDATE app.goals
        SET slug = $3, title = $4, detail = $5, kind = $6, unit = $7, target = $8,
            days_per_week = $9, grace_days = $10, status = $11, updated_at = clock_timestamp()
        WHERE creator_id = $1 AND id = $2 RETURNING {_COLUMNS}
        """,  # noqa: S608
        creator_id,
        goal.id,
        goal.slug,
        goal.title,
        goal.detail,
        goal.kind,
        goal.unit,
        goal.target,
        goal.days_per_week,
        goal.grace_days,
        goal.status,
    )
    assert row is not None  # noqa: S101 - the caller has locked it
    return GoalRow(**row)


async def delete(db: PgConnection, creator_id: UUID, contact_id: UUID, goal_id: UUID) -> bool:
    """Forget a goal; its check-ins stay, as nobody's progress."""
    tag: str = await db.execute(
        "DELETE FROM app.goals WHERE creator_id = $1 AND contact_id = $2 AND id = $3",
        creator_id,
        contact_id,
        goal_id,
    )
    return tag.endswith(" 1")
