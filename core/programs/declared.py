"""Programs that come with a bot: what `bots/<bot>/programs.py` declares, kept for every creator.

A creator has them from the moment one of their channels is the bot's. When the code changes, the
next version is saved, and published where the program is live; what the creator has paused or put
away stays so.
"""

from collections.abc import Iterable, Mapping
from uuid import UUID

import structlog

from core.bots import Bot
from core.creators import creator_ids
from core.programs import store
from core.programs.definition import Program
from core.programs.keeping import ProgramBusy, add_program, alone_with, save_version
from core.programs.publishing import publish_version
from shared.database import DatabaseManager, PgConnection
from shared.models import programs as rows
from shared.models.programs import ProgramRow
from shared.utils.clock import Clock

log = structlog.get_logger(__name__)

ACTOR = "code"
ORIGIN = "code"


class Declared:
    """What the bots of this process declare, and how a creator comes to have it."""

    def __init__(self, bots: Mapping[str, Bot], clock: Clock) -> None:
        self._bots = bots
        self._clock = clock

    async def reach(self, db: PgConnection, creator_id: UUID, bot: str) -> None:
        """Let a creator have the programs of a bot, with the caller's transaction."""
        found = self._bots.get(bot)
        if found is None:
            return
        for program in found.programs:
            await self._keep(db, creator_id, program, is_live=True)
        for program in found.drafts:
            await self._keep(db, creator_id, program, is_live=False)

    async def sync(self, database: DatabaseManager, creator_id: UUID) -> None:
        """The same for all bots that this creator has a channel of."""
        async with database.transaction(creator_id) as db:
            found = await db.fetch(
                "SELECT DISTINCT bot FROM app.channels WHERE creator_id = $1 ORDER BY bot",
                creator_id,
            )
        for row in found:
            try:
                async with database.transaction(creator_id) as db:
                    await self.reach(db, creator_id, row["bot"])
            except ProgramBusy:
                log.info("program.busy", creator_id=str(creator_id), bot=row["bot"])

    async def sync_all(self, database: DatabaseManager) -> None:
        """The same for every creator, one after another: nobody waits for it."""
        if not any(bot.programs or bot.drafts for bot in self._bots.values()):
            return
        for creator_id in await creator_ids(database):
            await self.sync(database, creator_id)

    async def _keep(
        self, db: PgConnection, creator_id: UUID, program: Program, *, is_live: bool
    ) -> None:
        row = await rows.by_slug(db, creator_id, program.slug)
        if row is not None and await _is_newest(db, creator_id, row, program):
            return
        await rows.lock_slug(db, creator_id, program.slug)
        row = await rows.by_slug(db, creator_id, program.slug)
        if row is None:
            row = await add_program(
                db, creator_id, program, actor=ACTOR, note="from the code", origin=ORIGIN
            )
            if is_live:
                await self._publish(db, creator_id, row)
        elif row.origin != ORIGIN:
            log.warning("program.slug_taken", creator_id=str(creator_id), slug=program.slug)
        else:
            await self._renew(db, creator_id, row, program)

    async def _renew(
        self, db: PgConnection, creator_id: UUID, row: ProgramRow, program: Program
    ) -> None:
        row = await alone_with(db, creator_id, row.id, with_sends=True)
        saved = await save_version(
            db, creator_id, row, program, actor=ACTOR, note="the code has changed"
        )
        if saved.is_new and row.status in ("live", "paused"):
            await self._publish(db, creator_id, saved.row)

    async def _publish(self, db: PgConnection, creator_id: UUID, row: ProgramRow) -> None:
        now = self._clock.now()
        await publish_version(db, creator_id, row, row.version, actor=ACTOR, now=now)


async def _is_newest(db: PgConnection, creator_id: UUID, row: ProgramRow, program: Program) -> bool:
    newest = await rows.find_version(db, creator_id, row.id, row.version)
    return newest is not None and newest.digest == store.digest(program)


async def sync_declared(
    database: DatabaseManager, bots: Iterable[Bot], creator_id: UUID, clock: Clock
) -> None:
    """Let one creator have what these bots declare, of those that they have a channel of."""
    await Declared({bot.name: bot for bot in bots}, clock).sync(database, creator_id)
