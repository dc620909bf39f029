"""What is live: a program is published, paused, resumed, put away or deleted.

Each is one transaction: contacts are never in half of an edit, and nothing that was cancelled is
sent. Schedulers leave the creator's sends alone meanwhile.
"""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from uuid import UUID

from core.audit import note
from core.programs import replan, store
from core.programs.keeping import Check, ProgramInCode, alone_with, unchecked
from core.programs.planning import ENROLMENT_ENDED
from core.programs.replan import Counts, Prepared
from core.programs.store import LiveProgram
from shared.database import DatabaseManager, PgConnection
from shared.errors import Conflict, NotFound
from shared.models import enrolments
from shared.models import programs as rows
from shared.models import sends
from shared.models.programs import ProgramRow

ARCHIVED = "program_archived"
DELETED = "program_deleted"


class ProgramStatus(Conflict):
    """The program's status doesn't allow this."""

    code = "program_status"


@dataclass(frozen=True, kw_only=True)
class Published:
    row: ProgramRow
    counts: Counts


@dataclass(frozen=True, kw_only=True)
class PutAway:
    """What was ended with a program: sends that waited, enrolments that were open."""

    cancelled: int
    ended: int


class Publishing:
    def __init__(self, database: DatabaseManager) -> None:
        self._database = database

    async def publish(
        self,
        creator_id: UUID,
        program_id: UUID,
        *,
        version: int | None = None,
        actor: str,
        now: datetime,
        check: Check = unchecked,
    ) -> Published:
        """Let contacts be in a version, the newest unless said otherwise; plan anew what waits.

        A paused program stays paused. Raises NotFound, ProgramBusy, and what `check` raises.
        """
        before = await self._prepare(creator_id, program_id, version, now)
        async with self._database.transaction(creator_id) as db:
            row = await alone_with(db, creator_id, program_id, with_sends=True)
            check(row)
            return await publish_version(
                db, creator_id, row, version or row.version, actor=actor, now=now, before=before
            )

    async def _prepare(
        self, creator_id: UUID, program_id: UUID, version: int | None, now: datetime
    ) -> Prepared:
        """What an edit will mean to many enrolments, worked out while nothing is held."""
        async with self._database.transaction(creator_id) as db:
            row = await rows.find(db, creator_id, program_id)
            if row is None:
                raise NotFound("no program with this id")
            counts = await enrolments.counts(db, creator_id, program_id)
            if counts.get("active", 0) <= replan.THREAD_ABOVE:
                return {}
            program = await self.as_live(db, creator_id, row, version or row.version)
            found = await replan.read_active(db, creator_id, program, now)
        return replan.prepared(found, await replan.decide_many(found, now))

    async def as_live(
        self, db: PgConnection, creator_id: UUID, row: ProgramRow, version: int
    ) -> LiveProgram:
        """The program as if this version were live."""
        definition = await store.load(db, creator_id, row.id, version)
        return LiveProgram(row=replace(row, live_version=version), definition=definition)

    async def pause(
        self, creator_id: UUID, program_id: UUID, *, actor: str, check: Check = unchecked
    ) -> ProgramRow:
        """Send nothing of it until it is resumed; what comes due meanwhile is put off."""
        async with self._database.transaction(creator_id) as db:
            row = await alone_with(db, creator_id, program_id)
            check(row)
            if row.status != "live":
                raise ProgramStatus(f"the program is {row.status}, not live")
            await note(
                db,
                creator_id,
                actor=actor,
                action="program.paused",
                target=program_id,
                slug=row.slug,
            )
            return await rows.set_status(db, creator_id, program_id, "paused")

    async def resume(
        self,
        creator_id: UUID,
        program_id: UUID,
        *,
        actor: str,
        now: datetime,
        check: Check = unchecked,
    ) -> ProgramRow:
        """Go on: what was put off is looked at again, and sent or not by its late policy."""
        async with self._database.transaction(creator_id) as db:
            row = await alone_with(db, creator_id, program_id, with_sends=True)
            check(row)
            if row.status != "paused":
                raise ProgramStatus(f"the program is {row.status}, not paused")
            woken = await sends.wake_program(db, creator_id, program_id, now)
            await note(
                db,
                creator_id,
                actor=actor,
                action="program.resumed",
                target=program_id,
                slug=row.slug,
                woken=woken,
            )
            return await rows.set_status(db, creator_id, program_id, "live")

    async def archive(
        self,
        creator_id: UUID,
        program_id: UUID,
        *,
        actor: str,
        now: datetime,
        check: Check = unchecked,
    ) -> PutAway:
        """Put a program away: what waits is cancelled, enrolments end. Publish it to go on."""
        async with self._database.transaction(creator_id) as db:
            row = await alone_with(db, creator_id, program_id, with_sends=True)
            check(row)
            away = await _put_away(db, creator_id, row, ARCHIVED, actor=actor, now=now)
            await rows.set_status(db, creator_id, program_id, "archived")
        return away

    async def delete(
        self,
        creator_id: UUID,
        program_id: UUID,
        *,
        actor: str,
        now: datetime,
        check: Check = unchecked,
    ) -> PutAway:
        """Forget a program with its versions and enrolments; what it had sent stays listed.

        Raises ProgramInCode: a declared one would come back.
        """
        async with self._database.transaction(creator_id) as db:
            row = await alone_with(db, creator_id, program_id, with_sends=True)
            check(row)
            if row.origin == "code":
                raise ProgramInCode("This program is declared in a bot's code; archive it.")
            away = await _put_away(db, creator_id, row, DELETED, actor=actor, now=now)
            await rows.delete(db, creator_id, program_id)
        return away


async def publish_version(
    db: PgConnection,
    creator_id: UUID,
    row: ProgramRow,
    version: int,
    *,
    actor: str,
    now: datetime,
    before: Prepared | None = None,
) -> Published:
    """Let contacts be in a version of a program that the caller has locked."""
    if row.live_version == version and row.status in ("live", "paused"):
        return Published(row=row, counts=Counts())
    program = await store.load(db, creator_id, row.id, version)
    status = "paused" if row.status == "paused" else "live"
    changed = await rows.set_live(db, creator_id, row.id, version, status)
    live = LiveProgram(row=changed, definition=program)
    counts = await replan.replan_program(db, creator_id, live, now, before)
    await note(
        db,
        creator_id,
        actor=actor,
        action="program.published",
        target=row.id,
        slug=row.slug,
        version=version,
        **asdict(counts),
    )
    return Published(row=changed, counts=counts)


async def _put_away(
    db: PgConnection, creator_id: UUID, row: ProgramRow, reason: str, *, actor: str, now: datetime
) -> PutAway:
    cancelled = await sends.cancel_program(db, creator_id, row.id, reason=ENROLMENT_ENDED, now=now)
    ended = await enrolments.end_all(
        db, creator_id, row.id, status="cancelled", reason=reason, now=now
    )
    await note(
        db,
        creator_id,
        actor=actor,
        action=reason.replace("_", ".", 1),
        target=row.id,
        slug=row.slug,
        cancelled=cancelled,
        ended=ended,
    )
    return PutAway(cancelled=cancelled, ended=ended)
