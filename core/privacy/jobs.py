"""What people ask to be done with a contact's data, and the jobs that do it."""

from dataclasses import replace
from typing import TypeVar
from uuid import UUID

import structlog

from core.audit import note
from core.jobs import JobKind, enqueue, enqueue_many
from core.privacy import export
from core.privacy.erasure import Erasing
from core.privacy.people import require_person
from shared.cache.limits import RateLimiter
from shared.database import DatabaseManager, PgConnection
from shared.errors import AttachmentGone, InvalidInput, NotFound
from shared.models import exports
from shared.models.exports import ErasureRow, ExportRow
from shared.utils.clock import utc_now
from shared.utils.ids import new_id

T = TypeVar("T")

log = structlog.get_logger(__name__)

JOBS: tuple[tuple[str, JobKind], ...] = (
    ("contact_exports", "export"),
    ("contact_erasures", "erase"),
)
MAX_FAILURES = 5
SWEPT = 100

_IS_NAMED = "SELECT name FROM app.contacts WHERE creator_id = $1 AND id = $2"


class Privacy:
    """Exports and erasures. Each request is stored before it is answered; a worker does it."""

    def __init__(self, database: DatabaseManager, limiter: RateLimiter) -> None:
        self._database = database
        self._erasing = Erasing(database, limiter)

    # --- asked for

    async def ask_export(self, creator_id: UUID, contact_id: UUID, *, actor: str) -> ExportRow:
        """Begin an export; the one under way when there is one.

        Raises NotFound, and ContactLinked for a contact that is part of another by now.
        """
        async with self._database.transaction(creator_id) as db:
            await require_person(db, creator_id, contact_id)
            await _alone(db, contact_id)
            found = await exports.open_export(db, creator_id, contact_id)
            if found is None:
                export_id = new_id()
                await exports.add_export(db, creator_id, export_id, contact_id, actor)
                await enqueue(db, "export", creator_id, export_id)
                await _noted(db, creator_id, actor, "contact.export_asked", contact_id, export_id)
                found = await exports.get_export(db, creator_id, export_id)
        return _required(found)

    async def ask_erasure(
        self, creator_id: UUID, contact_id: UUID, *, actor: str, confirm: str | None = None
    ) -> ErasureRow:
        """Begin to erase; what is under way when there is one.

        Raises NotFound, ContactLinked, and InvalidInput (`not_confirmed`) when `confirm` is given
        and is neither the contact's id nor their name.
        """
        async with self._database.transaction(creator_id) as db:
            await require_person(db, creator_id, contact_id)
            await _alone(db, contact_id)
            found = await exports.open_erasure(db, creator_id, contact_id)
            if found is None:
                await _check_confirmed(db, creator_id, contact_id, confirm)
                erasure_id = new_id()
                await exports.add_erasure(db, creator_id, erasure_id, contact_id, actor)
                await enqueue(db, "erase", creator_id, erasure_id)
                await _noted(db, creator_id, actor, "contact.erase_asked", contact_id, erasure_id)
                found = await exports.get_erasure(db, creator_id, erasure_id)
        return _required(found)

    async def get_export(self, creator_id: UUID, export_id: UUID) -> ExportRow:
        """Raises NotFound."""
        async with self._database.transaction(creator_id) as db:
            return _required(await exports.get_export(db, creator_id, export_id))

    async def get_erasure(self, creator_id: UUID, erasure_id: UUID) -> ErasureRow:
        """Raises NotFound."""
        async with self._database.transaction(creator_id) as db:
            return _required(await exports.get_erasure(db, creator_id, erasure_id))

    async def next_part(
        self, creator_id: UUID, export_id: UUID, name: str, after: int
    ) -> tuple[int, bytes] | None:
        """The part of a file after this one; None after the last."""
        async with self._database.transaction(creator_id) as db:
            return await exports.next_part(db, creator_id, export_id, name, after)

    # --- done

    async def export(self, creator_id: UUID, export_id: UUID) -> None:
        """The body of the job: go on with an export until it is done."""
        try:
            await export.run(self._database, creator_id, export_id)
        except (TypeError, ValueError, KeyError, ArithmeticError) as error:
            # A row that can't be written down would fail for ever.
            log.error("export.failed", export_id=str(export_id), exc_info=error)
            await self._failed(creator_id, export_id, type(error).__name__)

    async def erase(self, creator_id: UUID, erasure_id: UUID) -> None:
        """The body of the job: go on with an erasure. It is never given up."""
        await self._erasing.run(creator_id, erasure_id)

    async def _failed(self, creator_id: UUID, export_id: UUID, code: str) -> None:
        async with self._database.transaction(creator_id) as db:
            row = await exports.take_export(db, creator_id, export_id)
            if row is None:
                return
            failures = row.progress.get("failures", 0) + 1
            progress = row.progress | {"failures": failures} if row.progress else {}
            state = "failed" if failures >= MAX_FAILURES or not progress else row.state
            await exports.save_export(
                db, creator_id, replace(row, state=state, progress=progress, error_code=code)
            )


def check_file(row: ExportRow, name: str) -> int:
    """Bytes of an export's file. Raises NotFound, and AttachmentGone when it was deleted."""
    if row.state == "expired" or (row.expires_at is not None and row.expires_at <= utc_now()):
        raise AttachmentGone("the files of this export were deleted; ask for another")
    for file in row.manifest.get("files", ()):
        if file["name"] == name:
            return int(file["bytes"])
    raise NotFound("the export has no such file, or isn't done yet")


async def sweep_privacy(database: DatabaseManager) -> int:
    """Queue a job for every export and erasure that nobody works on; how many there were."""
    found = 0
    async with database.dispatch() as connection, connection.transaction():
        for table, kind in JOBS:
            due = list(await exports.due(connection, table, SWEPT))
            await enqueue_many(connection, kind, due)
            found += len(due)
    return found


def _required(found: T | None) -> T:
    if found is None:
        raise NotFound
    return found


async def _alone(db: PgConnection, contact_id: UUID) -> None:
    """Two requests at once: the second finds the first one's."""
    await db.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", str(contact_id))


async def _check_confirmed(
    db: PgConnection, creator_id: UUID, contact_id: UUID, confirm: str | None
) -> None:
    name = await db.fetchval(_IS_NAMED, creator_id, contact_id)
    if confirm is not None and confirm.strip() not in {str(contact_id), name or str(contact_id)}:
        raise InvalidInput(
            "confirm with the contact's id or name; an erasure can't be taken back",
            code="not_confirmed",
        )


async def _noted(
    db: PgConnection, creator_id: UUID, actor: str, action: str, contact_id: UUID, job_id: UUID
) -> None:
    await note(db, creator_id, actor=actor, action=action, target=contact_id, job_id=str(job_id))
