"""People enter a program and leave it; what waits for them is planned and cancelled with it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from core.audit import contact_actor, note
from core.programs import flow, planning, replan, store
from core.programs.planning import ENDED, ENROLMENT_ENDED, ENROLMENT_PAUSED
from core.programs.segments.filters import compile_filter
from core.programs.sends import silence
from core.programs.store import LiveProgram
from shared.database import DatabaseManager, PgConnection
from shared.errors import Conflict, InvalidInput, NotFound
from shared.models import enrolments
from shared.models import programs as program_rows
from shared.models import sends
from shared.models.enrolments import Change
from shared.utils.ids import new_id

MOST = 200_000  # contacts at once
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


@dataclass(frozen=True, kw_only=True)
class Enrolment:
    """What came of enrolling many: how many were meant, are new, were in it already."""

    matched: int
    enrolled: int
    already: int


async def enrol_many(
    database: DatabaseManager,
    creator_id: UUID,
    program_id: UUID,
    contact_ids: Sequence[UUID],
    *,
    actor: str,
    now: datetime,
    dry_run: bool = False,
) -> Enrolment:
    """Enrol however many contacts, some at a time; `dry_run` only counts. A repeat is harmless.

    Raises NotFound, for a contact too, and Conflict for a program that isn't live.
    """
    ids = sorted(set(contact_ids))
    async with database.transaction(creator_id) as db:
        await _require_live(db, creator_id, program_id)
        if await _known(db, creator_id, ids) < len(ids):
            raise NotFound("one of these contacts is unknown")
        already = await _inside(db, creator_id, program_id, ids)
    if dry_run:
        return Enrolment(matched=len(ids), enrolled=len(ids) - already, already=already)
    added = 0
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        async with database.transaction(creator_id) as db:
            added += await enrol(db, creator_id, program_id, batch, actor=actor, now=now)
    return Enrolment(matched=len(ids), enrolled=added, already=len(ids) - added)


async def matching(
    db: PgConnection, creator_id: UUID, filter_: Mapping[str, Any], now: datetime
) -> list[UUID]:
    """Who matches a filter. Raises InvalidInput for a bad one, or for more than can be taken."""
    compiled = compile_filter(filter_, now=now)
    rows = await db.fetch(
        f"{compiled.sql} ORDER BY c.id LIMIT {MOST + 1}", creator_id, *compiled.arguments
    )
    if len(rows) > MOST:
        raise InvalidInput(f"the filter matches more than {MOST} contacts; narrow it")
    return [row["id"] for row in rows]


async def _known(db: PgConnection, creator_id: UUID, ids: Sequence[UUID]) -> int:
    sql = "SELECT count(*) FROM app.contacts WHERE creator_id = $1 AND id = ANY($2::uuid[])"
    found: int = await db.fetchval(sql, creator_id, list(ids))
    return found


async def _inside(db: PgConnection, creator_id: UUID, program_id: UUID, ids: Sequence[UUID]) -> int:
    found: int = await db.fetchval(
        "SELECT count(*) FROM app.enrolments WHERE creator_id = $1 AND program_id = $2"
        " AND contact_id = ANY($3::uuid[]) AND status IN ('active', 'paused')",
        creator_id,
        program_id,
        list(ids),
    )
    return found


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
    await silence.plan_silence(db, creator_id, [row.contact_id for row in rows], now)
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


# Whom the program has had before, it doesn't take in by itself again.
_STARTED = """
SELECT p.id FROM app.coaching_programs p
JOIN app.program_versions v
  ON v.creator_id = p.creator_id AND v.program_id = p.id AND v.version = p.live_version
WHERE p.creator_id = $1 AND p.status = 'live' AND p.bot IN ('', $2)
  AND v.definition @> '{"joins_on_start": true}'
  AND NOT EXISTS (SELECT FROM app.enrolments e WHERE e.creator_id = $1 AND e.program_id = p.id
                  AND e.contact_id = $3)
"""


async def enrol_starters(
    db: PgConnection, creator_id: UUID, contact_id: UUID, *, bot: str, now: datetime
) -> int:
    """Let somebody who opens a bot enter its programs that are for everybody; how many."""
    found = await db.fetch(_STARTED, creator_id, bot, contact_id)
    actor = contact_actor(contact_id)
    for row in found:
        await enrol(db, creator_id, row["id"], [contact_id], actor=actor, now=now)
    return len(found)
