"""/api/v1/programs/{id}/enrolments: who is in a program, since when, and how far they came."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from core.api.deps import PrincipalDep, RuntimeDep
from core.api.paging import Cursor, Cursors, Limit, Page
from core.api.resources.programs import programs_of
from core.api.strict import Body, StrictRoute
from core.audit import note
from core.programs import enrolling
from core.runtime import Runtime
from shared.errors import Conflict, NotFound
from shared.models import enrolments as rows
from shared.models.enrolments import EnrolmentRow
from shared.models.segments import Segments

router = APIRouter(
    prefix="/api/v1/programs/{program_id}/enrolments", tags=["programs"], route_class=StrictRoute
)

Status = Annotated[str | None, Query(pattern="^(active|paused|completed|exited|cancelled)$")]
BY_COACH = "coach"


class EnrolmentShown(BaseModel):
    """`reason` says why it ended or rests; `step_key` what was sent last of its chain."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    program_id: UUID
    contact_id: UUID
    status: str
    reason: str | None
    started_at: datetime
    ended_at: datetime | None
    step_key: str | None
    answers: dict[str, Any]
    actor: str


class EnrolWanted(Body):
    """Contacts, or whoever matches a filter or a segment now."""

    contact_ids: list[UUID] | None = Field(None, min_length=1, max_length=10_000)
    filter: dict[str, Any] | None = None
    segment_id: UUID | None = None
    dry_run: bool = Field(False, description="only count")

    @model_validator(mode="after")
    def _one_of_them(self) -> "EnrolWanted":
        given = (self.contact_ids, self.filter, self.segment_id)
        if sum(value is not None for value in given) != 1:
            raise ValueError("give contact_ids, a filter or a segment_id")
        return self


class EnrolledShown(BaseModel):
    """`already`: who was in it, and stays as they are."""

    matched: int
    enrolled: int
    already: int
    dry_run: bool


@router.post("")
async def enrol_contacts(
    program_id: UUID, body: EnrolWanted, principal: PrincipalDep, runtime: RuntimeDep
) -> EnrolledShown:
    """Enrol contacts in a live program. Whoever is in it is counted as `already`."""
    await programs_of(runtime).get(principal.creator_id, program_id)
    done = await enrolling.enrol_many(
        runtime.database,
        principal.creator_id,
        program_id,
        await _meant(runtime, principal.creator_id, body),
        actor=principal.actor,
        now=runtime.clock.now(),
        dry_run=body.dry_run,
    )
    return EnrolledShown(**asdict(done), dry_run=body.dry_run)


async def _meant(runtime: Runtime, creator_id: UUID, body: EnrolWanted) -> list[UUID]:
    if body.contact_ids is not None:
        return body.contact_ids
    filter_ = body.filter
    if body.segment_id is not None:
        async with runtime.database.get_session(creator_id) as session:
            filter_ = (await Segments(session).get(body.segment_id)).filter
    async with runtime.database.transaction(creator_id) as db:
        return await enrolling.matching(db, creator_id, filter_ or {}, runtime.clock.now())


@router.get("")
async def list_enrolments(
    program_id: UUID,
    principal: PrincipalDep,
    runtime: RuntimeDep,
    limit: Limit = 50,
    cursor: Cursor = None,
    status: Status = None,
) -> Page[EnrolmentShown]:
    """Newest first."""
    creator_id = principal.creator_id
    await programs_of(runtime).get(creator_id, program_id)
    cursors = Cursors(f"enrolments {program_id} {status}", creator_id)
    before = cursors.read_id(cursor)
    async with runtime.database.transaction(creator_id) as db:
        found = await rows.newest(
            db, creator_id, program_id, limit=limit + 1, before=before, status=status
        )
    return cursors.page(found, limit, _show, lambda row: [row.id])


@router.get("/{enrolment_id}")
async def read_enrolment(
    program_id: UUID, enrolment_id: UUID, principal: PrincipalDep, runtime: RuntimeDep
) -> EnrolmentShown:
    return _show(await _find(runtime, principal.creator_id, program_id, enrolment_id))


@router.post("/{enrolment_id}/pause")
async def pause_enrolment(
    program_id: UUID, enrolment_id: UUID, principal: PrincipalDep, runtime: RuntimeDep
) -> EnrolmentShown:
    """Send this contact nothing of the program until it is resumed."""
    return await _leave(runtime, principal, program_id, enrolment_id, "paused")


@router.post("/{enrolment_id}/exit")
async def exit_enrolment(
    program_id: UUID, enrolment_id: UUID, principal: PrincipalDep, runtime: RuntimeDep
) -> EnrolmentShown:
    """End it: what waits is cancelled."""
    return await _leave(runtime, principal, program_id, enrolment_id, "exited")


@router.post("/{enrolment_id}/resume")
async def resume_enrolment(
    program_id: UUID, enrolment_id: UUID, principal: PrincipalDep, runtime: RuntimeDep
) -> EnrolmentShown:
    """Go on with a paused one, from the slots that come next."""
    creator_id = principal.creator_id
    await _find(runtime, creator_id, program_id, enrolment_id)
    async with runtime.database.transaction(creator_id) as db:
        if not await enrolling.resume(db, creator_id, enrolment_id, now=runtime.clock.now()):
            raise Conflict("this enrolment is not paused")
        await note(
            db,
            creator_id,
            actor=principal.actor,
            action="enrolment.resumed",
            target=enrolment_id,
        )
    return _show(await _find(runtime, creator_id, program_id, enrolment_id))


async def _leave(
    runtime: Runtime,
    principal: PrincipalDep,
    program_id: UUID,
    enrolment_id: UUID,
    status: str,
) -> EnrolmentShown:
    creator_id = principal.creator_id
    await _find(runtime, creator_id, program_id, enrolment_id)
    async with runtime.database.transaction(creator_id) as db:
        now = runtime.clock.now()
        if not await enrolling.leave(
            db, creator_id, enrolment_id, status=status, reason=BY_COACH, now=now
        ):
            raise Conflict(f"this enrolment has ended, or is {status} already")
        await note(
            db,
            creator_id,
            actor=principal.actor,
            action=f"enrolment.{status}",
            target=enrolment_id,
        )
    return _show(await _find(runtime, creator_id, program_id, enrolment_id))


async def _find(
    runtime: Runtime, creator_id: UUID, program_id: UUID, enrolment_id: UUID
) -> EnrolmentRow:
    async with runtime.database.transaction(creator_id) as db:
        row = await rows.find(db, creator_id, enrolment_id)
    if row is None or row.program_id != program_id:
        raise NotFound
    return row


def _show(row: EnrolmentRow) -> EnrolmentShown:
    shown = EnrolmentShown.model_validate(row)
    # What begins with @ is for the flow alone.
    shown.answers = {key: value for key, value in row.answers.items() if not key.startswith("@")}
    return shown
