"""The work on documents: taken up, moved on, finished or given up. Always within one creator.

Every function takes a driver connection of `DatabaseManager.transaction`; the caller's block
commits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from shared.database import PgConnection


@dataclass(frozen=True, kw_only=True)
class DocumentText:
    id: UUID
    title: str
    media_type: str
    content_hash: bytes
    text: str


async def begin_indexing(
    db: PgConnection, creator_id: UUID, document_id: UUID
) -> DocumentText | None:
    """Mark a document as being indexed and give its text; None when nothing is to do."""
    row = await db.fetchrow(
        """
        UPDATE app.knowledge_documents d SET status = 'indexing', updated_at = now()
        WHERE d.creator_id = $1 AND d.id = $2
          AND (d.status = 'indexing'
               OR d.status IN ('pending', 'reading') AND d.source_kind <> 'url' AND NOT EXISTS (
                 SELECT 1 FROM app.knowledge_sources s
                 WHERE s.creator_id = $1 AND s.document_id = $2))
        RETURNING d.id, d.title, d.media_type, d.content_hash, d.text
        """,
        creator_id,
        document_id,
    )
    return DocumentText(**row) if row else None


async def begin_others(
    db: PgConnection, creator_id: UUID, *, limit: int, longest: int, size: int
) -> list[DocumentText]:
    """The same for documents that nobody has begun, oldest first, that another run doesn't hold.

    None is longer than `longest` bytes, and all together are not longer than `size`.
    """
    rows = await db.fetch(
        """
        WITH waiting AS (
          SELECT d.id, octet_length(d.text) AS size FROM app.knowledge_documents d
          WHERE d.creator_id = $1 AND d.status = 'pending' AND d.source_kind <> 'url'
            AND octet_length(d.text) <= $3
            AND NOT EXISTS (SELECT 1 FROM app.knowledge_sources s
                            WHERE s.creator_id = $1 AND s.document_id = d.id)
          ORDER BY d.id LIMIT $2 FOR UPDATE OF d SKIP LOCKED
        ), fitting AS (
          SELECT id, sum(size) OVER (ORDER BY id) AS size FROM waiting
        )
        UPDATE app.knowledge_documents d SET status = 'indexing', updated_at = now()
        FROM fitting f WHERE d.creator_id = $1 AND d.id = f.id AND f.size <= $4
        RETURNING d.id, d.title, d.media_type, d.content_hash, d.text
        """,
        creator_id,
        limit,
        longest,
        size,
    )
    return [DocumentText(**row) for row in rows]


async def lock_versions(
    db: PgConnection, creator_id: UUID, versions: Mapping[UUID, bytes]
) -> set[UUID]:
    """Hold the rows of documents; the ids of those that were not deleted or replaced meanwhile."""
    rows = await db.fetch(
        """
        SELECT id, content_hash FROM app.knowledge_documents
        WHERE creator_id = $1 AND id = ANY($2::uuid[]) ORDER BY id FOR UPDATE
        """,
        creator_id,
        list(versions),
    )
    return {row["id"] for row in rows if row["content_hash"] == versions[row["id"]]}


async def record_progress(
    db: PgConnection, creator_id: UUID, progress_by_id: Mapping[UUID, float]
) -> None:
    await db.execute(
        """
        UPDATE app.knowledge_documents d
        SET progress = greatest(d.progress, p.progress), updated_at = now()
        FROM unnest($2::uuid[], $3::real[]) AS p (id, progress)
        WHERE d.creator_id = $1 AND d.id = p.id AND d.status = 'indexing'
        """,
        creator_id,
        list(progress_by_id),
        list(progress_by_id.values()),
    )


async def finish_documents(
    db: PgConnection, creator_id: UUID, versions: Mapping[UUID, bytes]
) -> None:
    """Mark these versions ready; one that was replaced meanwhile stays as it is."""
    held = await lock_versions(db, creator_id, versions)
    await db.execute(
        """
        UPDATE app.knowledge_documents d
        SET status = 'ready', progress = 1, error_code = NULL, error = NULL, updated_at = now(),
            chunk_count = (SELECT count(*) FROM app.knowledge_chunks c
                           WHERE c.creator_id = $1 AND c.document_id = d.id)
        WHERE d.creator_id = $1 AND d.id = ANY($2::uuid[])
        """,
        creator_id,
        list(held),
    )


async def fail_document(
    db: PgConnection,
    creator_id: UUID,
    document_id: UUID,
    *,
    code: str,
    error: str,
    version: bytes | None = None,
) -> bool:
    """End the work on a document, or on this version of it; False when there is none.

    One that could not be read leaves the version before as it was: that is ready, but stale.
    """
    tag = await db.execute(
        """
        UPDATE app.knowledge_documents
        SET status = CASE WHEN status <> 'indexing' AND chunk_count > 0 THEN 'ready'
                          ELSE 'failed' END,
            progress = CASE WHEN status <> 'indexing' AND chunk_count > 0 THEN 1
                            ELSE progress END,
            chunk_count = CASE WHEN status = 'indexing' THEN 0 ELSE chunk_count END,
            error_code = $3, error = $4, updated_at = now()
        WHERE creator_id = $1 AND id = $2 AND status IN ('pending', 'reading', 'indexing')
          AND ($5::bytea IS NULL OR content_hash = $5)
        """,
        creator_id,
        document_id,
        code,
        error,
        version,
    )
    return tag == "UPDATE 1"
