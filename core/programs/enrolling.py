"""People enter a program and leave it; what waits for them is planned and cancelled with it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from core.audit import note
from core.programs import flow, planning, replan, store
from core.programs.planning import ENDED, ENROLMENT_ENDED, ENROLMENT_PAUSED
from core.programs.store import LiveProgram
from shared.database import PgConnection
from shared.errors import Conflict, NotFound
from shared.models import enrolments
from shared.models import programs as program_rows
from shared.models import sends
from shared.models.enrolments import Change
from shared.utils.ids import new_id

BATCH = 2_000  # contacts whose first slots are worked out before they are written


async def enrol(
    db: PgConnection,
    creator_id: UUID,
    program_id: UUID,
    contact_ids: Iterable[UUID],
    *,
    actor: str,
    now: datetime,
) -> int:
    """Enrol contacts in a program that is live, and plan their first sends.

    Says how many are new: who is in it already stays as they are. Raises NotFound, and Conflict
    for a program that isn't live.
    """
    program = await _require_live(db, creator_id, program_id)
    wanted = sorted(set(contact_ids))
    added = 0
    for start in range(0, len(wanted), BATCH):
        batch = wanted[start : start + BATCH]
        added += await _enrol_batch(db, creator_id, program, batch, actor=actor, now=now)
    if added:
        await note(
            db,
            creator_id,
            actor=actor,
            action="program.enrolled",
            target=program_id,
            enrolled=added,
            already=len(wanted) - added,
        )
    return added


async def _require_live(db: PgConnection, creator_id: UUID, program_id: UUID) -> LiveProgram:
    live = (await store.load_live(db, creator_id, [program_id])).get(program_id)
    if live is None or live.row.status not in ("live", "paused"):
        if await program_rows.find(db, creator_id, program_id) is None:
            raise NotFound("no program with this id")
        raise Conflict("the program is not live; publish it first")
    return live


async def _enrol_batch(
    db: PgConnection,
    creator_id: UUID,
    program: LiveProgram,
    contact_ids: Sequence[UUID],
    *,
    actor: str,
    now: datetime,
) -> int:
    rows = await enrolments.add(
        db,
        creator_id,
        program.row.id,
        [new_id() for _ in contact_ids],
        contact_ids,
        actor=actor,
        now=now,
    )
    zone = await planning.creator_zone(db, creator_id)
    begun = [
        (
            row,
            flow.begin(program.definition, planning.state_of(row, program.definition, zone), now),
        )
        for row in rows
    ]
    await planning.apply_many(db, creator_id, begun, now)
    return len(rows)


async def leave(
    db: PgConnection,
    creator_id: UUID,
    enrolment_id: UUID,
    *,
    status: str,
    reason: str,
    now: datetime,
) -> bool:
    """End an enrolment (completed, exited, cancelled) or pause it; what waits is cancelled.

    False when it had ended before, or is paused already. Raises NotFound.
    """
    row = await enrolments.find(db, creator_id, enrolment_id, for_update=True)
    if row is None:
        raise NotFound("no enrolment with this id")
    if not row.is_open or row.status == status:
        return False
    await enrolments.change(db, creator_id, [Change(id=row.id, status=status, reason=reason)], now)
    why = ENROLMENT_ENDED if status in ENDED else ENROLMENT_PAUSED
    await sends.cancel_enrolments(db, creator_id, [(row.id, why)], now)
    return True


async def resume(db: PgConnection, creator_id: UUID, enrolment_id: UUID, *, now: datetime) -> bool:
    """Go on with a paused enrolment, from the slots that come next. Raises NotFound.

    False when it isn't paused.
    """
    row = await enrolments.find(db, creator_id, enrolment_id)
    if row is None:
        raise NotFound("no enrolment with this id")
    await replan.keep_schedulers_off(db, creator_id)
    found = await planning.enrolled(db, creator_id, [enrolment_id], now, for_update=True)
    if enrolment_id not in found or found[enrolment_id].row.status != "paused":
        return False
    await sends.revive_paused(db, creator_id, enrolment_id, ENROLMENT_PAUSED)
    await enrolments.change(db, creator_id, [Change(id=enrolment_id, status="active")], now)
    await replan.replan_enrolments(db, creator_id, [enrolment_id], now)
    return True
