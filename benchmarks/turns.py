"""Full turns a second, from a stored message to the platform's 2xx, beside draining empty jobs."""

import asyncio
import sys
import time
from datetime import timedelta
from typing import Any

import asyncpg
from pgqueuer import Job
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.core.qm import QueueManager

from benchmarks.report import Figure
from benchmarks.stage import CAIRN, Stage, child
from core.channels import Account, Address, MessageEvent, Sender
from core.creators import add_creator
from core.jobs import enqueue_many, queries
from core.runtime import Runtime
from shared.database import DatabaseManager
from shared.queue_settings import QUEUE
from shared.settings import WorkerSettings
from shared.utils.clock import utc_now
from shared.utils.ids import new_id

TOKEN = "123456:BENCHMARK-TOKEN-00000000000000000000"
CHATS = 250
CONCURRENT_LOAD = 8
DEADLINE_SECONDS = 180.0

_LEFT = """
SELECT count(*) FROM app.messages WHERE creator_id = $1
  AND ((direction = 'in' AND status = 'pending') OR status IN ('queued', 'sending'))
"""
_SPAN = """
SELECT extract(epoch FROM max(sent_at) - min(created_at)) AS seconds,
       count(*) FILTER (WHERE status = 'sent') AS sent
FROM app.messages WHERE creator_id = $1 AND direction = 'out'
"""


async def run(stage: Stage) -> list[Figure]:
    count = 300 if stage.quick else 2000
    bare = await _bare_drain(stage, count)
    return [
        Figure(
            name=f"full turns over Telegram, {workers} worker{'s' if workers > 1 else ''}",
            value=await _turns(stage, workers, count),
            unit="/s",
            bound=bare,
            bound_name="PgQueuer drain of as many empty jobs, 1 worker",
        )
        for workers in (1, 2)
    ]


async def _turns(stage: Stage, workers: int, count: int) -> float:
    """Stored messages first, then the workers: the clock runs from reply to last 2xx."""
    database = f"bench_turns_{workers}"
    await stage.make_database(database)
    emulator = (sys.executable, "-m", "benchmarks.telegram", TOKEN)
    async with (
        child(emulator) as telegram_url,
        stage.runtime(database) as runtime,
    ):
        creator_id, account = await _school(runtime, telegram_url)
        await _fill(runtime, account, count)
        started = [child((*CAIRN, "worker"), stage.environment(database)) for _ in range(workers)]
        await asyncio.gather(*(worker.__aenter__() for worker in started))
        try:
            await _until_empty(runtime, creator_id)
        finally:
            await asyncio.gather(*(worker.__aexit__(None, None, None) for worker in started))
        async with runtime.database.transaction(creator_id) as connection:
            row = await connection.fetchrow(_SPAN, creator_id)
    assert row is not None
    if row["sent"] != count:
        raise SystemExit(f"{row['sent']} of {count} replies were sent")
    return count / float(row["seconds"])


async def _school(runtime: Runtime, telegram_url: str) -> tuple[Any, Account]:
    creator = await add_creator(runtime.database, "bench")
    account = await runtime.accounts.add(
        creator.id,
        runtime.channels["telegram"],
        name="bench",
        bot="echo",
        credentials={"bot_token": TOKEN, "secret_token": "benchmark"},
        # Telegram's own limits, which a real bot would keep, are not what is measured.
        settings={"api_base_url": telegram_url, "rates": {"account": 0, "conversation": 0}},
    )
    return creator.id, account


async def _fill(runtime: Runtime, account: Account, count: int) -> None:
    limit = asyncio.Semaphore(CONCURRENT_LOAD)

    async def one(number: int) -> None:
        chat = str(10_000 + number % CHATS)
        event = MessageEvent(
            creator_id=account.creator_id,
            channel_id=account.channel_id,
            external_id=f"update:{number}",
            occurred_at=utc_now(),
            address=Address(chat=chat, person=chat),
            sender=Sender(address=chat, name="Ada"),
            text=f"This is message number {number}.",
        )
        async with limit:
            await runtime.inbox.accept(event, conversation_key=chat)

    await asyncio.gather(*(one(number) for number in range(count)))


async def _until_empty(runtime: Runtime, creator_id: Any) -> None:
    ends_at = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < ends_at:
        async with runtime.database.transaction(creator_id) as connection:
            if await connection.fetchval(_LEFT, creator_id) == 0:
                return
        await asyncio.sleep(0.1)
    raise SystemExit(f"turns were not done within {DEADLINE_SECONDS:.0f} s")


async def _bare_drain(stage: Stage, count: int) -> float:
    """Jobs that do nothing, with the worker's own settings and connections."""
    await stage.make_database("bench_drain")
    settings = stage.settings("bench_drain")
    database = DatabaseManager(settings.database)
    await database.open()
    try:
        await _enqueue_empty(database, count)
        return await _drain(database.dispatch_pool, settings.worker, count)
    finally:
        await database.close()


async def _enqueue_empty(database: DatabaseManager, count: int) -> None:
    creator_id = new_id()
    async with database.dispatch() as connection, connection.transaction():
        await enqueue_many(connection, "turn", [(creator_id, new_id()) for _ in range(count)])


async def _drain(pool: "asyncpg.Pool[Any]", settings: WorkerSettings, count: int) -> float:
    manager = QueueManager(queries(AsyncpgPoolDriver(pool)), channel=QUEUE.channel)
    done = 0

    async def nothing(_job: Job) -> None:
        nonlocal done
        done += 1
        if done == count:
            manager.shutdown.set()

    manager.entrypoint("turn")(nothing)
    began = time.perf_counter()
    await manager.run(
        dequeue_timeout=timedelta(seconds=1),
        batch_size=max(1, settings.concurrency // 2),
        max_concurrent_tasks=settings.concurrency,
    )
    return count / (time.perf_counter() - began)
