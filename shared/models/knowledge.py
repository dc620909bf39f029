"""Knowledge documents, always within one creator.

Every function takes a driver connection of `DatabaseManager.transaction`; the caller's block
commits.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.database import PgConnection, Record
from shared.models.chunks import chunk_ids, delete_chunks

SourceKind = Literal["file", "text", "url", "builtin"]
DocumentStatus = Literal["pending", "reading", "indexing", "ready", "failed"]

_SUMMARY = """id, title, source_kind, source_uri, media_type, status, error_code, error,
    chunk_count, progress, size_bytes, pages, created_at, updated_at"""


@dataclass(frozen=True, kw_only=True)
class DocumentRecord:
    """A document without its text. `progress` runs from 0 to 1; `pages` only where it has any.

    `chunk_count` is of the last version that was indexed whole, 0 when none is.
    """

    id: UUID
    title: str
    source_kind: SourceKind
    source_uri: str
    media_type: str
    status: DocumentStatus
    error_code: str | None
    error: str | None
    chunk_count: int
    progress: float
    size_bytes: int
    pages: int | None
    created_at: datetime
    updated_at: datetime

    @property
    def is_stale(self) -> bool:
        """What came last could not be read (`error` says why); the version before still answers."""
        return self.status == "ready" and self.error_code is not None


@dataclass(frozen=True, kw_only=True)
class NewDocument:
    """`text` is None while it is not known: a worker reads it from the source."""

    id: UUID
    title: str
    source_kind: SourceKind
    source_uri: str
    media_type: str
    content_hash: bytes
    text: str | None
    size_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a creator has stored."""

    documents: int
    size_bytes: int


async def insert_document(db: PgConnection, creator_id: UUID, new: NewDocument) -> bool:
    """Store a document once; False when one with this content (or this source) is there."""
    row = await db.fetchval(
        """
        INSERT INTO app.knowledge_documents
          (creator_id, id, title, source_kind, source_uri, media_type, content_hash, text,
           size_bytes)
        VALUES ($1, $2, $3, $4, $5, $6, $7, coalesce($8, ''), $9)
        ON CONFLICT DO NOTHING RETURNING id
        """,
        creator_id,
        new.id,
        new.title,
        new.source_kind,
        new.source_uri,
        new.media_type,
        new.content_hash,
        new.text,
        new.size_bytes,
    )
    return row is not None


async def find_by_content(
    db: PgConnection, creator_id: UUID, content_hash: bytes
) -> DocumentRecord | None:
    row = await db.fetchrow(
        f"""
        SELECT {_SUMMARY} FROM app.knowledge_documents
        WHERE creator_id = $1 AND content_hash = $2
        """,  # noqa: S608 - a constant list of columns
        creator_id,
        content_hash,
    )
    return _record(row)


async def find_by_source(
    db: PgConnection, creator_id: UUID, kind: SourceKind, uri: str
) -> DocumentRecord | None:
    row = await db.fetchrow(
        f"""
        SELECT {_SUMMARY} FROM app.knowledge_documents
        WHERE creator_id = $1 AND source_kind = $2 AND source_uri = $3 AND source_uri <> ''
        """,  # noqa: S608 - a constant list of columns
        creator_id,
        kind,
        uri,
    )
    return _record(row)


async def begin_again(
    db: PgConnection, creator_id: UUID, document_id: UUID
) -> DocumentRecord | None:
    """Let a failed or ready document be worked on again; None when it is being worked on."""
    row = await db.fetchrow(
        f"""
        UPDATE app.knowledge_documents
        SET status = 'pending', progress = 0, error_code = NULL, error = NULL, updated_at = now()
        WHERE creator_id = $1 AND id = $2 AND status IN ('failed', 'ready') RETURNING {_SUMMARY}
        """,  # noqa: S608 - a constant list of columns
        creator_id,
        document_id,
    )
    return _record(row)


async def lock_usage(db: PgConnection, creator_id: UUID) -> Usage:
    """What is stored; nobody else who asks this can add to it before this transaction ends."""
    await db.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('knowledge:' || $1, 0))", str(creator_id)
    )
    row = await db.fetchrow(
        """
        SELECT count(*) AS documents, coalesce(sum(size_bytes), 0)::bigint AS size_bytes
        FROM app.knowledge_documents WHERE creator_id = $1
        """,
        creator_id,
    )
    assert row is not None  # noqa: S101 - an aggregate gives one row
    return Usage(**row)


async def changed_documents(
    db: PgConnection, creator_id: UUID, *, after: tuple[datetime, UUID], limit: int
) -> list[DocumentRecord]:
    """Documents that changed after a (moment, id), the longest ago first."""
    rows = await db.fetch(
        f"""
        SELECT {_SUMMARY} FROM app.knowledge_documents
        WHERE creator_id = $1 AND (updated_at, id) > ($2, $3::uuid)
        ORDER BY updated_at, id LIMIT $4
        """,  # noqa: S608 - a constant list of columns
        creator_id,
        *after,
        limit,
    )
    return [DocumentRecord(**row) for row in rows]


async def replace_by_source(
    db: PgConnection, creator_id: UUID, new: NewDocument
) -> DocumentRecord | None:
    """Give the document of the same source its new content; None when the source is new.

    Until a new text is read, the old one stays.
    """
    row = await db.fetchrow(
        f"""
        UPDATE app.knowledge_documents
        SET title = $4, media_type = $5, content_hash = $6, text = coalesce($7, text),
            size_bytes = $8, status = 'pending', progress = 0, error_code = NULL, error = NULL,
            chunk_count = CASE WHEN status = 'indexing' THEN 0 ELSE chunk_count END,
            updated_at = now()
        WHERE creator_id = $1 AND source_kind = $2 AND source_uri = $3 AND source_uri <> ''
        RETURNING {_SUMMARY}
        """,  # noqa: S608 - a constant list of columns
        creator_id,
        new.source_kind,
        new.source_uri,
        new.title,
        new.media_type,
        new.content_hash,
        new.text,
        new.size_bytes,
    )
    return _record(row)


async def list_documents(
    db: PgConnection, creator_id: UUID, *, limit: int, after: UUID | None
) -> list[DocumentRecord]:
    """Newest first; `after` is the last id of the page before."""
    rows = await db.fetch(
        f"""
        SELECT {_SUMMARY} FROM app.knowledge_documents
        WHERE creator_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3
        """,  # noqa: S608 - a constant list of columns
        creator_id,
        after,
        limit,
    )
    return [DocumentRecord(**row) for row in rows]


async def get_document(
    db: PgConnection, creator_id: UUID, document_id: UUID
) -> DocumentRecord | None:
    row = await db.fetchrow(
        f"SELECT {_SUMMARY} FROM app.knowledge_documents WHERE creator_id = $1 AND id = $2",  # noqa: S608 - a constant list of columns
        creator_id,
        document_id,
    )
    return _record(row)


async def unfinished_documents(db: PgConnection, creator_id: UUID) -> list[DocumentRecord]:
    """Documents that wait for a worker or are with one, oldest first."""
    rows = await db.fetch(
        f"""
        SELECT {_SUMMARY} FROM app.knowledge_documents
        WHERE creator_id = $1 AND status IN ('pending', 'reading', 'indexing') ORDER BY id
        """,  # noqa: S608 - a constant list of columns
        creator_id,
    )
    return [DocumentRecord(**row) for row in rows]


async def delete_document(db: PgConnection, creator_id: UUID, document_id: UUID) -> bool:
    """Remove a document, its chunks and postings; its vectors are marked for removal."""
    locked = await db.fetchval(
        "SELECT 1 FROM app.knowledge_documents WHERE creator_id = $1 AND id = $2 FOR UPDATE",
        creator_id,
        document_id,
    )
    if locked is None:
        return False
    ids = await chunk_ids(db, creator_id, document_id)
    await delete_chunks(db, creator_id, ids)
    await db.execute(
        "DELETE FROM app.knowledge_documents WHERE creator_id = $1 AND id = $2",
        creator_id,
        document_id,
    )
    return True


def _record(row: Record | None) -> DocumentRecord | None:
    return DocumentRecord(**row) if row else None
