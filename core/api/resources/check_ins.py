"""/api/v1/contacts/{id}/check-ins: what a contact answered, day by day; or is noted for them."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from core.api.deps import PrincipalDep, RuntimeDep
from core.api.paging import Cursor, Cursors, Limit, Page
from core.api.resources.goals import require_contact
from core.api.strict import Body, StrictRoute
from core.audit import note
from core.programs.check_ins.answers import is_met, value_of
from core.programs.check_ins.progress import zone_of
from core.programs.definition import AnswerKind, Expects
from shared.database import PgConnection
from shared.errors import InvalidInput, NotFound
from shared.models import check_ins, goals
from shared.models.check_ins import CheckInRow
from shared.models.goals import GoalRow
from shared.utils.ids import new_id

router = APIRouter(
    prefix="/api/v1/contacts/{contact_id}/check-ins", tags=["goals"], route_class=StrictRoute
)

MAX_TEXT = 2000
Value = bool | int | float | Annotated[str, StringConstraints(max_length=MAX_TEXT)]


class CheckInWanted(Body):
    """`value` is of the goal's kind. A second one on the same day replaces the first."""

    goal_id: UUID
    value: Value = Field(examples=[7.5])
    day: date | None = Field(None, description="on the contact's calendar; null: today")


class CheckInShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    goal_id: UUID | None
    enrolment_id: UUID | None
    step_key: str
    day: date = Field(validation_alias="local_day")
    kind: AnswerKind
    value: Value
    met: bool
    source: Literal["button", "number", "words", "model", "api"]
    at: datetime


@router.get("")
async def list_check_ins(
    contact_id: UUID,
    principal: PrincipalDep,
    runtime: RuntimeDep,
    limit: Limit = 50,
    cursor: Cursor = None,
    goal_id: Annotated[UUID | None, Query()] = None,
) -> Page[CheckInShown]:
    """The newest day first."""
    creator_id = principal.creator_id
    cursors = Cursors(f"check-ins:{contact_id}", creator_id)
    position = cursors.read(cursor, date.fromisoformat, UUID)
    before = (position[0], position[1]) if position else None
    async with runtime.database.transaction(creator_id) as connection:
        await require_contact(connection, creator_id, contact_id)
        rows = await check_ins.listed(
            connection, creator_id, contact_id, limit=limit + 1, before=before, goal_id=goal_id
        )
    return cursors.page(
        rows, limit, CheckInShown.model_validate, lambda row: [row.local_day, row.id]
    )


@router.post("", status_code=201)
async def add_check_in(
    contact_id: UUID, body: CheckInWanted, principal: PrincipalDep, runtime: RuntimeDep
) -> CheckInShown:
    """Note what a contact has done, for one who said it elsewhere."""
    creator_id, now = principal.creator_id, runtime.clock.now()
    async with runtime.database.transaction(creator_id) as connection:
        await require_contact(connection, creator_id, contact_id)
        goal = await goals.find(connection, creator_id, contact_id, body.goal_id)
        if goal is None:
            raise NotFound("no goal of this contact with this id")
        today = await _today(connection, creator_id, contact_id, now)
        kept = await check_ins.put(connection, creator_id, _row(goal, body, today, now))
        await note(
            connection,
            creator_id,
            actor=principal.actor,
            action="check_in.added",
            target=kept.id,
            contact_id=str(contact_id),
            goal_id=str(goal.id),
        )
    return CheckInShown.model_validate(kept)


def _row(goal: GoalRow, body: CheckInWanted, today: date, now: datetime) -> CheckInRow:
    """Raises InvalidInput for a value of another kind, and for days to come."""
    expects = Expects.model_validate({"kind": goal.kind})
    value = value_of(expects, body.value)
    if value is None:
        raise InvalidInput(f"the goal is answered with a {goal.kind}", code="wrong_kind")
    day = body.day or today
    if day > today:
        raise InvalidInput("that day is yet to come", code="day_to_come")
    return CheckInRow(
        id=new_id(),
        contact_id=goal.contact_id,
        subject=check_ins.subject_of_goal(goal.id),
        local_day=day,
        kind=goal.kind,
        value=int(value) if isinstance(value, float) and value.is_integer() else value,
        met=is_met(expects, value, goal.target),
        source="api",
        at=now,
        goal_id=goal.id,
    )


async def _today(
    connection: PgConnection, creator_id: UUID, contact_id: UUID, now: datetime
) -> date:
    row = await connection.fetchrow(
        "SELECT c.timezone, r.timezone AS creator_zone FROM app.contacts c"
        " JOIN app.creators r ON r.creator_id = c.creator_id"
        " WHERE c.creator_id = $1 AND c.id = $2",
        creator_id,
        contact_id,
    )
    zone = zone_of(row["timezone"], row["creator_zone"]) if row else zone_of(None, None)
    return now.astimezone(zone).date()
