"""/api/v1/contacts/{id}/goals: what a contact works on, and how they are getting on with it."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from core.api.deps import PrincipalDep, RuntimeDep
from core.api.etags import IfMatch, check_unchanged, set_etag
from core.api.paging import Cursor, Cursors, Limit, Page
from core.api.strict import Body, StrictRoute
from core.audit import note
from core.programs.check_ins.goals import MOST_ACTIVE
from core.programs.check_ins.progress import Progress, read_progress
from core.programs.definition import AnswerKind, Slug
from shared.database import PgConnection
from shared.errors import Conflict, NotFound
from shared.models import goals
from shared.models.check_ins import subject_of_goal
from shared.models.goals import GoalRow, NewGoal
from shared.utils.ids import new_id
from shared.utils.text import is_blank

router = APIRouter(
    prefix="/api/v1/contacts/{contact_id}/goals", tags=["goals"], route_class=StrictRoute
)

Status = Literal["active", "done", "dropped"]
MAX_DETAIL = 50  # entries


def _not_blank(text: str) -> str:
    if is_blank(text):
        raise ValueError("a title needs some words")
    return text


Title = Annotated[str, StringConstraints(min_length=1, max_length=300), AfterValidator(_not_blank)]
Unit = Annotated[str, StringConstraints(max_length=40)]
DaysPerWeek = Annotated[int, Field(ge=1, le=7)]
GraceDays = Annotated[int, Field(ge=0, le=6)]
Target = Annotated[float, Field(allow_inf_nan=False)]
Detail = Annotated[dict[str, Any], Field(max_length=MAX_DETAIL)]


class GoalWanted(Body):
    """`slug` is how a program's check-in names it; of several, the one set last is meant."""

    title: Title = Field(examples=["Run five kilometres"])
    slug: Slug = "goal"
    kind: AnswerKind = "bool"
    unit: Unit = Field("", examples=["km"])
    target: Target | None = Field(None, description="what counts as a good day")
    days_per_week: DaysPerWeek = 7
    grace_days: GraceDays = Field(1, description="that may be missed before a streak ends")
    detail: Detail = Field({}, description="whatever else is to be known of it")


class GoalPatch(Body):
    title: Title | None = None
    slug: Slug | None = None
    unit: Unit | None = None
    target: Target | None = None
    days_per_week: DaysPerWeek | None = None
    grace_days: GraceDays | None = None
    detail: Detail | None = None
    status: Status | None = None


class StreakShown(BaseModel):
    """In days of the contact's own calendar."""

    current: int
    longest: int
    this_week: int


class GoalShown(BaseModel):
    id: UUID
    slug: str
    title: str
    kind: AnswerKind
    unit: str
    target: float | None
    days_per_week: int
    grace_days: int
    detail: dict[str, Any]
    status: Status
    streak: StreakShown | None
    created_at: datetime
    updated_at: datetime


@router.post("", status_code=201)
async def add_goal(
    contact_id: UUID,
    body: GoalWanted,
    principal: PrincipalDep,
    runtime: RuntimeDep,
    response: Response,
) -> GoalShown:
    creator_id, now = principal.creator_id, runtime.clock.now()
    new = NewGoal(id=new_id(), **body.model_dump())
    async with runtime.database.transaction(creator_id) as connection:
        await require_contact(connection, creator_id, contact_id)
        if await goals.count_active(connection, creator_id, contact_id) >= MOST_ACTIVE:
            raise Conflict(f"a contact has at most {MOST_ACTIVE} active goals")
        await goals.add(connection, creator_id, contact_id, new, now)
        await _note(connection, principal, "goal.added", new.id, contact_id)
        return await _shown(connection, creator_id, contact_id, new.id, now, response)


@router.get("")
async def list_goals(
    contact_id: UUID,
    principal: PrincipalDep,
    runtime: RuntimeDep,
    limit: Limit = 50,
    cursor: Cursor = None,
    status: Annotated[Status | None, Query()] = None,
) -> Page[GoalShown]:
    """Newest first."""
    creator_id, now = principal.creator_id, runtime.clock.now()
    cursors = Cursors(f"goals:{contact_id}", creator_id)
    before = cursors.read_id(cursor)
    async with runtime.database.transaction(creator_id) as connection:
        await require_contact(connection, creator_id, contact_id)
        rows = await goals.listed(
            connection, creator_id, contact_id, limit=limit + 1, before=before, status=status
        )
        found = await read_progress(connection, creator_id, [contact_id], now)
    return cursors.page(
        rows, limit, lambda row: _show(row, found[contact_id]), lambda row: [row.id]
    )


@router.get("/{goal_id}")
async def read_goal(
    contact_id: UUID,
    goal_id: UUID,
    principal: PrincipalDep,
    runtime: RuntimeDep,
    response: Response,
) -> GoalShown:
    creator_id, now = principal.creator_id, runtime.clock.now()
    async with runtime.database.transaction(creator_id) as connection:
        return await _shown(connection, creator_id, contact_id, goal_id, now, response)


@router.patch("/{goal_id}")
async def change_goal(
    contact_id: UUID,
    goal_id: UUID,
    body: GoalPatch,
    principal: PrincipalDep,
    runtime: RuntimeDep,
    response: Response,
    if_match: IfMatch = None,
) -> GoalShown:
    """Only what is given changes; `target: null` takes the target away."""
    creator_id, now = principal.creator_id, runtime.clock.now()
    async with runtime.database.transaction(creator_id) as connection:
        row = await goals.find(connection, creator_id, contact_id, goal_id, for_update=True)
        if row is None:
            raise NotFound
        check_unchanged(if_match, row.updated_at)
        given = body.model_dump(exclude_unset=True)
        changes = {k: v for k, v in given.items() if v is not None or k == "target"}
        await goals.save(connection, creator_id, GoalRow(**{**vars(row), **changes}))
        await _note(
            connection, principal, "goal.changed", goal_id, contact_id, changed=sorted(changes)
        )
        return await _shown(connection, creator_id, contact_id, goal_id, now, response)


@router.delete("/{goal_id}", status_code=204)
async def delete_goal(
    contact_id: UUID, goal_id: UUID, principal: PrincipalDep, runtime: RuntimeDep
) -> None:
    """Forget a goal. What was checked in stays in the contact's record."""
    creator_id = principal.creator_id
    async with runtime.database.transaction(creator_id) as connection:
        if not await goals.delete(connection, creator_id, contact_id, goal_id):
            raise NotFound
        await _note(connection, principal, "goal.deleted", goal_id, contact_id)


async def require_contact(connection: PgConnection, creator_id: UUID, contact_id: UUID) -> None:
    """Raises NotFound, for another creator's contact too."""
    found = await connection.fetchval(
        "SELECT true FROM app.contacts WHERE creator_id = $1 AND id = $2", creator_id, contact_id
    )
    if not found:
        raise NotFound


async def _shown(
    connection: PgConnection,
    creator_id: UUID,
    contact_id: UUID,
    goal_id: UUID,
    now: datetime,
    response: Response,
) -> GoalShown:
    row = await goals.find(connection, creator_id, contact_id, goal_id)
    if row is None:
        raise NotFound
    found = await read_progress(connection, creator_id, [contact_id], now)
    set_etag(response, row.updated_at)
    return _show(row, found[contact_id])


def _show(row: GoalRow, progress: Progress) -> GoalShown:
    subject = subject_of_goal(row.id)
    line = next((line for line in progress.lines if line.subject == subject), None)
    streak = StreakShown(**vars(line.streak(progress.today))) if line else None
    return GoalShown(streak=streak, **{k: v for k, v in vars(row).items() if k != "contact_id"})


async def _note(
    connection: PgConnection,
    principal: PrincipalDep,
    action: str,
    goal_id: UUID,
    contact_id: UUID,
    **detail: Any,
) -> None:
    await note(
        connection,
        principal.creator_id,
        actor=principal.actor,
        action=action,
        target=goal_id,
        contact_id=str(contact_id),
        **detail,
    )
