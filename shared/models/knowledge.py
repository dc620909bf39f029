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
    chunk_count, progress, created_at, updated_at"""


@dataclass(frozen=True, kw_only=True)
class DocumentRecord:
    """A document without its text. `progress` runs from 0 to 1."""

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
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, kw_only=True)
class DocumentText:
    id: UUID
    title: str
    media_type: str
    content_hash: bytes
    text: str


@dataclass(frozen=True, kw_only=True)
class NewDocument:
    id: UUID
    title: str
    source_kind: SourceKind
    source_uri: str
    media_type: str
    content_hash: bytes
    text: str


async def insert_document(db: PgConnection, creator_id: UUID, new: NewDocument) -> bool:
    """Store a document once; False when one with this content (or this source) is there."""
    row = await db.fetchval(
        """
        INSERT INTO app.knowledge_documents
          (creator_id, id, title, source_kind, source_uri, media_type, content_hash, text)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING id
        """,
        creator_id,
        new.id,
        new.title,
        new.source_kind,
        new.source_uri,
        new.media_type,
        new.content_hash,
        new.text,
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


async def retry_failed(
    db: PgConnection, creator_id: UUID, document_id: UUID
) -> DocumentRecord | None:
    """Let a failed document be tried again; None when it has not failed."""
    row = await db.fetchrow(
        f"""
        UPDATE app.knowledge_documents
        SET status = 'pending', error_code = NULL, error = NULL, updated_at = now()
        WHERE creator_id = $1 AND id = $2 AND status = 'failed' RETURNING {_SUMMARY}
        """,  # noqa: S608 - a constant list of columns
        creator_id,
        document_id,
    )
    return _record(row)


async def replace_by_source(
    db: PgConnection, creator_id: UUID, new: NewDocument
) -> DocumentRecord | None:
    """Give the document of the same source its new text; None when the source is new."""
    row = await db.fetchrow(
        f"""
        UPDATE app.knowledge_documents
        SET title = $4, media_type = $5, content_hash = $6, text = $7, status = 'pending',
            progress = 0, error_code = NULL, error = NULL, updated_at = now()
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


async def unfinished_documents(db: PgConnection, creator_id: UUID) -> list[UUID]:
    rows = await db.fetch(
        """
        SELECT id FROM app.knowledge_documents
        WHERE creator_id = $1 AND status IN ('pending', 'reading', 'indexing') ORDER BY id
        """,
        creator_id,
    )
    return [row["id"] for row in rows]


async def begin_indexing(
    db: PgConnection, creator_id: UUID, document_id: UUID
) -> DocumentText | None:
    """Mark an unfinished document as being indexed and read it; None when nothing is to do."""
    row = await db.fetchrow(
        """
        UPDATE app.knowledge_documents SET status = 'indexing', updated_at = now()
        WHERE creator_id = $1 AND id = $2 AND status IN ('pending', 'reading', 'indexing')
        RETURNING id, title, media_type, content_hash, text
        """,
        creator_id,
        document_id,
    )
    return DocumentText(**row) if row else None


async def lock_version(
    db: PgConnection, creator_id: UUID, document_id: UUID, content_hash: bytes
) -> bool:
    """Hold the document's row; False when it was deleted or replaced meanwhile."""
    found = await db.fetchval(
        """
        SELECT content_hash FROM app.knowledge_documents
        WHERE creator_id = $1 AND id = $2 FOR UPDATE
        """,
        creator_id,
        document_id,
    )
    return bool(found == content_hash)


async def record_progress(
    db: PgConnection, creator_id: UUID, document_id: UUID, progress: float
) -> None:
    await db.execute(
        """
        UPDATE app.knowledge_documents SET progress = greatest(progress, $3), updated_at = now()
        WHERE creator_id = $1 AND id = $2 AND status = 'indexing'
        """,
        creator_id,
        document_id,
        progress,
    )


async def finish_document(
    db: PgConnection, creator_id: UUID, document_id: UUID, content_hash: bytes
) -> bool:
    """Mark this version ready; False when it was replaced meanwhile."""
    tag = await db.execute(
        """
        UPDATE app.knowledge_documents d
        SET status = 'ready', progress = 1, error_code = NULL, error = NULL, updated_at = now(),
            chunk_count = (SELECT count(*) FROM app.knowledge_chunks c
                           WHERE c.creator_id = $1 AND c.document_id = $2)
        WHERE d.creator_id = $1 AND d.id = $2 AND d.content_hash = $3
        """,
        creator_id,
        document_id,
        content_hash,
    )
    return tag == "UPDATE 1"


async def fail_document(
    db: PgConnection, creator_id: UUID, document_id: UUID, *, code: str, error: str
) -> None:
    await db.execute(
        """
        UPDATE app.knowledge_documents
        SET status = 'failed', error_code = $3, error = $4, updated_at = now()
        WHERE creator_id = $1 AND id = $2 AND status IN ('pending', 'reading', 'indexing')
        """,
        creator_id,
        document_id,
        code,
        error,
    )


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
