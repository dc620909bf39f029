"""How late sends are while very many wait, beside a creator with very many due, and replies then.

The scheduler runs in this process at a worker's pace. A reply's bound is the same reply with
nothing due; that of lateness is what we aim at.
"""

import asyncio
import statistics
import time
from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from benchmarks.report import Figure
from benchmarks.school import School, new_school
from benchmarks.stage import Stage
from core.channels import Address, MessageEvent, Sender
from core.runtime import Runtime
from shared.utils.clock import utc_now

DATABASE = "bench_punctuality"
PEOPLE = 20_000
WAITING = 1_000_000
BACKLOG = 100_000
PER_SECOND = 20
LAG_AIM = 2.0  # seconds
FAR = timedelta(days=3)
PAUSE = 0.1  # seconds from one reply to the next message
# How late each send was: it was written when the tick that settled it had ended.
_SETTLED = """
SELECT due_at, settled_at FROM app.scheduled_sends
WHERE creator_id = $1 AND state = 'sent' AND due_at >= $2 ORDER BY due_at
"""


@dataclass(kw_only=True)
class Worker:
    """Ticks as a worker does, and remembers when."""

    runtime: Runtime
    written: list[datetime] = field(default_factory=list)

    async def run(self) -> None:
        pause = self.runtime.settings.worker.tick_seconds
        while True:
            began = time.monotonic()
            count = await self.runtime.scheduler.tick()
            if count:
                self.written.append(utc_now())
            await asyncio.sleep(min(pause, time.monotonic() - began) if count else pause)

    async def lags(self, school: School, since: datetime) -> list[float]:
        """Seconds, of all that came due since."""
        async with self.runtime.database.transaction(school.id) as connection:
            rows = await connection.fetch(_SETTLED, school.id, since)
        ends = [self.written[bisect_left(self.written, row["settled_at"])] for row in rows]
        return [(end - row["due_at"]).total_seconds() for end, row in zip(ends, rows, strict=True)]


async def run(stage: Stage) -> list[Figure]:
    share = 50 if stage.quick else 1
    seconds = 5 if stage.quick else 30
    await stage.make_database(DATABASE)
    async with stage.runtime(DATABASE) as runtime:
        school = await new_school(stage, DATABASE, runtime, PEOPLE // share)
        neighbour = await new_school(stage, DATABASE, runtime, 1000 // share, bot_id=987654321)
        await school.add(stage, WAITING // share, utc_now() + FAR, timedelta(milliseconds=10))
        figures = await _steady(stage, school, WAITING // share, seconds)
        return figures + await _beside_a_backlog(stage, school, neighbour, BACKLOG // share)


async def _steady(stage: Stage, school: School, waiting: int, seconds: int) -> list[Figure]:
    """Sends that come due one after another, and replies meanwhile."""
    alone = await _replies(school, "alone", seconds)
    since = utc_now() + timedelta(seconds=1)
    await school.add(stage, seconds * PER_SECOND, since, timedelta(seconds=1 / PER_SECOND))
    worker, beside = await _ticking(school, "beside", seconds + 2)
    lags = await worker.lags(school, since)
    return [
        _lag(f"due-lag p99 at {PER_SECOND}/s, {len(lags)} sends among {waiting:,}", _p99(lags)),
        _reply_figure("a reply meanwhile", beside, alone),
    ]


async def _beside_a_backlog(
    stage: Stage, school: School, neighbour: School, backlog: int
) -> list[Figure]:
    """One creator's sends while another has very many due."""
    alone = await _replies(neighbour, "before", 5)
    await school.add(stage, backlog, utc_now() - FAR, timedelta(milliseconds=1))
    since, seconds = utc_now() + timedelta(seconds=1), 4 if stage.quick else 20
    await neighbour.add(stage, seconds * 2, since, timedelta(seconds=0.5))
    worker, beside = await _ticking(neighbour, "during", seconds + 2)
    lags = await worker.lags(neighbour, since)
    return [
        _lag(f"the latest of {len(lags)} beside another's {backlog:,} due", max(lags)),
        _reply_figure("a reply meanwhile", beside, alone),
    ]


async def _ticking(school: School, name: str, seconds: float) -> tuple[Worker, list[float]]:
    """A worker, and the replies of so long beside it."""
    worker = Worker(runtime=school.runtime)
    ticking = asyncio.create_task(worker.run())
    try:
        return worker, await _replies(school, name, seconds)
    finally:
        ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)


async def _replies(school: School, name: str, seconds: float) -> list[float]:
    """Seconds that each took, one after another with a pause between."""
    ends_at, found = time.monotonic() + seconds, list[float]()
    while time.monotonic() < ends_at:
        found.append(await _reply(school, f"{name}:{len(found)}"))
        await asyncio.sleep(PAUSE)
    return found


async def _reply(school: School, name: str) -> float:
    """Seconds from a message that is taken in to its answer, written."""
    event = MessageEvent(
        creator_id=school.id,
        channel_id=school.account.channel_id,
        external_id=name,
        occurred_at=utc_now(),
        address=Address(chat=name, person=name),
        sender=Sender(address=name, name="Ada"),
        text="How are you?",
    )
    began = time.perf_counter()
    accepted = await school.runtime.inbox.accept(event, conversation_key=name)
    await school.runtime.engine.take_turn(school.id, accepted.conversation_id)
    return time.perf_counter() - began


def _lag(name: str, seconds: float) -> Figure:
    return Figure(
        name=name, value=seconds, unit="s", bound=LAG_AIM, bound_name="the aim", at_most=1.0
    )


def _reply_figure(name: str, beside: list[float], alone: list[float]) -> Figure:
    return Figure(
        name=f"{name}, p50",
        value=statistics.median(beside) * 1000,
        unit="ms",
        bound=statistics.median(alone) * 1000,
        bound_name="with nothing due",
    )


def _p99(values: list[float]) -> float:
    return sorted(values)[max(0, int(len(values) * 0.99) - 1)]
