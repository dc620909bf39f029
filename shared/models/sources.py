"""Documents that wait for a worker to read their text, and the uploads to read it from.

Always within one creator, on a driver connection of `DatabaseManager.transaction`.
"""

from dataclasses import dataclass
from uuid import UUID

from shared.database import PgConnection
from shared.models.knowledge import SourceKind


@dataclass(frozen=True, kw_only=True)
class Source:
    filename: str
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Unread:
    """A document whose text has to be read from its upload or fetched from its address."""

    id: UUID
    title: str
    source_kind: SourceKind
    source_uri: str
    content_hash: bytes


@dataclass(frozen=True, kw_only=True)
class NewReading:
    """What a worker read of a document; `content_hash` is the version that it read."""

    text: str
    media_type: str
    title: str
    pages: int | None
    size_bytes: int
    content_hash: bytes


async def put_source(db: PgConnection, creator_id: UUID, document_id: UUID, source: Source) -> None:
    await db.execute(
        """
        INSERT INTO app.knowledge_sources (creator_id, document_id, filename, data)
        VALUES ($1, $2, $3, $4) ON CONFLICT (creator_id, document_id) DO UPDATE
          SET filename = excluded.filename, data = excluded.data, created_at = now()
        """,
        creator_id,
        document_id,
        source.filename,
        source.data,
    )


async def get_source(db: PgConnection, creator_id: UUID, document_id: UUID) -> Source | None:
    row = await db.fetchrow(
        """
        SELECT filename, data FROM app.knowledge_sources
        WHERE creator_id = $1 AND document_id = $2
        """,
        creator_id,
        document_id,
    )
    return Source(filename=row["filename"], data=bytes(row["data"])) if row else None


async def drop_source(db: PgConnection, creator_id: UUID, document_id: UUID) -> None:
    await db.execute(
        "DELETE FROM app.knowledge_sources WHERE creator_id = $1 AND document_id = $2",
        creator_id,
        document_id,
    )


async def begin_reading(db: PgConnection, creator_id: UUID, document_id: UUID) -> Unread | None:
    """Mark a document as being read, if it has to be; None when there is nothing to read."""
    row = await db.fetchrow(
        """
        UPDATE app.knowledge_documents d SET status = 'reading', updated_at = now()
        WHERE d.creator_id = $1 AND d.id = $2 AND d.status IN ('pending', 'reading')
          AND (d.source_kind = 'url' OR EXISTS (
            SELECT 1 FROM app.knowledge_sources s
            WHERE s.creator_id = $1 AND s.document_id = $2))
        RETURNING d.id, d.title, d.source_kind, d.source_uri, d.content_hash
        """,
        creator_id,
        document_id,
    )
    return Unread(**row) if row else None


async def store_reading(
    db: PgConnection, creator_id: UUID, unread: Unread, reading: NewReading
) -> bool:
    """Store the text that was read; False when another version or another worker was quicker.

    A document that was named after its address takes the title that it gives itself.
    """
    tag = await db.execute(
        """
        UPDATE app.knowledge_documents
        SET text = $4, media_type = $5, pages = $6, size_bytes = $7, content_hash = $8,
            title = CASE WHEN title = left(source_uri, 300) AND $9 <> '' THEN $9 ELSE title END,
            status = 'indexing', updated_at = now()
        WHERE creator_id = $1 AND id = $2 AND content_hash = $3 AND status = 'reading'
        """,
        creator_id,
        unread.id,
        unread.content_hash,
        reading.text,
        reading.media_type,
        reading.pages,
        reading.size_bytes,
        reading.content_hash,
        reading.title,
    )
    return tag == "UPDATE 1"


async def keep_reading(db: PgConnection, creator_id: UUID, unread: Unread) -> None:
    """What was fetched is what is stored already: go on with that."""
    await db.execute(
        """
        UPDATE app.knowledge_documents SET status = 'indexing', updated_at = now()
        WHERE creator_id = $1 AND id = $2 AND content_hash = $3 AND status = 'reading'
        """,
        creator_id,
        unread.id,
        unread.content_hash,
    )
