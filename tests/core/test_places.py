"""Long jobs of a worker have so many places; what finds none waits in the queue."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

from pgqueuer import Job

from core.jobs import JobKind, PoolDriver, enqueue_many, queries, read_payload
from core.places import Handler, PlacedManager, in_place, in_turn
from shared.queue_settings import QUEUE
from shared.utils.ids import new_id
from tests.apps import App
from tests.waiting import eventually

PLACES, JOBS = 2, 7
SECOND = timedelta(seconds=1)


class Work:
    """Handlers that go on when they may."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()
        self.running = 0
        self.most = 0
        self.begun: list[UUID] = []

    async def do(self, creator_id: UUID, subject_id: UUID) -> None:
        self.begun.append(subject_id)
        self.running += 1
        self.most = max(self.most, self.running)
        await self.may_end.wait()
        self.running -= 1


async def queue(app: App, kind: JobKind, count: int) -> list[UUID]:
    ids = [new_id() for _ in range(count)]
    async with app.runtime.database.dispatch() as connection, connection.transaction():
        await enqueue_many(connection, kind, [(app.creator_id, one) for one in ids])
    return ids


@asynccontextmanager
async def managing(
    app: App, ingest: Handler, turn: Handler, places: asyncio.Semaphore
) -> AsyncIterator[PlacedManager]:
    driver = PoolDriver(app.runtime.database.dispatch_pool)
    manager = PlacedManager(queries(driver), channel=QUEUE.channel, places={"ingest": places})
    for kind, handler in (("ingest", ingest), ("turn", turn)):
        manager.entrypoint(kind)(_job(handler))
    running = asyncio.create_task(
        manager.run(dequeue_timeout=SECOND, batch_size=5, max_concurrent_tasks=10)
    )
    try:
        yield manager
    finally:
        manager.shutdown.set()
        await running


def _job(handler: Handler) -> Callable[[Job], Awaitable[None]]:
    async def run(job: Job) -> None:
        await handler(*read_payload(job.payload))

    return run


async def left(app: App) -> int:
    async with app.runtime.database.dispatch() as connection:
        count: int = await connection.fetchval("SELECT count(*) FROM queue.pgqueuer")
    return count


async def test_what_finds_no_place_waits_in_the_queue_and_others_go_on(school: App) -> None:
    documents, people, places = Work(), Work(), asyncio.Semaphore(PLACES)
    people.may_end.set()
    ids = await queue(school, "ingest", JOBS)
    async with managing(school, in_turn(places, documents.do), people.do, places) as manager:
        await eventually(lambda: documents.running == PLACES)
        asked = await queue(school, "turn", 3)
        await eventually(lambda: set(people.begun) == set(asked))
        assert documents.running == PLACES
        assert manager.entrypoints_below_capacity_limits() == {"turn"}
        documents.may_end.set()

        async def are_done() -> bool:
            return await left(school) == 0

        await eventually(are_done)
    assert documents.most == PLACES
    assert sorted(documents.begun) == sorted(ids)


async def test_what_the_sweeper_brings_back_takes_no_place_meanwhile(school: App) -> None:
    work, places = Work(), asyncio.Semaphore(1)
    run = in_place(places, work.do)
    first = asyncio.ensure_future(run(school.creator_id, new_id()))
    await eventually(lambda: work.running == 1)
    await run(school.creator_id, new_id())
    work.may_end.set()
    await first
    assert len(work.begun) == 1
