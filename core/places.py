"""How many long jobs a worker does at once: places of its own, so that a dead worker holds none.

PgQueuer's `concurrency_limit` counts the running jobs of all workers, and those of one that was
killed until its heartbeat is missed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from pgqueuer import RetryRequested
from pgqueuer.core.qm import QueueManager
from pgqueuer.types import QueueEntrypoint

from core.jobs import JobKind

Handler = Callable[[UUID, UUID], Awaitable[None]]
AGAIN_SECONDS = 1.0


@dataclass
class PlacedManager(QueueManager):
    """Fetches no job of a kind whose places in this worker are all taken; other kinds go on."""

    places: dict[JobKind, asyncio.Semaphore] = field(default_factory=dict)

    def entrypoints_below_capacity_limits(self) -> set[QueueEntrypoint]:
        full = {QueueEntrypoint(kind) for kind, places in self.places.items() if places.locked()}
        return super().entrypoints_below_capacity_limits() - full


def in_place(places: asyncio.Semaphore, handler: Handler) -> Handler:
    """Where this worker has a place; what stays due, the sweeper brings back."""

    async def run(creator_id: UUID, subject_id: UUID) -> None:
        if not places.locked():
            async with places:
                await handler(creator_id, subject_id)

    return run


def in_turn(places: asyncio.Semaphore, handler: Handler) -> Handler:
    """Where this worker has a place; what was fetched beyond them goes back into the queue."""

    async def run(creator_id: UUID, subject_id: UUID) -> None:
        if places.locked():
            raise RetryRequested(timedelta(seconds=AGAIN_SECONDS), "no place")
        async with places:
            await handler(creator_id, subject_id)

    return run
