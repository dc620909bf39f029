"""/api/v1/scheduled-sends: what is planned, was sent, put off or left out, each with its reason."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from core.api.deps import PrincipalDep, RuntimeDep
from core.api.paging import Cursor, Cursors, Limit, Page, to_moment
from core.api.strict import StrictRoute
from core.programs.sends.reasons import in_words
from shared.errors import NotFound
from shared.models import send_lists
from shared.models.send_lists import Filters, SendRow

router = APIRouter(
    prefix="/api/v1/scheduled-sends", tags=["scheduled-sends"], route_class=StrictRoute
)

State = Annotated[str | None, Query(pattern="^(waiting|claimed|sent|skipped|cancelled|expired)$")]
Reason = Annotated[str | None, Query(pattern="^[a-z_]{1,40}$", examples=["quiet_hours"])]


class SendShown(BaseModel):
    """One slot for one contact. `occurrence` is its local time, `planned_at` the same moment;
    `due_at` moves when it is put off. `why` tells the reason in words."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    contact_id: UUID
    source_kind: str
    source_id: UUID
    program_id: UUID | None
    step_key: str
    occurrence: str
    send_class: str = Field(serialization_alias="class")
    purpose: str
    planned_at: datetime
    due_at: datetime
    window_end: datetime | None
    state: str
    reason: str | None = None
    why: str | None = None
    deferrals: int
    channel_id: UUID | None
    message_id: UUID | None
    settled_at: datetime | None
    answered_at: datetime | None


@router.get("")
async def list_sends(
    principal: PrincipalDep,
    runtime: RuntimeDep,
    limit: Limit = 50,
    cursor: Cursor = None,
    state: State = None,
    reason: Reason = None,
    contact: UUID | None = None,
    program: UUID | None = None,
    broadcast: UUID | None = None,
    enrolment: UUID | None = None,
) -> Page[SendShown]:
    """In the order in which they are due."""
    filters = Filters(
        state=state,
        reason=reason,
        contact_id=contact,
        program_id=program,
        broadcast_id=broadcast,
        enrolment_id=enrolment,
    )
    cursors = Cursors(f"sends {filters}", principal.creator_id)
    position = cursors.read(cursor, to_moment, UUID)
    async with runtime.database.transaction(principal.creator_id) as db:
        rows = await send_lists.listed(
            db,
            principal.creator_id,
            filters,
            limit=limit + 1,
            after=(position[0], position[1]) if position else None,
        )
    return cursors.page(rows, limit, show_send, lambda row: [row.due_at.isoformat(), row.id])


@router.get("/{send_id}")
async def read_send(send_id: UUID, principal: PrincipalDep, runtime: RuntimeDep) -> SendShown:
    async with runtime.database.transaction(principal.creator_id) as db:
        row = await send_lists.find(db, principal.creator_id, send_id)
    if row is None:
        raise NotFound
    return show_send(row)


def show_send(row: SendRow) -> SendShown:
    shown = SendShown.model_validate(row)
    shown.reason = row.skip_reason or row.defer_reason
    shown.why = in_words(shown.reason)
    return shown
