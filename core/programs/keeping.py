"""A creator's programs: saved as versions, compared, copied. What is live is `publishing`'s."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from core.audit import note as note_audit
from core.programs import store
from core.programs.definition import Program
from core.programs.reading import check_program
from core.programs.replan import keep_schedulers_off
from shared.database import DatabaseManager, PgConnection
from shared.errors import Conflict, InvalidInput, NotFound
from shared.models import programs as rows
from shared.models.programs import ProgramRow, ProgramVersion, StepRow
from shared.utils.ids import new_id

MAX_PROGRAMS = 500  # of one creator
MAX_VERSIONS = 2_000  # of one program
MAX_NOTE = 500

Check = Callable[[ProgramRow], None]
"""Raises when the row isn't as the caller has read it."""


class ProgramInCode(Conflict):
    """This program is declared in a bot's code; edit it there, or copy it."""

    code = "program_in_code"


class ProgramExists(Conflict):
    """There is a program with this slug already."""

    code = "program_exists"


class ProgramBusy(Conflict):
    """Somebody else is changing this program right now; read it again."""

    code = "program_busy"


@dataclass(frozen=True, kw_only=True)
class Saved:
    """`is_new`: the content differs from the newest version before."""

    row: ProgramRow
    is_new: bool


def unchecked(_row: ProgramRow) -> None:
    """The last one wins."""


class Programs:
    """`bots` are the names that a program may be for; None: any."""

    def __init__(self, database: DatabaseManager, *, bots: Collection[str] | None = None) -> None:
        self._database = database
        self._bots = bots

    async def add(
        self, creator_id: UUID, program: Program, *, actor: str, note: str = ""
    ) -> ProgramRow:
        """A new program, a draft. Raises InvalidInput, ProgramExists, Conflict."""
        check_program(program, bots=self._bots)
        async with self._database.transaction(creator_id) as db:
            await rows.lock_slug(db, creator_id, program.slug)
            if await rows.by_slug(db, creator_id, program.slug) is not None:
                raise ProgramExists(f"there is a program {program.slug!r} already")
            return await add_program(db, creator_id, program, actor=actor, note=note)

    async def save(
        self,
        creator_id: UUID,
        program_id: UUID,
        program: Program,
        *,
        actor: str,
        note: str = "",
        check: Check = unchecked,
    ) -> Saved:
        """The next version of a program; the newest one again when nothing differs.

        Nobody meets it before it is published. Raises InvalidInput, NotFound, ProgramInCode,
        ProgramBusy, and what `check` raises.
        """
        check_program(program, bots=self._bots)
        async with self._database.transaction(creator_id) as db:
            row = await alone_with(db, creator_id, program_id)
            check(row)
            if row.origin == "code":
                raise ProgramInCode
            if row.slug != program.slug:
                raise InvalidInput(f"slug: it is {row.slug!r} and can't change; copy the program")
            return await save_version(db, creator_id, row, program, actor=actor, note=note)

    async def put(self, creator_id: UUID, program: Program, *, actor: str, note: str = "") -> Saved:
        """A program under its slug: added, or its next version."""
        try:
            found = await self.by_name(creator_id, program.slug)
        except NotFound:
            row = await self.add(creator_id, program, actor=actor, note=note)
            return Saved(row=row, is_new=True)
        return await self.save(creator_id, found.id, program, actor=actor, note=note)

    async def copy(
        self, creator_id: UUID, program_id: UUID, *, slug: str, name: str | None, actor: str
    ) -> ProgramRow:
        """The newest version under another name, as a draft that can be edited."""
        row = await self.get(creator_id, program_id)
        program = await self.definition(creator_id, program_id, row.version)
        changed = {"slug": slug, "name": name or program.name}
        return await self.add(
            creator_id,
            Program.model_validate({**program.model_dump(), **changed}),
            actor=actor,
            note=f"copied from {row.slug}",
        )

    async def get(self, creator_id: UUID, program_id: UUID) -> ProgramRow:
        """Raises NotFound."""
        async with self._database.transaction(creator_id) as db:
            row = await rows.find(db, creator_id, program_id)
        if row is None:
            raise NotFound("no program with this id")
        return row

    async def by_name(self, creator_id: UUID, name: str) -> ProgramRow:
        """By slug, or by id as text. Raises NotFound."""
        try:
            return await self.get(creator_id, UUID(name))
        except ValueError:
            async with self._database.transaction(creator_id) as db:
                row = await rows.by_slug(db, creator_id, name)
        if row is None:
            raise NotFound(f"there is no program {name!r}")
        return row

    async def list(
        self,
        creator_id: UUID,
        *,
        limit: int = 50,
        before: UUID | None = None,
        status: str | None = None,
    ) -> Sequence[ProgramRow]:
        """Newest first."""
        async with self._database.transaction(creator_id) as db:
            return await rows.newest(db, creator_id, limit=limit, before=before, status=status)

    async def definition(self, creator_id: UUID, program_id: UUID, version: int) -> Program:
        """What a version says. Raises NotFound."""
        async with self._database.transaction(creator_id) as db:
            return await store.load(db, creator_id, program_id, version)

    async def versions(
        self, creator_id: UUID, program_id: UUID, *, limit: int = 50, before: int | None = None
    ) -> Sequence[ProgramVersion]:
        """Newest first. Raises NotFound."""
        await self.get(creator_id, program_id)
        async with self._database.transaction(creator_id) as db:
            return await rows.versions(db, creator_id, program_id, limit=limit, before=before)

    async def steps(self, creator_id: UUID, program_id: UUID, version: int) -> Sequence[StepRow]:
        """The steps of a version in order. Raises NotFound."""
        async with self._database.transaction(creator_id) as db:
            found = await rows.steps(db, creator_id, program_id, version)
        if not found:
            raise NotFound("no such version of this program")
        return found

    async def diff(self, creator_id: UUID, program_id: UUID, first: int, last: int) -> str:
        """What changed between two versions; empty when they are the same. Raises NotFound."""
        before = await self.definition(creator_id, program_id, first)
        after = await self.definition(creator_id, program_id, last)
        return store.compare(before, after, names=(f"version {first}", f"version {last}"))


async def alone_with(
    db: PgConnection, creator_id: UUID, program_id: UUID, *, with_sends: bool = False
) -> ProgramRow:
    """The program, locked. Raises NotFound; ProgramBusy when another edit is under way.

    `with_sends`: no scheduler works for this creator until the transaction ends.
    """
    is_alone = await db.fetchval(
        "SELECT pg_try_advisory_xact_lock(hashtextextended('program ' || $1::text, 0))",
        str(program_id),
    )
    if not is_alone:
        if await rows.find(db, creator_id, program_id) is None:
            raise NotFound("no program with this id")
        raise ProgramBusy
    if with_sends:
        # Before the row: a scheduler that works now goes on to hold programs.
        await keep_schedulers_off(db, creator_id)
    row = await rows.lock(db, creator_id, program_id)
    if row is None:
        raise NotFound("no program with this id")
    return row


async def add_program(
    db: PgConnection,
    creator_id: UUID,
    program: Program,
    *,
    actor: str,
    note: str = "",
    origin: str = "api",
) -> ProgramRow:
    """A program with its first version, under the caller's lock of its slug."""
    if await rows.count(db, creator_id) >= MAX_PROGRAMS:
        raise Conflict(f"there are {MAX_PROGRAMS} programs already")
    row = await rows.add(
        db,
        creator_id,
        new_id(),
        slug=program.slug,
        name=program.name,
        bot=program.bot,
        origin=origin,
    )
    await _keep(db, creator_id, row, 1, program, actor=actor, note=note)
    return row


async def save_version(
    db: PgConnection,
    creator_id: UUID,
    row: ProgramRow,
    program: Program,
    *,
    actor: str,
    note: str = "",
) -> Saved:
    """The next version of a program that the caller has locked, unless nothing differs."""
    newest = await rows.find_version(db, creator_id, row.id, row.version)
    if newest is not None and newest.digest == store.digest(program):
        return Saved(row=row, is_new=False)
    if row.version >= MAX_VERSIONS:
        raise Conflict(f"there are {MAX_VERSIONS} versions already")
    version = row.version + 1
    await _keep(db, creator_id, row, version, program, actor=actor, note=note)
    changed = await rows.set_newest(
        db, creator_id, row.id, version=version, name=program.name, bot=program.bot
    )
    return Saved(row=changed, is_new=True)


async def _keep(
    db: PgConnection,
    creator_id: UUID,
    row: ProgramRow,
    version: int,
    program: Program,
    *,
    actor: str,
    note: str,
) -> None:
    definition = store.dump(program)
    await rows.add_version(
        db,
        creator_id,
        row.id,
        version,
        definition=definition,
        digest=store.digest(program),
        note=note[:MAX_NOTE],
        actor=actor,
        steps=[
            {"kind": step.kind, **step.model_dump(mode="json", exclude_defaults=True)}
            for step in program.steps
        ],
    )
    await note_audit(
        db,
        creator_id,
        actor=actor,
        action="program.saved",
        target=row.id,
        slug=row.slug,
        version=version,
    )
