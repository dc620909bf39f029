"""The one place that turns what a flow decided into rows: enrolments that move, sends that wait."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from core.programs import flow, store
from core.programs.definition import Program, Step
from core.programs.flow import Moves, Plan, State
from core.programs.schedule import add_span
from core.programs.store import LiveProgram
from shared.database import PgConnection
from shared.models import enrolments, sends
from shared.models.enrolments import EnrolmentRow
from shared.models.sends import PlannedSend
from shared.utils.ids import new_id
from shared.utils.zones import is_zone

ENDED = ("completed", "exited", "cancelled")
# Why what waits is cancelled when an enrolment stops; a flow's own reason stands on the enrolment.
ENROLMENT_ENDED = "enrolment_ended"
STOPPED = "stopped"
REPLIED = "replied"


@dataclass(frozen=True, kw_only=True)
class Enrolled:
    """An enrolment with its program as it is live, and how it stands for the flow."""

    row: EnrolmentRow
    program: LiveProgram
    state: State


def zone_of(contact: str | None, program: Program, creator: str | None = None) -> ZoneInfo:
    """On whose clock a contact's sends are planned: their own, the program's, the creator's."""
    for name in (contact, program.timezone, creator):
        if name and is_zone(name):
            return ZoneInfo(name)
    return ZoneInfo("UTC")


async def creator_zone(db: PgConnection, creator_id: UUID) -> str | None:
    name: str | None = await db.fetchval(
        "SELECT timezone FROM app.creators WHERE creator_id = $1", creator_id
    )
    return name


def state_of(row: EnrolmentRow, program: Program, creator_zone_name: str | None = None) -> State:
    return State(
        started_at=row.started_at,
        zone=zone_of(row.timezone, program, creator_zone_name),
        step_key=row.step_key,
        answers=row.answers,
        attributes=row.attributes,
        last_inbound_at=row.last_inbound_at,
    )


async def enrolled(
    db: PgConnection, creator_id: UUID, enrolment_ids: Sequence[UUID], *, for_update: bool = False
) -> dict[UUID, Enrolled]:
    """Enrolments by id with what a flow asks for; ones whose program isn't published are absent.

    Programs are held first and rows locked after: the order in which an edit takes them too.
    """
    found = await enrolments.by_ids(db, creator_id, enrolment_ids)
    programs = await store.load_live(db, creator_id, (row.program_id for row in found))
    if for_update:
        found = await enrolments.by_ids(db, creator_id, enrolment_ids, for_update=True)
    zone = await creator_zone(db, creator_id) if found else None
    return {
        row.id: Enrolled(
            row=row,
            program=programs[row.program_id],
            state=state_of(row, programs[row.program_id].definition, zone),
        )
        for row in found
        if row.program_id in programs
    }


async def apply_moves(
    db: PgConnection,
    creator_id: UUID,
    enrolment: EnrolmentRow,
    moves: Moves,
    now: datetime,
    *,
    reason: str = REPLIED,
) -> None:
    """Write what a flow decided for one enrolment; `reason` is why steps are cancelled."""
    await apply_many(db, creator_id, [(enrolment, moves)], now, reason=reason)


async def apply_many(
    db: PgConnection,
    creator_id: UUID,
    moved: Sequence[tuple[EnrolmentRow, Moves]],
    now: datetime,
    *,
    reason: str = REPLIED,
) -> None:
    """Write what a flow decided for many enrolments: a few statements, however many they are."""
    if not moved:
        return
    programs = await store.load_live(db, creator_id, {row.program_id for row, _ in moved})
    zone = await creator_zone(db, creator_id)
    await enrolments.change(db, creator_id, _changes(moved), now)
    await sends.cancel_enrolments(db, creator_id, _stops(moved), now)
    await sends.cancel_steps(
        db, creator_id, [(row.id, key, reason) for row, m in moved for key in m.cancels], now
    )
    planned = [
        planned_send(row, programs[row.program_id], plan, zone)
        for row, moves in moved
        if row.program_id in programs and moves.status is None
        for plan in moves.plans
    ]
    await sends.plan(db, creator_id, [send for send in planned if send is not None])


def planned_send(
    row: EnrolmentRow, program: LiveProgram, plan: Plan, creator_zone_name: str | None
) -> PlannedSend | None:
    """The row of a slot; None for a step that the program doesn't have."""
    step = step_of(program.definition, plan.step_key)
    if step is None:
        return None
    due_at = plan.slot.due_at
    zone = zone_of(row.timezone, program.definition, creator_zone_name)
    return PlannedSend(
        id=new_id(),
        contact_id=row.contact_id,
        enrolment_id=row.id,
        step_key=step.key,
        generation=program.generation,
        occurrence=plan.slot.occurrence,
        send_class=step.send_class,
        purpose=program.definition.purpose,
        due_at=due_at,
        window_end=add_span(due_at, step.expires_after, zone) if step.expires_after else None,
    )


def step_of(program: Program, key: str) -> Step | None:
    return next((step for step in program.steps if step.key == key), None)


def _changes(
    moved: Sequence[tuple[EnrolmentRow, Moves]],
) -> list[tuple[UUID, str | None, str | None, str | None]]:
    return [
        (row.id, moves.step_key, moves.status, moves.reason)
        for row, moves in moved
        if moves.step_key != row.step_key or moves.status is not None
    ]


def _stops(moved: Sequence[tuple[EnrolmentRow, Moves]]) -> list[tuple[UUID, str]]:
    return [
        (row.id, ENROLMENT_ENDED if moves.status in ENDED else STOPPED)
        for row, moves in moved
        if moves.status is not None
    ]


__all__ = [
    "Enrolled",
    "apply_many",
    "apply_moves",
    "creator_zone",
    "enrolled",
    "flow",
    "planned_send",
    "state_of",
    "step_of",
    "zone_of",
]
