"""/api/v1/programs/{id}/preview: who would get what when, before anything is live."""

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from core.api.deps import PrincipalDep, RuntimeDep
from core.api.strict import Body, StrictRoute
from core.programs.preview import MOST_CONTACTS, MOST_SENDS, Wanted, preview

router = APIRouter(prefix="/api/v1/programs", tags=["programs"], route_class=StrictRoute)


class PreviewWanted(Body):
    """For these contacts; else for some of the entry segment, the newest first."""

    version: int | None = Field(None, ge=1, le=10**6)
    contact_ids: list[UUID] = Field([], max_length=MOST_CONTACTS)
    contacts: int = Field(5, ge=1, le=MOST_CONTACTS)
    sends: int = Field(10, ge=1, le=MOST_SENDS, description="of each contact")


class SendForeseen(BaseModel):
    """`local_time` is the contact's. `verdict`: send, defer or skip, and why in words.

    `text` is null where it is only written when it is due.
    """

    step_key: str
    kind: str
    planned_at: datetime
    leaves_at: datetime
    local_time: str
    verdict: str
    reason: str | None
    why: str | None
    channel_id: UUID | None
    channel: str | None
    text: str | None
    choices: list[str]


class ContactForeseen(BaseModel):
    contact_id: UUID
    name: str
    timezone: str
    sends: list[SendForeseen]


class PreviewShown(BaseModel):
    items: list[ContactForeseen]


@router.post("/{program_id}/preview")
async def preview_program(
    program_id: UUID,
    principal: PrincipalDep,
    runtime: RuntimeDep,
    body: PreviewWanted | None = None,
) -> PreviewShown:
    """What contacts would get if they entered now and answered nothing. Nothing is kept."""
    asked = body or PreviewWanted.model_validate({})
    wanted = Wanted(
        program_id=program_id,
        version=asked.version,
        contact_ids=tuple(asked.contact_ids),
        contacts=asked.contacts,
        sends=asked.sends,
    )
    found = await preview(
        runtime.database, runtime.channels, principal.creator_id, wanted, runtime.clock.now()
    )
    items = [ContactForeseen.model_validate(asdict(contact)) for contact in found]
    return PreviewShown(items=items)
