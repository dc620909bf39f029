"""Knowledge documents, their chunks and the lexical index, always within one creator.

Every function takes a driver connection of `DatabaseManager.transaction`; the caller's block
commits. Chunk counts in `knowledge_stats` change in the transaction that changes the chunks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.database import PgConnection, Record

SourceKind = Literal["file", "text", "url", "builtin"]
DocumentStatus = Literal["pending", "indexing", "ready", "failed"]

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


@dataclass(frozen=True, kw_only=True)
class NewChunk:
    """A chunk ready to be stored: `terms` are its weighted frequencies, `length` their count."""

    id: UUID
    ordinal: int
    text: str
    heading: str
    start: int
    end: int
    content_hash: bytes
    length: int
    terms: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class ChunkText:
    id: UUID
    document_id: UUID
    title: str
    heading: str
    text: str
    ordinal: int


@dataclass(frozen=True, kw_only=True)
class CorpusStats:
    chunks: int
    total_length: int

    @property
    def average_length(self) -> float:
        return self.total_length / self.chunks if self.chunks else 1.0


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
        WHERE creator_id = $1 AND status IN ('pending', 'indexing') ORDER BY id
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
        WHERE creator_id = $1 AND id = $2 AND status IN ('pending', 'indexing')
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
        WHERE creator_id = $1 AND id = $2 AND status IN ('pending', 'indexing')
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


async def chunk_ids(db: PgConnection, creator_id: UUID, document_id: UUID) -> list[UUID]:
    rows = await db.fetch(
        "SELECT id FROM app.knowledge_chunks WHERE creator_id = $1 AND document_id = $2",
        creator_id,
        document_id,
    )
    return [row["id"] for row in rows]


async def store_chunks(
    db: PgConnection, creator_id: UUID, document_id: UUID, chunks: Sequence[NewChunk]
) -> list[UUID]:
    """Store chunks with their postings; ones that are there only move. Returns the new ids."""
    rows = await db.fetch(
        """
        INSERT INTO app.knowledge_chunks (creator_id, id, document_id, ordinal, text, heading,
                                          start_char, end_char, content_hash, length)
        SELECT $1, c.id, $2, c.ordinal, c.text, c.heading, c.s, c.e, c.hash, c.length
        FROM unnest($3::uuid[], $4::int[], $5::text[], $6::text[], $7::int[], $8::int[],
                    $9::bytea[], $10::int[]) AS c (id, ordinal, text, heading, s, e, hash, length)
        ON CONFLICT (creator_id, id) DO UPDATE
          SET ordinal = excluded.ordinal, start_char = excluded.start_char,
              end_char = excluded.end_char
        RETURNING id, (xmax = 0) AS is_new
        """,
        creator_id,
        document_id,
        [chunk.id for chunk in chunks],
        [chunk.ordinal for chunk in chunks],
        [chunk.text for chunk in chunks],
        [chunk.heading for chunk in chunks],
        [chunk.start for chunk in chunks],
        [chunk.end for chunk in chunks],
        [chunk.content_hash for chunk in chunks],
        [chunk.length for chunk in chunks],
    )
    new_ids = {row["id"] for row in rows if row["is_new"]}
    added = [chunk for chunk in chunks if chunk.id in new_ids]
    if added:
        await _add_postings(db, creator_id, added)
        await _count(db, creator_id, len(added), sum(chunk.length for chunk in added))
    return [chunk.id for chunk in added]


async def delete_chunks(db: PgConnection, creator_id: UUID, ids: Sequence[UUID]) -> None:
    """Remove chunks and their postings; mark their vectors, in every space, for removal."""
    await db.execute(
        """
        UPDATE app.chunk_embeddings SET state = 'deleting'
        WHERE creator_id = $1 AND chunk_id = ANY($2::uuid[])
        """,
        creator_id,
        ids,
    )
    row = await db.fetchrow(
        """
        WITH gone AS (DELETE FROM app.knowledge_chunks
                      WHERE creator_id = $1 AND id = ANY($2::uuid[]) RETURNING length)
        SELECT count(*) AS chunks, coalesce(sum(length), 0) AS length FROM gone
        """,
        creator_id,
        ids,
    )
    if row and row["chunks"]:
        await _count(db, creator_id, -row["chunks"], -row["length"])


async def _add_postings(db: PgConnection, creator_id: UUID, chunks: Sequence[NewChunk]) -> None:
    # Sorted by term, so that concurrent documents lock the index in one order.
    postings = sorted(
        (term, chunk.id, frequency, chunk.length)
        for chunk in chunks
        for term, frequency in chunk.terms.items()
    )
    await db.execute(
        """
        INSERT INTO app.knowledge_postings (creator_id, term, chunk_id, tf, length)
        SELECT $1, p.term, p.chunk_id, p.tf, p.length
        FROM unnest($2::text[], $3::uuid[], $4::real[], $5::int[])
          AS p (term, chunk_id, tf, length)
        """,
        creator_id,
        [posting[0] for posting in postings],
        [posting[1] for posting in postings],
        [posting[2] for posting in postings],
        [posting[3] for posting in postings],
    )


async def _count(db: PgConnection, creator_id: UUID, chunks: int, length: int) -> None:
    tag = await db.execute(
        """
        UPDATE app.knowledge_stats
        SET chunks = chunks + $2, total_length = total_length + $3 WHERE creator_id = $1
        """,
        creator_id,
        chunks,
        length,
    )
    if tag == "UPDATE 0":
        await db.execute(
            """
            INSERT INTO app.knowledge_stats AS s (creator_id, chunks, total_length)
            VALUES ($1, $2, $3) ON CONFLICT (creator_id) DO UPDATE
              SET chunks = s.chunks + excluded.chunks,
                  total_length = s.total_length + excluded.total_length
            """,
            creator_id,
            chunks,
            length,
        )


async def corpus_stats(db: PgConnection, creator_id: UUID) -> CorpusStats:
    row = await db.fetchrow(
        "SELECT chunks, total_length FROM app.knowledge_stats WHERE creator_id = $1", creator_id
    )
    return CorpusStats(**row) if row else CorpusStats(chunks=0, total_length=0)


async def document_frequencies(
    db: PgConnection, creator_id: UUID, terms: Sequence[str]
) -> dict[str, int]:
    """In how many chunks each term stands; terms that stand in none are absent."""
    rows = await db.fetch(
        """
        SELECT term, count(*) AS chunks FROM app.knowledge_postings
        WHERE creator_id = $1 AND term = ANY($2::text[]) GROUP BY term
        """,
        creator_id,
        terms,
    )
    return {row["term"]: row["chunks"] for row in rows}


async def rank_bm25(
    db: PgConnection,
    creator_id: UUID,
    idf_by_term: Mapping[str, float],
    *,
    k1: float,
    b: float,
    average_length: float,
    limit: int,
) -> list[tuple[UUID, float]]:
    """The best chunks by BM25, best first."""
    rows = await db.fetch(
        """
        SELECT p.chunk_id,
               sum(q.idf * p.tf * ($4::float8 + 1)
                   / (p.tf + $4 * (1 - $5::float8 + $5 * p.length / $6::float8))) AS score
        FROM unnest($2::text[], $3::float8[]) AS q (term, idf)
        JOIN app.knowledge_postings p ON p.creator_id = $1 AND p.term = q.term
        GROUP BY p.chunk_id ORDER BY score DESC, p.chunk_id LIMIT $7
        """,
        creator_id,
        list(idf_by_term),
        list(idf_by_term.values()),
        k1,
        b,
        average_length,
        limit,
    )
    return [(row["chunk_id"], row["score"]) for row in rows]


async def read_chunks(
    db: PgConnection, creator_id: UUID, ids: Sequence[UUID]
) -> dict[UUID, ChunkText]:
    """The texts of those ids that are this creator's; any other id yields nothing."""
    rows = await db.fetch(
        """
        SELECT c.id, c.document_id, d.title, c.heading, c.text, c.ordinal
        FROM app.knowledge_chunks c
        JOIN app.knowledge_documents d ON d.creator_id = $1 AND d.id = c.document_id
        WHERE c.creator_id = $1 AND c.id = ANY($2::uuid[])
        """,
        creator_id,
        ids,
    )
    return {row["id"]: ChunkText(**row) for row in rows}


async def neighbours(db: PgConnection, creator_id: UUID, chunk: ChunkText) -> tuple[str, str]:
    """The texts of the chunks just before and after, "" at an end of the document."""
    rows: list[Record] = await db.fetch(
        """
        SELECT ordinal, text FROM app.knowledge_chunks
        WHERE creator_id = $1 AND document_id = $2 AND ordinal IN ($3 - 1, $3 + 1)
        """,
        creator_id,
        chunk.document_id,
        chunk.ordinal,
    )
    text_by_ordinal = {row["ordinal"]: str(row["text"]) for row in rows}
    return text_by_ordinal.get(chunk.ordinal - 1, ""), text_by_ordinal.get(chunk.ordinal + 1, "")


def _record(row: Record | None) -> DocumentRecord | None:
    return DocumentRecord(**row) if row else None
