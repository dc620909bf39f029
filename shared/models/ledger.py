"""What a migration asks of the ledger of vectors: how far it is, what it lacks, a sample of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.database import PgConnection
from shared.models.embeddings import PendingChunk


@dataclass(frozen=True, kw_only=True)
class Stored:
    """`expected` vectors belong to a space, of which Chroma has `stored`."""

    expected: int
    stored: int


async def hold_chunks(db: PgConnection, creator_id: UUID) -> None:
    """Let no transaction add chunks until this one ends; wait for those that have.

    Whoever adds chunks counts them in this row first and looks for the spaces after it, so each
    chunk is either seen by us, or its writer sees the space that we add.
    """
    await db.execute(
        """
        INSERT INTO app.knowledge_stats AS s (creator_id, chunks, total_length) VALUES ($1, 0, 0)
        ON CONFLICT (creator_id) DO UPDATE SET chunks = s.chunks
        """,
        creator_id,
    )


async def count_stored(db: PgConnection, creator_id: UUID, space: str) -> Stored:
    row = await db.fetchrow(
        """
        SELECT count(*) AS expected, count(*) FILTER (WHERE state = 'stored') AS stored
        FROM app.chunk_embeddings
        WHERE creator_id = $1 AND space = $2 AND state <> 'deleting'
        """,
        creator_id,
        space,
    )
    return Stored(**row) if row else Stored(expected=0, stored=0)


async def count_chunks(db: PgConnection, creator_id: UUID) -> int:
    found = await db.fetchval(
        "SELECT count(*) FROM app.knowledge_chunks WHERE creator_id = $1", creator_id
    )
    return int(found or 0)


async def lags(db: PgConnection, creator_id: UUID, new: str, old: str) -> bool:
    """Whether `old` has the vector of a chunk that `new` still lacks."""
    found = await db.fetchval(
        """
        SELECT EXISTS (
          SELECT FROM app.chunk_embeddings n
          JOIN app.chunk_embeddings o
            ON o.creator_id = $1 AND o.space = $3 AND o.chunk_id = n.chunk_id
          WHERE n.creator_id = $1 AND n.space = $2 AND n.state = 'pending' AND o.state = 'stored')
        """,
        creator_id,
        new,
        old,
    )
    return bool(found)


async def stored_ids(db: PgConnection, creator_id: UUID, space: str) -> set[UUID]:
    """The chunks whose vector should be in Chroma."""
    rows = await db.fetch(
        """
        SELECT chunk_id FROM app.chunk_embeddings
        WHERE creator_id = $1 AND space = $2 AND state = 'stored'
        """,
        creator_id,
        space,
    )
    return {row["chunk_id"] for row in rows}


async def mark_missing(
    db: PgConnection, creator_id: UUID, space: str, chunk_ids: Sequence[UUID]
) -> None:
    """These vectors are not in Chroma after all: they have to be stored again."""
    await db.execute(
        """
        UPDATE app.chunk_embeddings SET state = 'pending'
        WHERE creator_id = $1 AND space = $2 AND chunk_id = ANY($3::uuid[]) AND state = 'stored'
        """,
        creator_id,
        space,
        chunk_ids,
    )


async def sample(
    db: PgConnection, creator_id: UUID, space: str, limit: int, seed: str
) -> list[PendingChunk]:
    """Chunks that have their vector, scattered; the same ones for the same seed."""
    rows = await db.fetch(
        """
        SELECT c.id, d.title, c.heading, c.text
        FROM app.chunk_embeddings e
        JOIN app.knowledge_chunks c ON c.creator_id = $1 AND c.id = e.chunk_id
        JOIN app.knowledge_documents d ON d.creator_id = $1 AND d.id = c.document_id
        WHERE e.creator_id = $1 AND e.space = $2 AND e.state = 'stored'
        ORDER BY md5($4 || c.id::text) LIMIT $3
        """,
        creator_id,
        space,
        limit,
        seed,
    )
    return [PendingChunk(**row) for row in rows]
