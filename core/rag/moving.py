"""A worker's hold on a migration: a lease with a heartbeat, and every change fenced by it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from shared.database import DatabaseManager, PgConnection
from shared.errors import AppError, Unavailable
from shared.models import migrations
from shared.models.migrations import MigrationRecord

HEARTBEATS_PER_LEASE = 3


class MigrationTaken(AppError):
    """Another worker goes on with this migration, or somebody changed its course."""

    code = "migration_taken"


@dataclass(kw_only=True)
class Move:
    """A migration in a worker's hands. `record` is as this worker read or wrote it last."""

    creator_id: UUID
    owner: UUID
    record: MigrationRecord

    @asynccontextmanager
    async def changing(
        self, database: DatabaseManager
    ) -> AsyncIterator[tuple[PgConnection, MigrationRecord]]:
        """A transaction that holds the row. Raises MigrationTaken unless it is still ours."""
        async with database.transaction(self.creator_id) as db:
            yield db, await self.fence(db)

    async def fence(self, db: PgConnection) -> MigrationRecord:
        found = await migrations.lock(db, self.creator_id, self.record.id)
        if found is None or found.lease_owner != self.owner or found.state != self.record.state:
            raise MigrationTaken
        self.record = found
        return found

    async def write(self, db: PgConnection, **changes: Any) -> None:
        """Change the record with the transaction that fenced it."""
        self.record = replace(self.record, **changes)
        await migrations.save(db, self.creator_id, self.record)


@asynccontextmanager
async def held(database: DatabaseManager, move: Move, seconds: float) -> AsyncIterator[None]:
    """Keep the lease while the block runs; end the block with MigrationTaken when it is lost."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - always inside a task
    lost = False

    async def beat() -> None:
        nonlocal lost
        while not lost:
            await asyncio.sleep(seconds / HEARTBEATS_PER_LEASE)
            with suppress(Unavailable):  # every change is fenced, so a missed beat is harmless
                async with database.transaction(move.creator_id) as db:
                    lost = not await migrations.extend(
                        db, move.creator_id, move.record.id, move.owner, seconds
                    )
        task.cancel()

    heart = asyncio.create_task(beat())
    try:
        yield
    except asyncio.CancelledError:
        if lost:
            task.uncancel()
            raise MigrationTaken from None
        raise
    finally:
        heart.cancel()
