"""A broadcast to very many: tried out, planned, paused, resumed, cancelled, beside the bare writes.

The bound of planning writes the same rows into the same table with the same indexes, and knows
nothing: no segment, no consent, no way to a contact, no pace, no id but the server's own.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from benchmarks.report import Figure
from benchmarks.stage import Stage, superuser
from core.creators import add_creator
from core.programs.broadcasts.broadcast import Broadcasts
from core.runtime import Runtime
from shared.utils.ids import new_id
from tests.crowds import add_crowd

DATABASE = "bench_broadcasts"
CONTACTS = 100_000
ACTOR = "benchmark"
TELEGRAM = {"bot_token": "123456789:" + "a" * 35, "secret_token": "s3cret-of-the-webhook"}
NEWS = {
    "name": "News",
    "purpose": "broadcast",
    "content": {"en": {"text": "Hello {name}, a new course begins."}},
    "filter": {"not": {"field": "tags", "op": "has", "value": "quiet"}},
    "segment_id": None,
    "channel_id": None,
    "starts_at": None,
    "spread_seconds": 0,
    "expires_after_seconds": 86_400,
}
_BARE = """
INSERT INTO app.scheduled_sends (creator_id, id, contact_id, source_kind, source_id, class, purpose,
                                 planned_at, due_at, window_end)
SELECT $1, uuidv7(), c.id, 'broadcast', $2, 'broadcast', 'broadcast', m.at, m.at,
       m.at + interval '1 day'
FROM (SELECT id, row_number() OVER () AS n FROM app.contacts WHERE creator_id = $1) c
CROSS JOIN LATERAL (SELECT now() + c.n * interval '40 ms' AS at) m
"""


async def run(stage: Stage) -> list[Figure]:
    count = CONTACTS // 50 if stage.quick else CONTACTS
    await stage.make_database(DATABASE)
    async with stage.runtime(DATABASE) as runtime:
        creator_id = await _fill(stage, runtime, count)
        broadcasts = Broadcasts(runtime.database, runtime.channels, runtime.clock)
        return await _measure(stage, runtime, broadcasts, creator_id, count)


async def _fill(stage: Stage, runtime: Runtime, count: int) -> UUID:
    creator_id = (await add_creator(runtime.database, "bench")).id
    channel = await runtime.accounts.add(
        creator_id,
        runtime.channels["telegram"],
        name="bench",
        bot="echo",
        credentials=TELEGRAM,
        settings={},
    )
    async with superuser(stage, DATABASE) as connection:
        await add_crowd(connection, creator_id, channel.channel_id, count)
        await connection.execute("VACUUM ANALYZE")
    return creator_id


async def _measure(
    stage: Stage, runtime: Runtime, broadcasts: Broadcasts, creator_id: UUID, count: int
) -> list[Figure]:
    bare, planned = [], []
    for _ in range(1 if stage.quick else 3):
        await _clear(stage)
        bare.append(await _timed(lambda: _plan_bare(runtime, creator_id)))
        await _clear(stage)
        made = await broadcasts.add(creator_id, NEWS, actor=ACTOR)
        planned.append(await _step(broadcasts.start, creator_id, made.id))
    paused = await _step(broadcasts.pause, creator_id, made.id)
    resumed = await _step(broadcasts.resume, creator_id, made.id)
    counted = await _timed(lambda: broadcasts.get(creator_id, made.id))
    foreseen = await broadcasts.dry_run(creator_id, made.id)
    tried = await _timed(lambda: broadcasts.dry_run(creator_id, made.id))
    cancelled = await _step(broadcasts.cancel, creator_id, made.id)
    return [
        Figure(
            name=f"{count:,} recipients planned in one statement",
            value=min(planned),
            unit="s",
            bound=min(bare),
            bound_name="INSERT … SELECT without any logic",
            at_most=2.0,
        ),
        Figure(name="tried out", value=tried, unit="s"),
        Figure(name="paused", value=paused, unit="s"),
        Figure(name="resumed, spread anew", value=resumed, unit="s"),
        Figure(name="its progress counted", value=counted, unit="s"),
        Figure(name="cancelled", value=cancelled, unit="s"),
        Figure(
            name="to be sent on one Telegram bot",
            value=foreseen.seconds / 60,
            unit="min",
            bound=count / 30 / 60,
            bound_name="30 a second",
            at_least=1.0,
        ),
    ]


async def _plan_bare(runtime: Runtime, creator_id: UUID) -> None:
    async with runtime.database.transaction(creator_id) as connection:
        await connection.execute("SET LOCAL statement_timeout = '120s'")
        await connection.execute(_BARE, creator_id, new_id(), timeout=125)


async def _clear(stage: Stage) -> None:
    async with superuser(stage, DATABASE) as connection:
        await connection.execute("TRUNCATE app.scheduled_sends")


async def _step(take: Callable[..., Awaitable[Any]], creator_id: UUID, broadcast_id: UUID) -> float:
    return await _timed(lambda: take(creator_id, broadcast_id, actor=ACTOR))


async def _timed(work: Callable[[], Awaitable[Any]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began
