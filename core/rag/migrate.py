"""Change the embedding model under live traffic: start, follow and steer a creator's migration.

preparing → backfilling → verifying → (the switch) → soaking → dropping → done; and from any state
before dropping, aborting → aborted. A worker takes the steps; reads change over in one transaction.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

import structlog

from core import audit
from core.jobs import enqueue
from core.rag.moving import MigrationTaken, Move, held
from core.rag.steps import Steps
from core.rag.targets import Target, Targets
from shared.database import DatabaseManager, PgConnection
from shared.errors import AppError, Conflict, InvalidInput, NotFound
from shared.models import embeddings, migrations
from shared.models.migrations import MigrationRecord, MigrationState
from shared.utils.ids import new_id

log = structlog.get_logger(__name__)

BATCH_SIZE = 100
SOAK_SECONDS = 86_400
# A job works this long and then queues up again behind the people who wait.
SLICE_SECONDS = 5.0
RETRY_SECONDS = 5.0
POLL_SECONDS = 0.2
RELEASE_SECONDS = 3.0
BEFORE_DROPPING: tuple[MigrationState, ...] = ("preparing", "backfilling", "verifying", "soaking")
SYSTEM = "system"


class MigrationOpen(Conflict):
    """Another migration of this creator is not finished yet."""

    code = "migration_open"


class WrongState(Conflict):
    """The migration is in a state in which this cannot be done."""

    code = "migration_state"


class EmbeddingMigration:
    """One open migration a creator at most. `advance` is the body of the job."""

    def __init__(
        self,
        database: DatabaseManager,
        targets: Targets,
        steps: Steps,
        *,
        lease_seconds: float = 10.0,
    ) -> None:
        self._database = database
        self._targets = targets
        self._steps = steps
        self._lease_seconds = lease_seconds

    # --- start and follow

    async def migrate_embeddings(
        self, creator_id: UUID, old_model: str, new_model: str, batch_size: int = BATCH_SIZE
    ) -> MigrationRecord:
        """All five steps here and now, without a soak; goes on with what was begun before.

        Raises ModelUnavailable or VectorsUnavailable when it has to be called again later, and
        Conflict when it was paused, aborted, or its verification failed.
        """
        target = await self._targets.find(creator_id, new_model)
        record = await self._open_to(creator_id, target)
        if record is None:
            source = await self._targets.find(creator_id, old_model)
            record = await self._insert(
                creator_id, target, batch_size=batch_size, soak_seconds=0, source=source.space
            )
        while record.is_open:
            if record.is_paused:
                raise WrongState(record.error or "the migration is paused")
            due_in = await self._advance_here(creator_id, record.id)
            await asyncio.sleep(POLL_SECONDS if due_in is None else due_in)
            record = await self.get(creator_id, record.id)
        if record.state == "aborted":
            raise WrongState("the migration was aborted")
        return record

    async def start(
        self,
        creator_id: UUID,
        to: str,
        *,
        batch_size: int = BATCH_SIZE,
        soak_seconds: int = SOAK_SECONDS,
        actor: str = SYSTEM,
    ) -> MigrationRecord:
        """Begin to move a creator's index; a worker does it.

        What `to` may be see Targets. Raises MigrationOpen, InvalidInput (`same_space`, `no_index`,
        `unknown_model`) and ModelError.
        """
        target = await self._targets.find(creator_id, to)
        return await self._insert(
            creator_id, target, batch_size=batch_size, soak_seconds=soak_seconds, actor=actor
        )

    async def get(self, creator_id: UUID, migration_id: UUID) -> MigrationRecord:
        """Raises NotFound."""
        async with self._database.transaction(creator_id) as db:
            found = await migrations.get(db, creator_id, migration_id)
        return _required(found)

    async def latest(self, creator_id: UUID) -> MigrationRecord | None:
        """The open one, or else the last."""
        async with self._database.transaction(creator_id) as db:
            return await migrations.latest(db, creator_id)

    async def list_migrations(
        self, creator_id: UUID, limit: int = 50, after: UUID | None = None
    ) -> list[MigrationRecord]:
        """Newest first."""
        async with self._database.transaction(creator_id) as db:
            return await migrations.list_migrations(db, creator_id, limit=limit, after=after)

    # --- steer: each raises NotFound, and WrongState where it makes no sense

    async def pause(
        self, creator_id: UUID, migration_id: UUID, *, actor: str = SYSTEM
    ) -> MigrationRecord:
        """Stop after the batch under way. Both spaces are still written to; a soak doesn't end."""

        async def change(_db: PgConnection, record: MigrationRecord) -> dict[str, Any]:
            _require(record, BEFORE_DROPPING)
            return {"is_paused": True}

        return await self._steer(creator_id, migration_id, change, actor=actor, action="paused")

    async def resume(
        self, creator_id: UUID, migration_id: UUID, *, force: bool = False, actor: str = SYSTEM
    ) -> MigrationRecord:
        """Go on. `force` lets the reads change over to a space whose verification failed."""

        async def change(_db: PgConnection, record: MigrationRecord) -> dict[str, Any]:
            _require(record, BEFORE_DROPPING)
            if force:
                _require(record, ("verifying",))
            seen = {"forced": True} if force else {"passed": False, "repairs": 0}
            is_new = record.state == "verifying"
            return {
                "is_paused": False,
                "error_code": None,
                "error": None,
                "verification": record.verification | seen if is_new else record.verification,
            }

        return await self._steer(creator_id, migration_id, change, actor=actor, action="resumed")

    async def abort(
        self, creator_id: UUID, migration_id: UUID, *, actor: str = SYSTEM
    ) -> MigrationRecord:
        """Reads go to the old space at once; what was made of the new one is removed."""

        async def change(db: PgConnection, record: MigrationRecord) -> dict[str, Any]:
            _require(record, BEFORE_DROPPING)
            await _read_from(db, creator_id, record, "retired")
            return {"state": "aborting", "is_paused": False, "error_code": None, "error": None}

        return await self._steer(creator_id, migration_id, change, actor=actor, action="aborted")

    async def flip_back(
        self, creator_id: UUID, migration_id: UUID, *, actor: str = SYSTEM
    ) -> MigrationRecord:
        """Within the soak: reads go to the old space at once. The new one is kept and written to.

        `resume` verifies and switches again, `abort` removes the new space.
        """

        async def change(db: PgConnection, record: MigrationRecord) -> dict[str, Any]:
            _require(record, ("soaking",))
            await _read_from(db, creator_id, record, "building")
            return {
                "state": "verifying",
                "is_paused": True,
                "switched_at": None,
                "error_code": "flipped_back",
                "error": "the reads were flipped back to the old space",
                "verification": record.verification | {"passed": False, "forced": False},
            }

        return await self._steer(creator_id, migration_id, change, actor=actor, action="flipped")

    async def finish(
        self, creator_id: UUID, migration_id: UUID, *, actor: str = SYSTEM
    ) -> MigrationRecord:
        """End the soak now: the old space is dropped."""

        async def change(_db: PgConnection, record: MigrationRecord) -> dict[str, Any]:
            _require(record, ("soaking",))
            return {"soak_seconds": 0, "is_paused": False}

        return await self._steer(creator_id, migration_id, change, actor=actor, action="finished")

    # --- work

    async def advance(self, creator_id: UUID, migration_id: UUID) -> None:
        """Work on a migration for a while. Does nothing when it is not due or somebody's."""
        try:
            await self._advance_here(creator_id, migration_id)
        except MigrationTaken:
            return
        except AppError as error:
            log.warning("migration.waits", migration_id=str(migration_id), code=error.code)

    async def _advance_here(self, creator_id: UUID, migration_id: UUID) -> float | None:
        """Seconds until it is due again; None when somebody else has it. Raises what stops it."""
        owner = new_id()
        async with self._database.transaction(creator_id) as db:
            record = await migrations.claim(
                db, creator_id, migration_id, owner, self._lease_seconds
            )
        if record is None:
            return None
        move = Move(creator_id=creator_id, owner=owner, record=record)
        due_in = 0.0
        try:
            async with held(self._database, move, self._lease_seconds):
                due_in = await self._work(move)
        except MigrationTaken:
            raise
        except AppError as error:
            due_in = RETRY_SECONDS
            await self._note_error(move, error)
            raise
        finally:
            await self._let_go(move, due_in)
        return due_in

    async def _work(self, move: Move) -> float:
        ends_at = time.monotonic() + SLICE_SECONDS
        while move.record.is_open and not move.record.is_paused and time.monotonic() < ends_at:
            if wait := await self._steps.take(move):
                return wait
        return 0.0

    async def _note_error(self, move: Move, error: AppError) -> None:
        """Why it waits; it goes on by itself."""
        with suppress(AppError):
            async with move.changing(self._database) as (db, _):
                await move.write(db, error_code=error.code, error=error.message)

    async def _let_go(self, move: Move, due_in: float) -> None:
        """Hand the lease back, also when this worker is being stopped."""
        with suppress(AppError, TimeoutError):
            async with asyncio.timeout(RELEASE_SECONDS):
                async with self._database.transaction(move.creator_id) as db:
                    record = move.record
                    was_ours = await migrations.release(
                        db, move.creator_id, record.id, move.owner, due_in
                    )
                    if was_ours and not due_in and record.is_open and not record.is_paused:
                        await enqueue(db, "migrate", move.creator_id, record.id)

    # --- helpers

    async def _open_to(self, creator_id: UUID, target: Target) -> MigrationRecord | None:
        found = await self.latest(creator_id)
        is_it = found is not None and found.is_open and found.to_space == target.space
        return found if is_it else None

    async def _insert(
        self,
        creator_id: UUID,
        target: Target,
        *,
        batch_size: int,
        soak_seconds: int,
        source: str | None = None,
        actor: str = SYSTEM,
    ) -> MigrationRecord:
        migration_id = new_id()
        async with self._database.transaction(creator_id) as db:
            active = await embeddings.active_space(db, creator_id)
            last = await migrations.latest(db, creator_id)
            if last is not None and last.is_open:
                raise MigrationOpen
            if active is None:
                raise InvalidInput("there is no index to migrate yet", code="no_index")
            if active.name == target.space:
                raise InvalidInput("the index lies in this space already", code="same_space")
            if source not in (None, active.name):
                raise InvalidInput(f"the index does not lie in {source}", code="other_space")
            is_new = await migrations.insert(
                db,
                creator_id,
                migration_id,
                from_space=active.name,
                to_space=target.space,
                to_model=target.model_path,
                batch_size=batch_size,
                soak_seconds=soak_seconds,
            )
            if not is_new:
                raise MigrationOpen
            await enqueue(db, "migrate", creator_id, migration_id)
            await audit.note(
                db,
                creator_id,
                actor=actor,
                action="embedding_migration.started",
                target=migration_id,
                to=target.space,
            )
            return _required(await migrations.get(db, creator_id, migration_id))

    async def _steer(
        self,
        creator_id: UUID,
        migration_id: UUID,
        change: Callable[[PgConnection, MigrationRecord], Awaitable[dict[str, Any]]],
        *,
        actor: str,
        action: str,
    ) -> MigrationRecord:
        """Change its course under the row lock. Whoever works on it loses the lease."""
        async with self._database.transaction(creator_id) as db:
            record = _required(await migrations.lock(db, creator_id, migration_id))
            record = replace(record, lease_owner=None, **await change(db, record))
            await migrations.save(db, creator_id, record)
            await migrations.set_due(db, creator_id, migration_id, 0)
            if not record.is_paused:
                await enqueue(db, "migrate", creator_id, migration_id)
            await audit.note(
                db,
                creator_id,
                actor=actor,
                action=f"embedding_migration.{action}",
                target=migration_id,
            )
        return record


async def _read_from(
    db: PgConnection, creator_id: UUID, record: MigrationRecord, new_state: embeddings.SpaceState
) -> None:
    """Make the old space the active one again; nothing changes when it still is."""
    await embeddings.set_state(db, creator_id, record.to_space, new_state)
    await embeddings.set_state(db, creator_id, record.from_space, "active")


def _required(record: MigrationRecord | None) -> MigrationRecord:
    if record is None:
        raise NotFound("there is no such migration")
    return record


def _require(record: MigrationRecord, states: tuple[MigrationState, ...]) -> None:
    if record.state not in states:
        raise WrongState(f"the migration is {record.state}")
