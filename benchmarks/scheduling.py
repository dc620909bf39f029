"""What is due among very many that wait: claimed, judged and written, and what it costs replies.

The bound of claiming is the same UPDATE … SKIP LOCKED of as many rows, ordered by nothing but time,
with no rule, no lock of a creator's own and no word about what becomes of a send.
"""

import asyncio
import statistics
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from benchmarks.report import Figure
from benchmarks.stage import Stage, superuser
from core.channels import Account, Address, MessageEvent, Sender
from core.creators import add_creator
from core.programs.sends import claims, releasing
from core.programs.sends.releasing import Settled
from core.runtime import Runtime
from shared.messages import Message
from shared.utils.clock import utc_now
from shared.utils.ids import new_id
from tests.crowds import add_crowd

DATABASE = "bench_scheduling"
PEOPLE = 20_000
WAITING = 1_000_000
BATCH = 500
PER_SECOND = 20
LAG_AIM = 2.0  # seconds
# A creator whose platform allows more: Telegram's limits are not what is measured.
CHANNEL = {"rates": {"account": 0, "conversation": 0}}
TELEGRAM = {"bot_token": "123456789:" + "a" * 35, "secret_token": "s3cret-of-the-webhook"}
FAR = timedelta(days=3)
_ADD = """
INSERT INTO app.scheduled_sends (creator_id, id, contact_id, source_kind, source_id, occurrence,
                                 class, purpose, planned_at, due_at)
SELECT $1, uuidv7(), c.id, 'broadcast', $2, gen_random_uuid(), 'broadcast', 'broadcast', m.at, m.at
FROM (SELECT id, row_number() OVER () AS n FROM app.contacts WHERE creator_id = $1) c
CROSS JOIN generate_series(0, ($3::int - 1) / $4::int) AS round (n)
CROSS JOIN LATERAL (SELECT $5::timestamptz + (round.n * $4 + c.n) * $6::interval AS at) m
WHERE round.n * $4 + c.n <= $3
"""
_BROADCAST = """
INSERT INTO app.broadcasts (creator_id, id, name, content, filter, actor, state)
VALUES ($1, $2, 'News', '{"en": {"text": "Hello {name}, a new course begins."}}', '{}', 'benchmark',
        'running')
"""
_BARE = """
UPDATE app.scheduled_sends SET state = 'sent', settled_at = now()
WHERE creator_id = $1 AND id IN (
  SELECT id FROM app.scheduled_sends
  WHERE creator_id = $1 AND class = 'broadcast' AND state = 'waiting' AND due_at <= $2
  ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED)
"""
_NO_CAPS = {"silence_days": [], "caps": {"broadcast": {"per_day": None}}}


@dataclass(kw_only=True)
class School:
    """A creator with people on Telegram and a broadcast that never ends."""

    runtime: Runtime
    id: UUID
    account: Account
    broadcast_id: UUID
    people: int

    async def add(self, stage: Stage, count: int, first: datetime, step: timedelta) -> None:
        async with superuser(stage, DATABASE) as connection:
            await connection.execute(
                _ADD, self.id, self.broadcast_id, count, self.people, first, step
            )
            await connection.execute("ANALYZE app.scheduled_sends")


async def run(stage: Stage) -> list[Figure]:
    waiting = WAITING // 50 if stage.quick else WAITING
    await stage.make_database(DATABASE)
    async with stage.runtime(DATABASE) as runtime:
        school = await _school(stage, runtime, PEOPLE // 10 if stage.quick else PEOPLE)
        figures = await _claimed(stage, school, waiting // 10)
        figures += await _claimed(stage, school, waiting - waiting // 10)
        figures.append(await _written(stage, school))
        return figures + await _steady(stage, school, seconds=5 if stage.quick else 30)


async def _school(stage: Stage, runtime: Runtime, people: int) -> School:
    creator_id = (await add_creator(runtime.database, "bench")).id
    account = await runtime.accounts.add(
        creator_id,
        runtime.channels["telegram"],
        name="bench",
        bot="echo",
        credentials=TELEGRAM,
        settings=CHANNEL,
    )
    broadcast_id = new_id()
    async with runtime.database.transaction(creator_id) as connection:
        await connection.execute(_BROADCAST, creator_id, broadcast_id)
        await connection.execute(
            "INSERT INTO app.creator_policies (creator_id, policy) VALUES ($1, $2)",
            creator_id,
            _NO_CAPS,
        )
    async with superuser(stage, DATABASE) as connection:
        await add_crowd(connection, creator_id, account.channel_id, people)
        await connection.execute("ANALYZE")
    return School(
        runtime=runtime, id=creator_id, account=account, broadcast_id=broadcast_id, people=people
    )


# --- claims


async def _claimed(stage: Stage, school: School, more: int) -> list[Figure]:
    """Rows claimed and settled a second, with so many more that wait for later."""
    await school.add(stage, more, utc_now() + FAR, timedelta(milliseconds=10))
    batches = 10 if stage.quick else 40
    found: dict[str, list[float]] = {"bare": [], "ours": []}
    await school.add(stage, 2 * batches * BATCH, utc_now() - FAR, timedelta(milliseconds=1))
    for _ in range(batches):  # in turns, for the table changes under both
        for name, one in (("bare", _bare), ("ours", _ours)):
            began = time.perf_counter()
            await one(school)
            found[name].append(time.perf_counter() - began)
    bare, ours = (BATCH / statistics.median(found[name]) for name in ("bare", "ours"))
    async with school.runtime.database.transaction(school.id) as connection:
        waiting = await connection.fetchval(
            "SELECT count(*) FROM app.scheduled_sends WHERE creator_id = $1 AND state = 'waiting'",
            school.id,
        )
    return [
        Figure(
            name=f"sends claimed and settled, {waiting:,} waiting",
            value=ours,
            unit="/s",
            bound=bare,
            bound_name="UPDATE … SKIP LOCKED of the same rows",
            at_least=0.3,
        )
    ]


async def _bare(school: School) -> None:
    async with school.runtime.database.transaction(school.id) as connection:
        await connection.execute(_BARE, school.id, utc_now(), BATCH)


async def _ours(school: School) -> None:
    now = utc_now()
    async with school.runtime.database.transaction(school.id) as connection:
        await claims.is_alone(connection, school.id)
        sends = await claims.claim(connection, school.id, now, BATCH)
        settled = [Settled(send_id=send.id, state="sent") for send in sends]
        await releasing.settle(connection, school.id, settled, now)


# --- judged and written


async def _written(stage: Stage, school: School) -> Figure:
    """Whole batches: claimed, judged by every gate, rendered, written and queued."""
    batches = 4 if stage.quick else 30
    await school.add(stage, batches * BATCH, utc_now() - FAR, timedelta(milliseconds=1))
    began, count = time.perf_counter(), 0
    while done := await school.runtime.scheduler.advance(school.id, BATCH):
        count += done
    seconds = time.perf_counter() - began
    bound = BATCH / statistics.median([await _messages(school) for _ in range(10)])
    return Figure(
        name="sends judged, rendered and written",
        value=count / seconds,
        unit="/s",
        bound=bound,
        bound_name="the messages alone, by the same statement",
    )


async def _messages(school: School) -> float:
    """Seconds for a batch of messages with no rule and no send."""
    async with school.runtime.database.transaction(school.id) as connection:
        rows = await connection.fetch(
            "SELECT id, contact_id FROM app.ai_conversations WHERE creator_id = $1 LIMIT $2",
            school.id,
            BATCH,
        )
    said = [
        releasing.Said(
            send_id=new_id(),
            conversation_id=row["id"],
            channel_id=school.account.channel_id,
            contact_id=row["contact_id"],
            message=_HELLO,
            push=True,
        )
        for row in rows
    ]
    began = time.perf_counter()
    async with school.runtime.database.transaction(school.id) as connection:
        await releasing.say(connection, school.id, said, utc_now())
    return time.perf_counter() - began


_HELLO = Message(text="Hello Person 1, a new course begins.")


# --- a steady flow


async def _steady(stage: Stage, school: School, seconds: int) -> list[Figure]:
    """How late sends are that come due one after another, and replies meanwhile."""
    alone = [await _reply(school, f"alone:{n}") for n in range(40)]
    step = timedelta(seconds=1 / PER_SECOND)
    await school.add(stage, seconds * PER_SECOND, utc_now() + timedelta(seconds=1), step)
    ends_at = time.monotonic() + seconds + 2
    ticking = asyncio.create_task(_tick_until(school, ends_at))
    beside: list[float] = []
    while time.monotonic() < ends_at:
        beside.append(await _reply(school, f"beside:{len(beside)}"))
        await asyncio.sleep(0.1)
    lags = await ticking
    return [
        Figure(
            name=f"due-lag p99 at {PER_SECOND}/s, {len(lags)} sends",
            value=_p99(lags),
            unit="s",
            bound=LAG_AIM,
            bound_name="the aim",
            at_most=1.0,
        ),
        Figure(
            name="a reply meanwhile, p50",
            value=statistics.median(beside) * 1000,
            unit="ms",
            bound=statistics.median(alone) * 1000,
            bound_name="with nothing due",
        ),
    ]


async def _tick_until(school: School, ends_at: float) -> list[float]:
    """Tick as a worker does; how late each send was when its batch was written."""
    lags: list[float] = []
    since = utc_now()
    while time.monotonic() < ends_at:
        if await school.runtime.scheduler.tick():
            written = utc_now()
            async with school.runtime.database.transaction(school.id) as connection:
                rows = await connection.fetch(
                    "SELECT due_at FROM app.scheduled_sends"
                    " WHERE creator_id = $1 AND state = 'sent' AND settled_at > $2",
                    school.id,
                    since,
                )
            lags += [(written - row["due_at"]).total_seconds() for row in rows]
            since = written
        await asyncio.sleep(school.runtime.settings.worker.tick_seconds)
    return lags


async def _reply(school: School, name: str) -> float:
    """Seconds from a message that is taken in to its answer, written."""
    chat = f"reply-{name}"
    event = MessageEvent(
        creator_id=school.id,
        channel_id=school.account.channel_id,
        external_id=name,
        occurred_at=utc_now(),
        address=Address(chat=chat, person=chat),
        sender=Sender(address=chat, name="Ada"),
        text="How are you?",
    )
    began = time.perf_counter()
    accepted = await school.runtime.inbox.accept(event, conversation_key=chat)
    await school.runtime.engine.take_turn(school.id, accepted.conversation_id)
    return time.perf_counter() - began


def _p99(values: list[Any]) -> float:
    return sorted(values)[max(0, int(len(values) * 0.99) - 1)] if values else float("nan")
