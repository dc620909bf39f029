"""Contacts' goals as bots and programs use them: kept with a turn, found by their slug."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from core.bots import Goal
from shared.database import PgConnection
from shared.models import goals as rows
from shared.models.goals import GoalRow, NewGoal
from shared.utils.ids import derived_id

MOST_ACTIVE = 50  # of one contact

Effect = Callable[[PgConnection], Awaitable[None]]


def keeps(
    creator_id: UUID,
    contact_id: UUID,
    message_id: UUID,
    wanted: Sequence[Goal],
    now: datetime,
) -> Effect:
    """Keep these goals with a turn. However often it is thought about, each is kept once."""

    async def keep(connection: PgConnection) -> None:
        there_are = await rows.count_active(connection, creator_id, contact_id)
        for number, goal in enumerate(wanted[: max(MOST_ACTIVE - there_are, 0)], start=1):
            new = NewGoal(id=derived_id(message_id, f"goal:{number}"), **_fields(goal))
            await rows.add(connection, creator_id, contact_id, new, now)

    return keep


async def read(connection: PgConnection, creator_id: UUID, contact_id: UUID) -> list[Goal]:
    """The active ones, the newest last."""
    found = await rows.of_contacts(connection, creator_id, [contact_id])
    return [_goal(row) for row in found]


def named(found: Sequence[GoalRow], slug: str | None) -> GoalRow | None:
    """The goal that a check-in means: of those with its slug, the one that was set last."""
    return next((goal for goal in reversed(found) if goal.slug == slug), None)


def _goal(row: GoalRow) -> Goal:
    return Goal(
        title=row.title,
        slug=row.slug,
        kind=row.kind,
        unit=row.unit,
        target=row.target,
        days_per_week=row.days_per_week,
        grace_days=row.grace_days,
        detail=row.detail,
    )


def _fields(goal: Goal) -> dict[str, Any]:
    return {
        "title": goal.title,
        "slug": goal.slug,
        "kind": goal.kind,
        "unit": goal.unit,
        "target": goal.target,
        "days_per_week": goal.days_per_week,
        "grace_days": goal.grace_days,
        "detail": dict(goal.detail),
    }
