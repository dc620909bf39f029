"""The one place that turns what a flow decided into rows: enrolments that move, sends that wait."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from core.programs import store, tickets
from core.programs.definition import Program, Step
from core.programs.flow import Moves, Plan, State
from core.programs.schedule import add_span
from core.programs.store import LiveProgram
from shared.database import PgConnection
from shared.models import enrolments, sends
from shared.models.enrolments import Change, EnrolmentRow
from shared.models.sends import PlannedSend, Standing
from shared.utils.ids import new_id
from shared.utils.zones import is_zone

Moved = Sequence[tuple[EnrolmentRow, Moves]]

ENDED = ("completed", "exited", "cancelled")
# Why what waits is cancelled; why an enrolment ended stands on the enrolment.
ENROLMENT_ENDED = "enrolment_ended"
ENROLMENT_PAUSED = "enrolment_paused"
REPLIED = "replied"
REPLACED = "replaced"  # by another slot of the same step, which it can't become itself


@dataclass(frozen=True, kw_only=True)
class Enrolled:
    """An enrolment with its program as it is live, and how it stands for the flow."""

    row: EnrolmentRow
    program: LiveProgram
    state: State
    standings: tuple[Standing, ...] = ()


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


def state_of(
    row: EnrolmentRow,
    program: Program,
    creator_timezone: str | None = None,
    standings: Iterable[Standing] = (),
) -> State:
    return State(
        started_at=row.started_at,
        zone=zone_of(row.timezone, program, creator_timezone),
        step_key=row.step_key,
        answers=row.answers,
        attributes=row.attributes,
        last_inbound_at=row.last_inbound_at,
        armed={s.step_key: s.armed for s in standings if s.armed is not None},
    )


async def enrolled(
    db: PgConnection,
    creator_id: UUID,
    enrolment_ids: Sequence[UUID],
    now: datetime,
    *,
    for_update: bool = False,
) -> dict[UUID, Enrolled]:
    """Enrolments by id with what a flow asks for; ones whose program isn't published are absent.

    Programs are held first and rows locked after: the order in which an edit takes them too.
    """
    found = await enrolments.by_ids(db, creator_id, enrolment_ids)
    programs = await store.load_live(db, creator_id, (row.program_id for row in found))
    if for_update:
        found = await enrolments.by_ids(db, creator_id, enrolment_ids, for_update=True)
    return await with_states(db, creator_id, found, programs, now)


async def with_states(
    db: PgConnection,
    creator_id: UUID,
    rows: Sequence[EnrolmentRow],
    programs: dict[UUID, LiveProgram],
    now: datetime,
) -> dict[UUID, Enrolled]:
    """Rows that were read, with how each stands in its program."""
    if not rows:
        return {}
    zone = await creator_zone(db, creator_id)
    by_enrolment: dict[UUID, list[Standing]] = {}
    for standing in await sends.standings(db, creator_id, [row.id for row in rows], now):
        by_enrolment.setdefault(standing.enrolment_id, []).append(standing)
    return {
        row.id: _enrolled(row, programs[row.program_id], zone, by_enrolment.get(row.id, ()))
        for row in rows
        if row.program_id in programs
    }


def _enrolled(
    row: EnrolmentRow, program: LiveProgram, zone: str | None, standings: Sequence[Standing]
) -> Enrolled:
    return Enrolled(
        row=row,
        program=program,
        state=state_of(row, program.definition, zone, standings),
        standings=tuple(sorted(standings, key=lambda s: s.step_key)),
    )


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
    db: PgConnection, creator_id: UUID, moved: Moved, now: datetime, *, reason: str = REPLIED
) -> None:
    """Write what a flow decided for many enrolments: a few statements, however many they are."""
    if not moved:
        return
    programs = await store.load_live(db, creator_id, {row.program_id for row, _ in moved})
    zone = await creator_zone(db, creator_id)
    await enrolments.change(db, creator_id, changes(moved), now)
    await sends.cancel_enrolments(db, creator_id, _stops(moved), now)
    planned = _planned(moved, programs, zone)
    replaced = {(row.id, key) for row, moves in moved for key in moves.cancels}
    await sends.replace(
        db, creator_id, [s for s in planned if (s.enrolment_id, s.step_key) in replaced]
    )
    await sends.cancel_steps(db, creator_id, _cancels(moved, reason), now)
    await sends.plan(db, creator_id, planned, now)
    await tickets.open_tickets(
        db, creator_id, [(row.contact_id, m.ticket) for row, m in moved if m.ticket], now
    )


def _planned(
    moved: Moved, programs: dict[UUID, LiveProgram], zone: str | None
) -> list[PlannedSend]:
    found = (
        planned_send(row, programs[row.program_id], plan, zone)
        for row, moves in moved
        if row.program_id in programs and moves.status is None
        for plan in moves.plans
    )
    return [send for send in found if send is not None]


def planned_send(
    row: EnrolmentRow,
    program: LiveProgram,
    plan: Plan,
    creator_timezone: str | None,
    *,
    send_id: UUID | None = None,
) -> PlannedSend | None:
    """The row of a slot; None for a step that the program doesn't have."""
    step = step_of(program.definition, plan.step_key)
    if step is None:
        return None
    due_at = plan.slot.due_at
    zone = zone_of(row.timezone, program.definition, creator_timezone)
    return PlannedSend(
        id=send_id or new_id(),
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


def changes(moved: Moved) -> list[Change]:
    return [
        Change(
            id=row.id,
            step_key=moves.step_key,
            status=moves.status,
            reason=moves.reason,
            answers=moves.answers,
        )
        for row, moves in moved
        if moves.step_key or moves.status or moves.answers is not None
    ]


def _stops(moved: Moved) -> list[tuple[UUID, str]]:
    return [
        (row.id, ENROLMENT_ENDED if moves.status in ENDED else ENROLMENT_PAUSED)
        for row, moves in moved
        if moves.status is not None
    ]


def _cancels(moved: Moved, reason: str) -> list[tuple[UUID, str, str, str | None]]:
    found = []
    for row, moves in moved:
        planned = {plan.step_key: plan.slot.occurrence for plan in moves.plans}
        for key in moves.cancels:
            why = REPLACED if key in planned else reason
            found.append((row.id, key, why, planned.get(key)))
    return found
