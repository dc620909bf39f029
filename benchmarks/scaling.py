"""What a turn costs when there is much else: a long past, a backlog, many tenants.

A turn here is accept + take_turn with a bot that costs nothing, on the web channel, whose reply is
delivered when it is stored. Batches of the two cases alternate and medians are compared.
"""

import itertools
import statistics
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from benchmarks.report import Figure
from benchmarks.stage import Stage, superuser
from core.channels import Account, Address, MessageEvent, Sender
from core.creators import add_creator
from core.runtime import Runtime
from shared.utils.clock import utc_now

BATCH = 25

# Written by the superuser, as rows that the product would have written over months.
_HISTORY = """
INSERT INTO app.messages (creator_id, id, conversation_id, channel_id, contact_id, seq, direction,
                          kind, author, text, status)
SELECT v.creator_id, uuidv7(- make_interval(secs => $2 - n)), v.id, v.channel_id, v.contact_id,
       v.last_seq + n, CASE n % 2 WHEN 0 THEN 'out' ELSE 'in' END, 'message',
       CASE n % 2 WHEN 0 THEN 'bot' ELSE 'contact' END, 'An earlier message, number ' || n,
       CASE n % 2 WHEN 0 THEN 'sent' ELSE 'answered' END
FROM app.ai_conversations v, generate_series(1, $2::int) n WHERE v.id = $1
"""
_MOVED_ON = "UPDATE app.ai_conversations SET last_seq = last_seq + $2 WHERE id = $1"
_PEOPLE = """
WITH people AS (
  INSERT INTO app.contacts (creator_id, id, name)
  SELECT $1, uuidv7(), 'Ada' FROM generate_series(1, $3::int) RETURNING id
)
INSERT INTO app.ai_conversations (creator_id, id, channel_id, contact_id, key, address, last_seq,
                                  inbound_due_at, inbound_hinted_at)
SELECT $1, uuidv7(), $2, id, id::text, jsonb_build_object('chat', id::text), 100, now(), now()
FROM people
"""
_BACKLOG = """
INSERT INTO app.messages (creator_id, id, conversation_id, channel_id, contact_id, seq, direction,
                          kind, author, text, status)
SELECT creator_id, uuidv7(), id, channel_id, contact_id, n, 'in', 'message', 'contact',
       'A message that waits, number ' || n, 'pending'
FROM app.ai_conversations, generate_series(1, 100) n WHERE inbound_due_at IS NOT NULL
"""
_JOBS = """
INSERT INTO queue.pgqueuer (priority, entrypoint, payload, execute_after, status)
SELECT 10, 'turn', uuid_send(creator_id) || uuid_send(conversation_id), now(), 'queued'
FROM app.messages WHERE status = 'pending'
"""


@dataclass(kw_only=True)
class Case:
    """A runtime and the people whose turns are timed, one after another."""

    runtime: Runtime
    people: "itertools.cycle[tuple[Account, str]]"

    async def batch(self) -> list[float]:
        return [await self.turn() for _ in range(BATCH)]

    async def turn(self) -> float:
        account, key = next(self.people)
        event = _message(account, key)
        began = time.perf_counter()
        accepted = await self.runtime.inbox.accept(event, conversation_key=key)
        await self.runtime.engine.take_turn(account.creator_id, accepted.conversation_id)
        return (time.perf_counter() - began) * 1000


def _message(account: Account, key: str) -> MessageEvent:
    return MessageEvent(
        creator_id=account.creator_id,
        channel_id=account.channel_id,
        external_id=uuid4().hex,
        occurred_at=utc_now(),
        address=Address(chat=key, person=key),
        sender=Sender(address=key, name="Ada"),
        text="How are you?",
    )


async def run(stage: Stage) -> list[Figure]:
    history, backlog, tenants = (1000, 10_000, 50) if stage.quick else (10_000, 100_000, 1000)
    batches = 4 if stage.quick else 16
    figures = []
    for name, make in (
        (f"{history:,} earlier messages", lambda: _history(stage, history)),
        (f"{backlog:,} messages of backlog", lambda: _backlog(stage, backlog)),
        (f"{tenants:,} tenants", lambda: _tenants(stage, tenants)),
    ):
        figures.append(await _compare(stage, name, make, batches))
    return figures


async def _compare(stage: Stage, name: str, make: Callable[[], Any], batches: int) -> Figure:
    async with AsyncExitStack() as stack:
        database = await make()
        full = await stack.enter_async_context(stage.runtime(database.name))
        empty = await stack.enter_async_context(stage.runtime("bench_empty"))
        cases = {"full": database.case(full), "empty": (await _empty(stage)).case(empty)}
        samples: dict[str, list[float]] = {"full": [], "empty": []}
        for case in cases.values():
            await case.batch()
        for _ in range(batches):
            for label, case in cases.items():
                samples[label].extend(await case.batch())
    return Figure(
        name=f"a turn at {name}",
        value=statistics.median(samples["full"]),
        unit="ms",
        bound=statistics.median(samples["empty"]),
        bound_name="a turn at none (1 tenant)",
        at_most=1.2,
    )


@dataclass(kw_only=True)
class Filled:
    """A database, and who talks in it."""

    name: str
    people: list[tuple[Account, str]]

    def case(self, runtime: Runtime) -> Case:
        return Case(runtime=runtime, people=itertools.cycle(self.people))


async def _empty(stage: Stage) -> Filled:
    """A new tenant with new conversations, beside the few of earlier comparisons."""
    await stage.make_database("bench_empty")
    async with stage.runtime("bench_empty") as runtime:
        account = await _add_tenant(runtime)
    return Filled(name="bench_empty", people=[(account, uuid4().hex) for _ in range(10)])


async def _history(stage: Stage, count: int) -> Filled:
    name = "bench_history"
    await stage.make_database(name)
    async with stage.runtime(name) as runtime:
        account = await _add_tenant(runtime)
        people = [(account, uuid4().hex) for _ in range(10)]
        ids = [
            (await runtime.inbox.accept(_message(*person), conversation_key=person[1]))
            for person in people
        ]
    async with superuser(stage, name) as connection:
        for accepted in ids:
            await connection.execute(_HISTORY, accepted.conversation_id, count)
            await connection.execute(_MOVED_ON, accepted.conversation_id, count)
        await connection.execute("VACUUM ANALYZE")
    return Filled(name=name, people=people)


async def _backlog(stage: Stage, count: int) -> Filled:
    """Messages of other conversations that wait, with their jobs in the queue."""
    name = "bench_backlog"
    await stage.make_database(name)
    async with stage.runtime(name) as runtime:
        account = await _add_tenant(runtime)
    async with superuser(stage, name) as connection:
        await connection.execute(_PEOPLE, account.creator_id, account.channel_id, count // 100)
        await connection.execute(_BACKLOG)
        await connection.execute(_JOBS)
        await connection.execute("VACUUM ANALYZE")
    return Filled(name=name, people=[(account, uuid4().hex) for _ in range(10)])


async def _tenants(stage: Stage, count: int) -> Filled:
    """Each tenant with a channel and a conversation; the traffic is spread over all of them."""
    name = "bench_tenants"
    await stage.make_database(name)
    async with stage.runtime(name) as runtime:
        people = [(await _add_tenant(runtime), uuid4().hex) for _ in range(count)]
        for person in people:
            accepted = await runtime.inbox.accept(_message(*person), conversation_key=person[1])
            await runtime.engine.take_turn(person[0].creator_id, accepted.conversation_id)
    async with superuser(stage, name) as connection:
        await connection.execute("VACUUM ANALYZE")
    return Filled(name=name, people=people)


async def _add_tenant(runtime: Runtime) -> Account:
    creator: UUID = (await add_creator(runtime.database, "bench")).id
    return await runtime.accounts.add(
        creator, runtime.channels["web"], name="bench", bot="echo", credentials={}, settings={}
    )
