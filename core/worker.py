"""One worker process: PgQueuer's entry points, the sweeper, listeners, and a graceful stop."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from uuid import UUID

import structlog
from pgqueuer import Job

from core.channels import Listens
from core.jobs import JobKind, PoolDriver, queries, read_payload
from core.places import Handler, PlacedManager, in_place, in_turn
from core.privacy import retention
from core.privacy.jobs import sweep_privacy
from core.programs.broadcasts.closing import sweep_broadcasts
from core.programs.entering import sweep_segments
from core.runtime import Runtime
from core.sweeper import sweep, sweep_documents, sweep_imports, sweep_migrations
from core.ticket_watch import watch_tickets
from shared.errors import AppError, Unavailable
from shared.queue_settings import QUEUE
from shared.utils.clock import utc_now

log = structlog.get_logger(__name__)

DEQUEUE_SECONDS = 1.0
HEARTBEAT_SECONDS = 30.0
RECONNECT_SECONDS = 1.0
LISTEN_SECONDS = 5.0
WATCH_SECONDS = 3.0
DOCUMENT_SECONDS = 60.0
DOCUMENTS_EVERY = 15  # sweeps between two looks for documents left half indexed
MIGRATIONS_EVERY = 5
# A creator whose day's upkeep is done costs one look.
FIRST_UPKEEP_SECONDS = 60.0
UPKEEP_SECONDS = 600.0
PRIVACY_PLACES = 2  # of each worker, for exports and erasures
IMPORT_PLACES = 2  # of each worker: a file of contacts is in no hurry
# Of a worker's places, those that migrations of embeddings may take.
MIGRATIONS_SHARE = 10


class Worker:
    """Runs jobs until stopped. A database that is away pauses it; it comes back by itself."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._settings = runtime.settings.worker
        self._stopping = asyncio.Event()
        self._manager: PlacedManager | None = None
        self._managers: set[asyncio.Task[None]] = set()
        self._running: dict[asyncio.Task[None], JobKind] = {}
        self._listening: dict[UUID, asyncio.Task[None]] = {}
        self._errands = asyncio.Semaphore(PRIVACY_PLACES)
        self._importing = asyncio.Semaphore(IMPORT_PLACES)
        # Many documents at once must leave places for people who wait for an answer.
        self._ingesting = asyncio.Semaphore(max(1, self._settings.concurrency // 2))
        self._migrating = asyncio.Semaphore(max(1, self._settings.concurrency // MIGRATIONS_SHARE))

    async def run(self) -> None:
        """Work until `stop`; then finish what is in flight, within the grace period."""
        async with asyncio.TaskGroup() as group:
            loops = (
                self._sweep,
                self._schedule,
                self._watch,
                self._listen,
                self._declare,
                self._keep_up,
            )
            helpers = [group.create_task(loop()) for loop in loops]
            await self._work()
            for helper in helpers:
                helper.cancel()
        # Each holds a connection for its lock: the pool can't close before they have ended.
        for listener in self._listening.values():
            listener.cancel()
        await asyncio.gather(*self._listening.values(), return_exceptions=True)

    def stop(self) -> None:
        """Take no new job. Safe to call from a signal handler, and twice."""
        self._stopping.set()
        if self._manager is not None:
            self._manager.shutdown.set()

    async def _work(self) -> None:
        while not self._stopping.is_set():
            await self._consume()
            if not self._stopping.is_set():
                log.warning("worker.reconnecting")
                await self._pause(RECONNECT_SECONDS)
        await self._drain()

    async def _consume(self) -> None:
        """Take jobs until told to stop, or until the database is away.

        A manager that failed still waits for its jobs, some of which may think for a minute: it
        ends by itself, and its successor begins beside it.
        """
        self._manager = manager = self._new_manager()
        running = asyncio.create_task(self._run(manager))
        self._managers.add(running)
        running.add_done_callback(self._managers.discard)
        shutdown = asyncio.create_task(manager.shutdown.wait())
        await asyncio.wait({running, shutdown}, return_when=asyncio.FIRST_COMPLETED)
        shutdown.cancel()

    def _new_manager(self) -> PlacedManager:
        driver = PoolDriver(self._runtime.database.dispatch_pool)
        manager = PlacedManager(
            queries(driver), channel=QUEUE.channel, places={"ingest": self._ingesting}
        )
        driver.on_lost = manager.shutdown.set
        if self._stopping.is_set():
            manager.shutdown.set()
        self._register(manager, "turn", self._runtime.engine.take_turn)
        self._register(manager, "deliver", self._runtime.outbox.deliver)
        ingesting = in_turn(self._ingesting, self._runtime.knowledge.ingest)
        self._register(manager, "ingest", ingesting)
        migrating = in_place(self._migrating, self._runtime.knowledge.migration.advance)
        self._register(manager, "migrate", migrating)
        self._register(manager, "export", in_place(self._errands, self._runtime.privacy.export))
        self._register(manager, "erase", in_place(self._errands, self._runtime.privacy.erase))
        importing = in_place(self._importing, self._runtime.contact_imports.advance)
        self._register(manager, "import", importing)
        return manager

    async def _run(self, manager: PlacedManager) -> None:
        try:
            await manager.run(
                dequeue_timeout=timedelta(seconds=DEQUEUE_SECONDS),
                batch_size=max(1, self._settings.concurrency // 2),
                max_concurrent_tasks=self._settings.concurrency,
                heartbeat_timeout=timedelta(seconds=HEARTBEAT_SECONDS),
                shutdown_on_listener_failure=True,
            )
        except Exception as error:
            log.warning("worker.manager_failed", error=type(error).__name__)

    async def _drain(self) -> None:
        """Let jobs in flight end; cancel those that don't, so that their leases are handed back."""
        # A delivery ends with the part that it is sending; the next worker sends the others. A
        # migration goes on there with the same batch.
        self._cancel("deliver", "migrate", "import", "export", "erase")
        if self._managers:
            await asyncio.wait(self._managers, timeout=self._settings.drain_seconds)
        self._cancel("turn", "deliver", "ingest", "migrate", "import", "export", "erase")
        await asyncio.gather(*self._managers)

    def _cancel(self, *kinds: JobKind) -> None:
        for task, kind in list(self._running.items()):
            if kind in kinds:
                task.cancel()

    def _register(self, manager: PlacedManager, kind: JobKind, handler: Handler) -> None:
        async def run(job: Job) -> None:
            creator_id, subject_id = read_payload(job.payload)
            task = asyncio.current_task()
            assert task is not None  # noqa: S101 - a job always runs in a task
            self._running[task] = kind
            try:
                await handler(creator_id, subject_id)
            except AppError as error:
                # The rows still say what is due, so the sweeper brings the job back.
                log.warning("job.failed", kind=kind, subject=str(subject_id), code=error.code)
            finally:
                del self._running[task]

        manager.entrypoint(kind)(run)

    async def _declare(self) -> None:
        """Bring every creator the programs that bots declare by now, once, beside other work."""
        with _survived("declared.failed"):
            await self._runtime.declared.sync_all(self._runtime.database)

    async def _sweep(self) -> None:
        count = 0
        while True:
            with _survived("sweep.failed"):
                await sweep(self._runtime.database, self._settings.forgotten_seconds)
                if count % DOCUMENTS_EVERY == 0:
                    await sweep_documents(self._runtime.database, DOCUMENT_SECONDS)
                if count % MIGRATIONS_EVERY == 0:
                    await sweep_migrations(self._runtime.database)
                    await sweep_imports(self._runtime.database)
                    await sweep_privacy(self._runtime.database)
            count += 1
            await asyncio.sleep(self._settings.sweep_seconds)

    async def _keep_up(self) -> None:
        """Once a day: delete what is kept no longer, measure what is stored."""
        database, pause = self._runtime.database, FIRST_UPKEEP_SECONDS
        while True:
            await asyncio.sleep(pause)
            pause = UPKEEP_SECONDS
            with _survived("upkeep.failed"):
                async with retention.alone(database) as is_alone:
                    if is_alone:
                        await retention.is_month_ready(database, utc_now())
                        await retention.keep_up(database)

    async def _schedule(self) -> None:
        """Send what is due. While there is more, half of the time is left to those who wait."""
        pause = self._settings.tick_seconds
        while True:
            began, count = time.monotonic(), 0
            with _survived("tick.failed"):
                count = await self._runtime.scheduler.tick()
            await asyncio.sleep(min(pause, time.monotonic() - began) if count else pause)

    async def _watch(self) -> None:
        """Look after what goes by the programs' clock and is in no hurry."""
        database, clock = self._runtime.database, self._runtime.clock
        while True:
            with _survived("watch.failed"):
                await sweep_segments(database, clock.now())
                await watch_tickets(database, clock.now())
                await sweep_broadcasts(database)
            await asyncio.sleep(WATCH_SECONDS)

    async def _listen(self) -> None:
        """Keep one listener for each channel that is polled instead of called."""
        while True:
            with _survived("listen.failed"):
                await self._start_listeners()
            await asyncio.sleep(LISTEN_SECONDS)

    async def _start_listeners(self) -> None:
        async with self._runtime.database.dispatch() as connection:
            rows = await connection.fetch(
                "SELECT creator_id, id FROM app.channels WHERE listens AND status = 'active'"
            )
        wanted = {row["id"]: row["creator_id"] for row in rows}
        for channel_id in list(self._listening):
            if channel_id not in wanted or self._listening[channel_id].done():
                self._listening.pop(channel_id).cancel()
        for channel_id, creator_id in wanted.items():
            if channel_id not in self._listening:
                task = asyncio.create_task(self._listen_to(creator_id, channel_id))
                self._listening[channel_id] = task

    async def _listen_to(self, creator_id: UUID, channel_id: UUID) -> None:
        """Receive as the webhook would, while this worker holds the channel's advisory lock."""
        runtime = self._runtime
        lock = channel_id.int & 0x7FFF_FFFF_FFFF_FFFF
        async with runtime.database.dispatch() as connection:
            # Two pollers of one bot would take each other's updates.
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", lock):
                return
            try:
                record = await runtime.accounts.get(creator_id, channel_id)
                adapter = runtime.channels[record.account.type]
                if isinstance(adapter, Listens):
                    async for request in adapter.listen(record.account):
                        parsed = adapter.parse(request, record.account)
                        await runtime.inbox.receive(record.account, adapter, parsed)
            except AppError as error:
                log.warning("listen.failed", channel_id=str(channel_id), code=error.code)
            finally:
                await connection.execute("SELECT pg_advisory_unlock($1)", lock)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)


@contextmanager
def _survived(action: str) -> Iterator[None]:
    """A helper that fails once must not end the worker: it looks again at its next turn."""
    try:
        yield
    except Unavailable:
        return
    except Exception as error:
        log.error(action, error=type(error).__name__, exc_info=error)
