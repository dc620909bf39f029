"""Jobs of the work queue: what kinds there are, and how one is queued inside our transaction.

A job carries ids only. It is a hint: the rows it points to are the truth, so a job that is lost is
found again by the sweeper, and one that runs twice finds nothing to do.
"""

import asyncio
from collections.abc import Callable
from typing import Literal
from uuid import UUID

from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.ports.driver import Driver, NotifyCallback

from shared.database import CONNECTION_LOST, PgConnection
from shared.queue_settings import QUEUE

JobKind = Literal["turn", "deliver", "ingest", "migrate", "import", "export", "erase"]
# A waiting person comes before a document.
PRIORITY: dict[JobKind, int] = {
    "turn": 10,
    "deliver": 10,
    "ingest": 0,
    "import": 0,
    "export": -10,
    "erase": 0,
    "migrate": -10,
}
PROACTIVE = 5  # what we begin by ourselves comes after every answer


def queries(driver: Driver) -> Queries:
    """PgQueuer's statements against our schema."""
    return Queries(
        driver,
        qbe=QueryBuilderEnvironment(QUEUE),
        qbq=QueryQueueBuilder(QUEUE),
        qbs=QuerySchedulerBuilder(QUEUE),
    )


class PoolDriver(AsyncpgPoolDriver):
    """PgQueuer's connections from the worker's pool. `on_lost` is called when the server leaves:
    the manager itself would tell only after its last running job has ended."""

    def __init__(self, pool: object) -> None:
        super().__init__(pool)  # type: ignore[arg-type, unused-ignore]
        self.on_lost: Callable[[], None] = lambda: None
        self._listens = asyncio.Event()

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        try:
            found: list[dict[str, object]] = await super().fetch(query, *args)
        except CONNECTION_LOST:
            self.on_lost()
            raise
        return found

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        await super().add_listener(channel, callback)
        self._listens.set()

    async def notify(self, channel: str, payload: str) -> None:
        # The manager probes its listener as soon as it starts: unheard, that counts as a failure.
        await self._listens.wait()
        await super().notify(channel, payload)


def payload(creator_id: UUID, subject_id: UUID) -> bytes:
    return creator_id.bytes + subject_id.bytes


def read_payload(data: bytes | None) -> tuple[UUID, UUID]:
    """(creator_id, subject_id) of a job."""
    if data is None or len(data) != 32:
        raise ValueError("a job of ours carries two ids")
    return UUID(bytes=data[:16]), UUID(bytes=data[16:])


async def enqueue(
    connection: PgConnection, kind: JobKind, creator_id: UUID, subject_id: UUID
) -> None:
    """Queue a job with the caller's transaction: it appears when that commits, or never."""
    await queries(AsyncpgDriver(connection)).enqueue(  # type: ignore[arg-type, unused-ignore]
        kind, payload(creator_id, subject_id), priority=PRIORITY[kind]
    )


async def enqueue_many(
    connection: PgConnection,
    kind: JobKind,
    subjects: list[tuple[UUID, UUID]],
    *,
    priority: int | None = None,
) -> None:
    """Queue a job for each (creator_id, subject_id); those of a higher priority go first."""
    if subjects:
        await queries(AsyncpgDriver(connection)).enqueue(  # type: ignore[arg-type, unused-ignore]
            [kind] * len(subjects),
            [payload(creator_id, subject_id) for creator_id, subject_id in subjects],
            priority=[PRIORITY[kind] if priority is None else priority] * len(subjects),
        )
