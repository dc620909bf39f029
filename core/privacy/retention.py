"""Keep what is said no longer than its creator wants; once a day, a creator after another.

Deleted: messages with their attempts, what told of them, sends that were settled, old exports'
files. Never: what waits to be answered or sent, what a person set as a goal and achieved (it ends
with the person), what was agreed to and refused. Partitions are the operator's.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from core.creators import creator_ids
from core.policies import Policy, load_policy
from core.usage import standings, tell
from migrations.partitions import months_from, partition_name
from shared.database import DatabaseManager, PgConnection
from shared.errors import Unavailable
from shared.failpoints import failpoint
from shared.models import exports, usage
from shared.utils.clock import utc_now
from shared.utils.ids import first_id

log = structlog.get_logger(__name__)

LOCK = 7_221_446_319  # any fixed number: one worker at a time
BATCH = 500
BATCHES = 200  # of one creator in a day; what is left goes on the next day
# Between two batches, so that people who wait for an answer come first.
PAUSE_SECONDS = 0.05

# By id, which begins with the time: from the oldest partition on, by the primary key. A message
# stays while its conversation has something of that age to do.
_MESSAGES = """
WITH page AS (
  SELECT m.id, m.channel_id, m.external_id FROM app.messages m
  WHERE m.creator_id = $1 AND m.id > $4 AND m.id < $2
    AND (m.direction = 'in' AND m.status IN ('answered', 'ignored')
         OR m.direction = 'out' AND m.status IN
           ('sent', 'delivered', 'read', 'failed', 'undelivered', 'canceled'))
  ORDER BY m.id LIMIT $3
), events AS (
  DELETE FROM app.accepted_events e USING page p
  WHERE e.creator_id = $1 AND e.channel_id = p.channel_id AND e.external_id = p.external_id
), gone AS (
  DELETE FROM app.messages m USING page p WHERE m.creator_id = $1 AND m.id = p.id RETURNING 1
)
SELECT (SELECT count(*) FROM gone) AS count, (SELECT max(id::text)::uuid FROM page) AS last
"""
# A row is also what keeps a slot from being sent twice: it stays while its slot may be planned.
_SENDS = """
DELETE FROM app.scheduled_sends WHERE creator_id = $1 AND id IN (
  SELECT id FROM app.scheduled_sends
  WHERE creator_id = $1 AND due_at < $2 AND settled_at < $2
    AND state NOT IN ('waiting', 'claimed')
    AND NOT EXISTS (SELECT FROM app.enrolments e WHERE e.creator_id = $1
      AND e.id = scheduled_sends.source_id AND e.status IN ('active', 'paused'))
    AND NOT EXISTS (SELECT FROM app.broadcasts b WHERE b.creator_id = $1
      AND b.id = scheduled_sends.source_id AND b.state IN ('draft', 'running', 'paused'))
    AND (source_kind <> 'silence' OR settled_at < $2 - interval '366 days')
  ORDER BY due_at, id LIMIT $3)
"""
_RECEIPTS = "DELETE FROM app.early_receipts WHERE creator_id = $1 AND received_at < $2"
_CODES = "DELETE FROM app.link_codes WHERE creator_id = $1 AND expires_at < now()"


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What one creator's day did."""

    messages: int = 0
    sends: int = 0
    is_done: bool = True


async def keep_up(database: DatabaseManager, now: datetime | None = None) -> int:
    """Do the day's work for every creator that hasn't had it; for how many it was done."""
    moment, done = now or utc_now(), 0
    for creator_id in await creator_ids(database):
        try:
            done += await keep_up_one(database, creator_id, moment)
        except Unavailable as error:
            log.warning("retention.waits", creator_id=str(creator_id), code=error.code)
    return done


@asynccontextmanager
async def alone(database: DatabaseManager) -> AsyncIterator[bool]:
    """Whether no other worker is at it; none will be until the block ends."""
    async with database.dispatch() as connection:
        taken = await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK)
        try:
            yield bool(taken)
        finally:
            if taken:
                await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)


async def is_month_ready(database: DatabaseManager, now: datetime) -> bool:
    """Whether next month's messages will have a partition; `cairn migrate` makes it."""
    _, following = months_from(now.date(), 2)
    name = f"app.{partition_name(following)}"
    async with database.lookup() as connection:
        found = await connection.fetchval("SELECT to_regclass($1)", name)
    if found is None:
        log.warning("partitions.missing", name=name, mend="cairn migrate")
    return found is not None


async def keep_up_one(database: DatabaseManager, creator_id: UUID, now: datetime) -> bool:
    """One creator's day, once: the measured storage of the day says that it is done."""
    async with database.transaction(creator_id) as db:
        if await usage.storage_of(db, creator_id, now.date()) is not None:
            return False
        policy = await load_policy(db, creator_id)
        await exports.expire(db, creator_id)
        await db.execute(_CODES, creator_id)
    kept = await retain(database, creator_id, policy, now)
    async with database.transaction(creator_id) as db:
        found = await standings(db, creator_id, policy, now)
        await usage.set_storage(db, creator_id, now.date(), found["storage"].used)
        await tell(db, creator_id, found, now)
    if kept.messages or kept.sends:
        log.info(
            "retention.kept",
            creator_id=str(creator_id),
            messages=kept.messages,
            sends=kept.sends,
            is_done=kept.is_done,
        )
    return True


async def retain(
    database: DatabaseManager, creator_id: UUID, policy: Policy, now: datetime
) -> Kept:
    """Delete what is older than the policy keeps, at most so many batches."""
    if policy.retention_days is None:
        return Kept()
    before = now - timedelta(days=policy.retention_days)
    messages, is_done = await _messages(database, creator_id, before)
    sends = 0
    for _ in range(BATCHES):
        async with database.transaction(creator_id) as db:
            tag = await db.execute(_SENDS, creator_id, before, BATCH)
        count = int(tag.rsplit(" ", 1)[-1])
        sends += count
        if count < BATCH:
            break
        await asyncio.sleep(PAUSE_SECONDS)
    async with database.transaction(creator_id) as db:
        await db.execute(_RECEIPTS, creator_id, before)
    return Kept(messages=messages, sends=sends, is_done=is_done)


async def _messages(
    database: DatabaseManager, creator_id: UUID, before: datetime
) -> tuple[int, bool]:
    """(how many were deleted, whether that was all)."""
    deleted, after = 0, UUID(int=0)
    for _ in range(BATCHES):
        async with database.transaction(creator_id) as db:
            row = await _page(db, creator_id, first_id(before), after)
        await failpoint("mid-retention")
        deleted += row[0]
        if row[0] < BATCH or row[1] is None:
            return deleted, True
        after = row[1]
        await asyncio.sleep(PAUSE_SECONDS)
    return deleted, False


async def _page(
    db: PgConnection, creator_id: UUID, before: UUID, after: UUID
) -> tuple[int, UUID | None]:
    row = await db.fetchrow(_MESSAGES, creator_id, before, BATCH, after)
    assert row is not None  # noqa: S101 - counts give one row
    return row["count"], row["last"]
