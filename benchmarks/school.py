"""A creator with very many people on Telegram, and sends that wait for them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from benchmarks.stage import Stage, superuser
from core.channels import Account
from core.creators import add_creator
from core.runtime import Runtime
from shared.utils.ids import new_id
from tests.crowds import add_crowd

# A creator whose platform allows more: Telegram's limits are not what is measured.
CHANNEL = {"rates": {"account": 0, "conversation": 0}}
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
_NO_CAPS = {"silence_days": [], "caps": {"broadcast": {"per_day": None}}}


@dataclass(kw_only=True)
class School:
    """A creator with people on Telegram and a broadcast that never ends."""

    runtime: Runtime
    id: UUID
    account: Account
    broadcast_id: UUID
    people: int
    database: str

    async def add(self, stage: Stage, count: int, first: datetime, step: timedelta) -> None:
        async with superuser(stage, self.database) as connection:
            await connection.execute(
                _ADD, self.id, self.broadcast_id, count, self.people, first, step
            )
            await connection.execute("ANALYZE app.scheduled_sends")


async def new_school(
    stage: Stage, database: str, runtime: Runtime, people: int, *, bot_id: int = 123456789
) -> School:
    """Everybody in it has agreed to broadcasts, and nothing limits them."""
    creator_id = (await add_creator(runtime.database, "bench")).id
    account = await runtime.accounts.add(
        creator_id,
        runtime.channels["telegram"],
        name="bench",
        bot="echo",
        credentials={"bot_token": f"{bot_id}:{'a' * 35}", "secret_token": "s3cret-of-the-webhook"},
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
    async with superuser(stage, database) as connection:
        await add_crowd(connection, creator_id, account.channel_id, people)
        await connection.execute("ANALYZE")
    return School(
        runtime=runtime,
        id=creator_id,
        account=account,
        broadcast_id=broadcast_id,
        people=people,
        database=database,
    )
