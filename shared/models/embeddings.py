"""Which embedding space a creator's index lies in, and which vectors Chroma holds of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from shared.database import PgConnection

SpaceState = Literal["active", "building", "standby", "retired"]


@dataclass(frozen=True, kw_only=True)
class SpaceRecord:
    name: str
    model: str
    dimensions: int
    state: SpaceState


@dataclass(frozen=True, kw_only=True)
class PendingChunk:
    """A chunk that waits for its vector."""

    id: UUID
    title: str
    heading: str
    text: str


async def spaces(db: PgConnection, creator_id: UUID) -> list[SpaceRecord]:
    rows = await db.fetch(
        "SELECT name, model, dimensions, state FROM app.embedding_spaces WHERE creator_id = $1",
        creator_id,
    )
    return [SpaceRecord(**row) for row in rows]


async def active_space(db: PgConnection, creator_id: UUID) -> SpaceRecord | None:
    row = await db.fetchrow(
        """
        SELECT name, model, dimensions, state FROM app.embedding_spaces
        WHERE creator_id = $1 AND state = 'active'
        """,
        creator_id,
    )
    return SpaceRecord(**row) if row else None


async def add_space(db: PgConnection, creator_id: UUID, space: SpaceRecord) -> None:
    """Record a space; nothing happens when it, or another active one, is there already."""
    await db.execute(
        """
        INSERT INTO app.embedding_spaces (creator_id, name, model, dimensions, state)
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
        """,
        creator_id,
        space.name,
        space.model,
        space.dimensions,
        space.state,
    )


async def set_state(db: PgConnection, creator_id: UUID, name: str, state: SpaceState) -> None:
    await db.execute(
        "UPDATE app.embedding_spaces SET state = $3 WHERE creator_id = $1 AND name = $2",
        creator_id,
        name,
        state,
    )


async def switch_active(db: PgConnection, creator_id: UUID, name: str) -> None:
    """Retire the active space and make `name` the active one, in the caller's transaction."""
    await db.execute(
        """
        UPDATE app.embedding_spaces SET state = 'retired'
        WHERE creator_id = $1 AND state = 'active' AND name <> $2
        """,
        creator_id,
        name,
    )
    await set_state(db, creator_id, name, "active")


async def delete_space(db: PgConnection, creator_id: UUID, name: str) -> None:
    """Forget a space that is not active, with its ledger."""
    await db.execute(
        """
        DELETE FROM app.embedding_spaces
        WHERE creator_id = $1 AND name = $2 AND state <> 'active'
        """,
        creator_id,
        name,
    )


async def expect(db: PgConnection, creator_id: UUID, chunk_ids: Sequence[UUID]) -> None:
    """Note that stored chunks need a vector in every space that is in use or being built."""
    await db.execute(
        """
        INSERT INTO app.chunk_embeddings (creator_id, space, chunk_id, document_id)
        SELECT $1, s.name, c.id, c.document_id
        FROM app.embedding_spaces s JOIN app.knowledge_chunks c USING (creator_id)
        WHERE s.creator_id = $1 AND c.id = ANY($2::uuid[])
          AND s.state IN ('active', 'building', 'standby')
        ON CONFLICT (creator_id, space, chunk_id)
          DO UPDATE SET state = 'pending' WHERE chunk_embeddings.state = 'deleting'
        """,
        creator_id,
        chunk_ids,
    )


async def expect_all(db: PgConnection, creator_id: UUID, space: str) -> None:
    """Note that every chunk needs a vector in this space; ones that have it keep it."""
    await db.execute(
        """
        INSERT INTO app.chunk_embeddings (creator_id, space, chunk_id, document_id)
        SELECT $1, $2, id, document_id FROM app.knowledge_chunks WHERE creator_id = $1
        ON CONFLICT (creator_id, space, chunk_id) DO NOTHING
        """,
        creator_id,
        space,
    )


async def known_ids(db: PgConnection, creator_id: UUID, space: str) -> set[UUID]:
    """Every chunk that has, or is to have, a vector in this space."""
    rows = await db.fetch(
        "SELECT chunk_id FROM app.chunk_embeddings WHERE creator_id = $1 AND space = $2",
        creator_id,
        space,
    )
    return {row["chunk_id"] for row in rows}


async def forget_stored(db: PgConnection, creator_id: UUID, space: str) -> None:
    """Every vector of a space has to be stored again."""
    await db.execute(
        """
        UPDATE app.chunk_embeddings SET state = 'pending'
        WHERE creator_id = $1 AND space = $2 AND state = 'stored'
        """,
        creator_id,
        space,
    )


async def pending_chunks(
    db: PgConnection,
    creator_id: UUID,
    space: str,
    *,
    document_ids: Sequence[UUID] | None,
    limit: int,
) -> list[PendingChunk]:
    """Chunks without a vector, of some documents or (None) of all."""
    rows = await db.fetch(
        """
        SELECT c.id, d.title, c.heading, c.text
        FROM app.chunk_embeddings e
        JOIN app.knowledge_chunks c ON c.creator_id = $1 AND c.id = e.chunk_id
        JOIN app.knowledge_documents d ON d.creator_id = $1 AND d.id = c.document_id
        WHERE e.creator_id = $1 AND e.space = $2 AND e.state = 'pending'
          AND ($3::uuid[] IS NULL OR e.document_id = ANY($3))
        ORDER BY e.document_id, c.ordinal LIMIT $4
        """,
        creator_id,
        space,
        document_ids,
        limit,
    )
    return [PendingChunk(**row) for row in rows]


async def mark_stored(
    db: PgConnection, creator_id: UUID, space: str, chunk_ids: Sequence[UUID]
) -> set[UUID]:
    """Note that vectors are in Chroma. Returns the ids whose chunk is still wanted."""
    rows = await db.fetch(
        """
        UPDATE app.chunk_embeddings SET state = 'stored'
        WHERE creator_id = $1 AND space = $2 AND chunk_id = ANY($3::uuid[]) AND state <> 'deleting'
        RETURNING chunk_id
        """,
        creator_id,
        space,
        chunk_ids,
    )
    return {row["chunk_id"] for row in rows}


async def share_stored(db: PgConnection, creator_id: UUID, space: str, document_id: UUID) -> float:
    """The share of a document's vectors that are in Chroma, from 0 to 1."""
    row = await db.fetchrow(
        """
        SELECT count(*) AS total, count(*) FILTER (WHERE state = 'stored') AS stored
        FROM app.chunk_embeddings
        WHERE creator_id = $1 AND space = $2 AND state <> 'deleting' AND chunk_id IN (
          SELECT id FROM app.knowledge_chunks WHERE creator_id = $1 AND document_id = $3)
        """,
        creator_id,
        space,
        document_id,
    )
    return row["stored"] / row["total"] if row and row["total"] else 1.0


async def doomed(db: PgConnection, creator_id: UUID, *, limit: int) -> dict[str, list[UUID]]:
    """Vectors that have to leave Chroma, by space."""
    rows = await db.fetch(
        """
        SELECT space, chunk_id FROM app.chunk_embeddings
        WHERE creator_id = $1 AND state = 'deleting' ORDER BY space, chunk_id LIMIT $2
        """,
        creator_id,
        limit,
    )
    ids_by_space: dict[str, list[UUID]] = {}
    for row in rows:
        ids_by_space.setdefault(row["space"], []).append(row["chunk_id"])
    return ids_by_space


async def forget_deleted(
    db: PgConnection, creator_id: UUID, space: str, chunk_ids: Sequence[UUID]
) -> None:
    await db.execute(
        """
        DELETE FROM app.chunk_embeddings
        WHERE creator_id = $1 AND space = $2 AND chunk_id = ANY($3::uuid[]) AND state = 'deleting'
        """,
        creator_id,
        space,
        chunk_ids,
    )
