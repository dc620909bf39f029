"""What row level security costs: the product's reads under it, beside the same ones without.

A read is what a caller waits for: begin, bind the tenant, ask with the tenant in the predicate,
commit. The bound does the same as the same role in a copy of the database whose policies are off.
"""

import statistics
import time
from typing import Any
from uuid import UUID

import asyncpg

from benchmarks.report import Figure
from benchmarks.stage import Stage, superuser
from core.creators import add_creator

DATABASE = "bench_rls"
COPY = "bench_rls_off"
_BIND = "SELECT set_config('app.current_creator_id', $1, true)"
_FILL = (
    """
    INSERT INTO app.contacts (creator_id, id, name)
    SELECT c.creator_id, uuidv7(), 'Ada' FROM app.creators c, generate_series(1, 5)
    """,
    """
    INSERT INTO app.ai_conversations (creator_id, id, channel_id, contact_id, key, address,
                                      last_seq)
    SELECT k.creator_id, uuidv7(), h.id, k.id, k.id::text, '{}', $1
    FROM app.contacts k JOIN app.channels h ON h.creator_id = k.creator_id
    """,
    """
    INSERT INTO app.messages (creator_id, id, conversation_id, channel_id, contact_id, seq,
                              direction, kind, author, text, status)
    SELECT v.creator_id, uuidv7(), v.id, v.channel_id, v.contact_id, n, 'in', 'message', 'contact',
           'A message of ordinary length that somebody wrote to a coach, number ' || n, 'answered'
    FROM app.ai_conversations v, generate_series(1, $1::int) n
    """,
)
_OFF = """
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT relname FROM pg_class
    WHERE relnamespace = 'app'::regnamespace AND relrowsecurity LOOP
    EXECUTE format('ALTER TABLE app.%I DISABLE ROW LEVEL SECURITY', name);
  END LOOP;
END $$
"""
_READS = {
    "the latest 50 messages of a conversation": (
        "SELECT * FROM app.messages WHERE creator_id = $1 AND conversation_id = $2"
        " ORDER BY seq DESC LIMIT 50"
    ),
    "a message by its id": "SELECT * FROM app.messages WHERE creator_id = $1 AND id = $2",
    "the conversations of a tenant": (
        "SELECT * FROM app.ai_conversations WHERE creator_id = $1"
        " ORDER BY last_message_at DESC, id LIMIT 50"
    ),
    "all messages of a tenant, counted": (
        "SELECT status, count(*) FROM app.messages WHERE creator_id = $1 GROUP BY status"
    ),
}


async def run(stage: Stage) -> list[Figure]:
    tenants, messages = (10, 40) if stage.quick else (200, 300)
    await _fill(stage, tenants, messages)
    bound = await asyncpg.connect(stage.url(DATABASE))
    free = await asyncpg.connect(stage.url(COPY))
    try:
        subjects = await _subjects(free)
        rounds = 60 if stage.quick else 1000
        return [
            await _compare(name, sql, bound, free, subjects, rounds) for name, sql in _READS.items()
        ]
    finally:
        await bound.close()
        await free.close()


async def _fill(stage: Stage, tenants: int, messages: int) -> None:
    """Both databases: the second is a copy of the first, so that they differ in nothing else."""
    await stage.make_database(DATABASE)
    async with stage.runtime(DATABASE) as runtime:
        web = runtime.channels["web"]
        for _ in range(tenants):
            creator = (await add_creator(runtime.database, "bench")).id
            await runtime.accounts.add(
                creator, web, name="bench", bot="echo", credentials={}, settings={}
            )
    async with superuser(stage, DATABASE) as connection:
        for statement in _FILL:
            await connection.execute(statement, *([messages] if "$1" in statement else []))
    async with superuser(stage, "postgres") as connection:
        await connection.execute(f"CREATE DATABASE {COPY} TEMPLATE {DATABASE}")
    async with superuser(stage, COPY) as connection:
        await connection.execute(_OFF)
    for database in (DATABASE, COPY):
        async with superuser(stage, database) as connection:
            await connection.execute("VACUUM ANALYZE")


async def _subjects(free: Any) -> list[tuple[UUID, UUID, UUID]]:
    rows = await free.fetch(
        "SELECT DISTINCT ON (creator_id) creator_id, conversation_id, id FROM app.messages"
    )
    return [(row["creator_id"], row["conversation_id"], row["id"]) for row in rows]


async def _compare(
    name: str, sql: str, bound: Any, free: Any, subjects: list[Any], rounds: int
) -> Figure:
    """One after the other with the same subject, taking turns in who is first."""
    samples: dict[str, list[float]] = {"bound": [], "free": []}
    order = [("bound", bound), ("free", free)]
    for number in range(rounds):
        for label, connection in order:
            subject = subjects[number % len(subjects)]
            samples[label].append(await _read(connection, sql, subject))
        order.reverse()
    return Figure(
        name=name,
        value=statistics.median(samples["bound"]),
        unit="ms",
        bound=statistics.median(samples["free"]),
        bound_name="the same, policies off",
        at_most=1.05,
    )


async def _read(connection: Any, sql: str, subject: tuple[UUID, UUID, UUID]) -> float:
    arguments = (subject[0], subject[1 if "conversation_id = $2" in sql else 2])
    began = time.perf_counter()
    async with connection.transaction():
        await connection.execute(_BIND, str(subject[0]))
        await connection.fetch(sql, *arguments[: 2 if "$2" in sql else 1])
    return (time.perf_counter() - began) * 1000
