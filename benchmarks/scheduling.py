"""What is due among very many that wait: claimed, judged and written.

A claim is a lock on the row until what becomes of the send is committed with it: its bound is the
same SELECT … SKIP LOCKED of nothing but ids, that of claiming and settling an UPDATE … SKIP LOCKED
of as many rows, with no rule, no lock of a creator's own and no word about what becomes of a send.
"""

import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

from benchmarks.report import Figure
from benchmarks.school import School, new_school
from benchmarks.stage import Stage
from core.programs.sends import claims, releasing
from core.programs.sends.releasing import Settled
from shared.messages import Message
from shared.utils.clock import utc_now
from shared.utils.ids import new_id

DATABASE = "bench_scheduling"
PEOPLE = 20_000
WAITING = 1_000_000
BATCH = 500
FAR = timedelta(days=3)
_BARE_CLAIM = """
SELECT id FROM app.scheduled_sends
WHERE creator_id = $1 AND class = 'broadcast' AND state = 'waiting' AND due_at <= $2
ORDER BY due_slot, due_at LIMIT $3 FOR UPDATE SKIP LOCKED
"""
_BARE = """
UPDATE app.scheduled_sends SET state = 'sent', settled_at = now()
WHERE creator_id = $1 AND id IN (
  SELECT id FROM app.scheduled_sends
  WHERE creator_id = $1 AND class = 'broadcast' AND state = 'waiting' AND due_at <= $2
  ORDER BY due_slot, due_at LIMIT $3 FOR UPDATE SKIP LOCKED)
"""
Way = Callable[[School], Awaitable[None]]


async def run(stage: Stage) -> list[Figure]:
    waiting = WAITING // 50 if stage.quick else WAITING
    await stage.make_database(DATABASE)
    async with stage.runtime(DATABASE) as runtime:
        school = await new_school(stage, DATABASE, runtime, PEOPLE // 10 if stage.quick else PEOPLE)
        figures = await _claimed(stage, school, waiting // 10)
        figures += await _claimed(stage, school, waiting - waiting // 10)
        return [*figures, await _written(stage, school)]


# --- claims


async def _claimed(stage: Stage, school: School, more: int) -> list[Figure]:
    """Rows claimed and settled a second, with so many more that wait for later."""
    await school.add(stage, more, utc_now() + FAR, timedelta(milliseconds=10))
    batches = 10 if stage.quick else 40
    ways = (_bare_claim, _claim, _bare, _ours)
    found: dict[Way, list[float]] = {way: [] for way in ways}
    await school.add(stage, 2 * batches * BATCH, utc_now() - FAR, timedelta(milliseconds=1))
    for _ in range(batches):  # in turns, for the table changes under all of them
        for way in ways:
            began = time.perf_counter()
            await way(school)
            found[way].append(time.perf_counter() - began)
    bare_claim, claim, bare, ours = (BATCH / statistics.median(found[way]) for way in ways)
    async with school.runtime.database.transaction(school.id) as connection:
        waiting = await connection.fetchval(
            "SELECT count(*) FROM app.scheduled_sends WHERE creator_id = $1 AND state = 'waiting'",
            school.id,
        )
    return [
        Figure(
            name=f"sends claimed, {waiting:,} waiting",
            value=claim,
            unit="/s",
            bound=bare_claim,
            bound_name="SELECT … SKIP LOCKED of the same ids",
        ),
        Figure(
            name=f"sends claimed and settled, {waiting:,} waiting",
            value=ours,
            unit="/s",
            bound=bare,
            bound_name="UPDATE … SKIP LOCKED of the same rows",
            at_least=0.3,
        ),
    ]


async def _bare_claim(school: School) -> None:
    async with school.runtime.database.transaction(school.id) as connection:
        await connection.fetch(_BARE_CLAIM, school.id, utc_now(), BATCH)


async def _claim(school: School) -> None:
    async with school.runtime.database.transaction(school.id) as connection:
        await claims.claim(connection, school.id, utc_now(), BATCH)


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
