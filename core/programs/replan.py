"""Plan anew what waits: after a program was edited, a contact's clock changed, a pause ended.

What was handled is never sent again; of what waits each slot is kept, moved or cancelled. The
statements are few, however many enrolments there are.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from core.programs import flow, planning, tickets
from core.programs.flow import Moves, Plan
from core.programs.planning import Enrolled, planned_send, step_of
from core.programs.schedule import Slot, moment_of
from core.programs.store import LiveProgram
from shared.database import PgConnection
from shared.models import enrolments, sends
from shared.models.enrolments import Change
from shared.models.sends import PlannedSend, Standing

EDITED = "edited"
STEP_GONE = "step_gone"
# Above this many enrolments the reckoning leaves the loop to others meanwhile.
THREAD_ABOVE = 100

Prepared = dict[UUID, tuple[Enrolled, Moves]]

_OTHERS_WAIT = "SELECT pg_advisory_xact_lock(hashtextextended('scheduler ' || $1::text, 0))"


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What became of the sends that waited: kept, moved, cancelled; and what is new or ended."""

    kept: int = 0
    moved: int = 0
    cancelled: int = 0
    planned: int = 0
    ended: int = 0


@dataclass
class _Batch:
    """Rows to write, gathered from enrolment to enrolment."""

    stays: list[PlannedSend] = field(default_factory=list)
    new: list[PlannedSend] = field(default_factory=list)
    cancels: list[tuple[UUID, str, str, str | None]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    tickets: list[tuple[UUID, str]] = field(default_factory=list)
    moved: int = 0


def decide(enrolled: Enrolled, now: datetime) -> Moves:
    """What becomes of one enrolment's sends. Pure."""
    waiting = {s.step_key: s.waiting for s in enrolled.standings if s.waiting is not None}
    handled = {s.step_key: s.handled for s in enrolled.standings if s.handled is not None}
    program = enrolled.program.definition
    moves = flow.replanned(program, enrolled.state, waiting, handled, now)
    is_busy = any(key not in waiting for key in enrolled.state.armed or {})
    # What is on its way or was just asked decides later whether the program is over.
    return replace(moves, status=None) if moves.status == "completed" and is_busy else moves


def _decide_all(found: Sequence[Enrolled], now: datetime, before: Prepared) -> list[Moves]:
    decided = []
    for enrolled in found:
        known = before.get(enrolled.row.id)
        is_same = known is not None and _inputs(known[0]) == _inputs(enrolled)
        decided.append(known[1] if known and is_same else decide(enrolled, now))
    return decided


def _inputs(enrolled: Enrolled) -> tuple[object, ...]:
    return enrolled.row, enrolled.state, enrolled.standings


async def keep_schedulers_off(db: PgConnection, creator_id: UUID) -> None:
    """Until the transaction ends no scheduler claims a send of this creator.

    They take the same lock, without waiting for it, and go on with other creators.
    """
    await db.execute(_OTHERS_WAIT, str(creator_id))


async def read_active(
    db: PgConnection, creator_id: UUID, program: LiveProgram, now: datetime
) -> list[Enrolled]:
    """All active enrolments of a program, as they stand."""
    rows = await enrolments.open_of_program(db, creator_id, program.row.id)
    found = await planning.with_states(db, creator_id, rows, {program.row.id: program}, now)
    return list(found.values())


async def decide_many(
    found: Sequence[Enrolled], now: datetime, before: Prepared | None = None
) -> list[Moves]:
    """What becomes of many enrolments, in a thread when that takes a while."""
    if len(found) <= THREAD_ABOVE:
        return _decide_all(found, now, before or {})
    return await asyncio.to_thread(_decide_all, found, now, before or {})


def prepared(found: Sequence[Enrolled], decided: Sequence[Moves]) -> Prepared:
    """What was decided before anything is held; whatever changes until then is decided anew."""
    return {e.row.id: (e, moves) for e, moves in zip(found, decided, strict=True)}


async def replan_program(
    db: PgConnection,
    creator_id: UUID,
    program: LiveProgram,
    now: datetime,
    before: Prepared | None = None,
) -> Counts:
    """Plan anew for all active enrolments of a program, which the caller has locked."""
    found = await read_active(db, creator_id, program, now)
    decided = await decide_many(found, now, before)
    return await write(db, creator_id, list(zip(found, decided, strict=True)), now)


async def replan_contact(
    db: PgConnection, creator_id: UUID, contact_id: UUID, now: datetime
) -> Counts:
    """Plan a contact's sends anew: their clock, or a date they go by, has changed."""
    rows = [
        row
        for row in await enrolments.open_of_contact(db, creator_id, contact_id)
        if row.status == "active"
    ]
    if not rows:
        return Counts()
    await keep_schedulers_off(db, creator_id)
    return await replan_enrolments(db, creator_id, [row.id for row in rows], now)


async def replan_enrolments(
    db: PgConnection, creator_id: UUID, enrolment_ids: Iterable[UUID], now: datetime
) -> Counts:
    """Plan active enrolments anew, after `keep_schedulers_off`."""
    found = await planning.enrolled(db, creator_id, list(enrolment_ids), now, for_update=True)
    active = [enrolled for enrolled in found.values() if enrolled.row.status == "active"]
    decided = await decide_many(active, now)
    return await write(db, creator_id, list(zip(active, decided, strict=True)), now)


async def write(
    db: PgConnection,
    creator_id: UUID,
    decided: Sequence[tuple[Enrolled, Moves]],
    now: datetime,
) -> Counts:
    """Write what was decided, all of it with a few statements."""
    zone = await planning.creator_zone(db, creator_id)
    batch = _Batch()
    for enrolled, moves in decided:
        _gather(batch, enrolled, moves, zone)
    await enrolments.change(db, creator_id, batch.changes, now)
    cancelled = await sends.cancel_steps(db, creator_id, batch.cancels, now)
    stayed = await sends.move(db, creator_id, batch.stays)
    planned = await sends.plan(db, creator_id, batch.new, now)
    await tickets.open_tickets(db, creator_id, batch.tickets, now)
    return Counts(
        kept=max(0, stayed - batch.moved),
        moved=min(stayed, batch.moved),
        cancelled=cancelled,
        planned=planned,
        ended=sum(1 for change in batch.changes if change.status is not None),
    )


def _gather(batch: _Batch, enrolled: Enrolled, moves: Moves, zone: str | None) -> None:
    row, program = enrolled.row, enrolled.program
    if moves.ticket:
        batch.tickets.append((row.contact_id, moves.ticket))
    batch.changes += planning.changes([(row, moves)])
    plans = {plan.step_key: plan for plan in moves.plans}
    for standing in enrolled.standings:
        if standing.waiting is not None:
            plan = plans.pop(standing.step_key, None) or _same(enrolled, moves, standing.step_key)
            _keep_or_cancel(batch, enrolled, standing, plan, zone)
    new = (planned_send(row, program, plan, zone) for plan in plans.values())
    batch.new += [send for send in new if send is not None]


def _keep_or_cancel(
    batch: _Batch, enrolled: Enrolled, standing: Standing, plan: Plan | None, zone: str | None
) -> None:
    row, program = enrolled.row, enrolled.program
    stays = plan and planned_send(row, program, plan, zone, send_id=standing.waiting_id)
    if stays:
        batch.stays.append(stays)
        batch.moved += stays.due_at != standing.planned_at
    else:
        is_there = step_of(program.definition, standing.step_key) is not None
        reason = EDITED if is_there else STEP_GONE
        batch.cancels.append((row.id, standing.step_key, reason, None))


def _same(enrolled: Enrolled, moves: Moves, step_key: str) -> Plan | None:
    """The slot that waits already, at its time on the clock that counts now; None: cancelled."""
    if step_key in moves.cancels or moves.status is not None:
        return None
    standing = next(s for s in enrolled.standings if s.step_key == step_key)
    occurrence = standing.waiting or ""
    return Plan(step_key, Slot(occurrence, moment_of(occurrence, enrolled.state.zone)))
