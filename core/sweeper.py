"""Find what hints forgot: conversations, documents and migrations whose job was lost or is due.

It runs as cairn_dispatch and sees ids, times and leases of all creators, never content. Postgres
is the truth; the queue, notifications and Redis are hints.
"""

from uuid import UUID

from core.jobs import JobKind, enqueue_many
from core.leases import COLUMNS, LeaseKind
from shared.database import DatabaseManager

BATCH = 500
JOBS: tuple[tuple[LeaseKind, JobKind], ...] = (("turn", "turn"), ("delivery", "deliver"))


def _forgotten(kind: LeaseKind) -> str:
    # Due, and not held; and never hinted since it fell due, or its holder died since the last
    # hint, or that hint is so old that the job must be lost. Names come from our own table.
    c = COLUMNS[kind]
    return f"""
    WITH found AS (
      SELECT creator_id, id FROM app.ai_conversations
      WHERE {c.due} <= now() AND ({c.until} IS NULL OR {c.until} < now())
        AND ({c.hinted} IS NULL OR {c.hinted} < {c.due} OR {c.hinted} < {c.until}
             OR {c.hinted} < now() - make_interval(secs => $1))
      ORDER BY {c.due} LIMIT $2 FOR UPDATE SKIP LOCKED
    )
    UPDATE app.ai_conversations v SET {c.hinted} = now() FROM found
    WHERE v.creator_id = found.creator_id AND v.id = found.id RETURNING v.creator_id, v.id
    """  # noqa: S608


_FORGOTTEN: dict[LeaseKind, str] = {kind: _forgotten(kind) for kind in COLUMNS}


# A document is hinted by its own job; one that is still unfinished after this long lost it.
_UNFINISHED = """
SELECT creator_id, id FROM app.knowledge_documents
WHERE status IN ('pending', 'reading', 'indexing')
  AND updated_at < now() - make_interval(secs => $1)
ORDER BY updated_at LIMIT $2
"""


async def sweep_documents(database: DatabaseManager, forgotten_seconds: float) -> int:
    """Queue a job for every document whose indexing stopped; how many there were."""
    async with database.dispatch() as connection, connection.transaction():
        rows = await connection.fetch(_UNFINISHED, forgotten_seconds, BATCH)
        await enqueue_many(connection, "ingest", [(r["creator_id"], r["id"]) for r in rows])
    return len(rows)


# While a worker has one, it is not due: it moves the time on with each beat of its heart.
_DUE_MIGRATIONS = """
SELECT creator_id, id FROM app.embedding_migrations
WHERE state NOT IN ('done', 'aborted') AND NOT is_paused AND due_at <= now()
ORDER BY due_at LIMIT $1
"""


async def sweep_migrations(database: DatabaseManager) -> int:
    """Queue a job for every migration that nobody works on; how many there were."""
    async with database.dispatch() as connection, connection.transaction():
        rows = await connection.fetch(_DUE_MIGRATIONS, BATCH)
        await enqueue_many(connection, "migrate", [(r["creator_id"], r["id"]) for r in rows])
    return len(rows)


# Held by a worker it is due in a minute; each batch moves that on.
_DUE_IMPORTS = """
SELECT creator_id, id FROM app.contact_imports
WHERE state IN ('waiting', 'running') AND due_at <= now() - make_interval(secs => $1)
ORDER BY due_at LIMIT $2
"""
IMPORT_SECONDS = 2.0  # in which the job that came with it has begun


async def sweep_imports(database: DatabaseManager) -> int:
    """Queue a job for every import of contacts that nobody works on; how many there were."""
    async with database.dispatch() as connection, connection.transaction():
        rows = await connection.fetch(_DUE_IMPORTS, IMPORT_SECONDS, BATCH)
        await enqueue_many(connection, "import", [(r["creator_id"], r["id"]) for r in rows])
    return len(rows)


async def sweep(database: DatabaseManager, forgotten_seconds: float) -> int:
    """Queue a job for everything forgotten; how many there were."""
    found = 0
    async with database.dispatch() as connection, connection.transaction():
        for lease_kind, job_kind in JOBS:
            rows = await connection.fetch(_FORGOTTEN[lease_kind], forgotten_seconds, BATCH)
            subjects: list[tuple[UUID, UUID]] = [(row["creator_id"], row["id"]) for row in rows]
            await enqueue_many(connection, job_kind, subjects)
            found += len(subjects)
    return found
