"""The chunks of documents and the lexical index over them, always within one creator.

Chunk counts in `knowledge_stats` change in the transaction that changes the chunks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.database import PgConnection, Record


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
    page: int | None = None


@dataclass(frozen=True, kw_only=True)
class ChunkText:
    id: UUID
    document_id: UUID
    title: str
    heading: str
    text: str
    ordinal: int
    page: int | None = None


@dataclass(frozen=True, kw_only=True)
class CorpusStats:
    chunks: int
    total_length: int

    @property
    def average_length(self) -> float:
        return self.total_length / self.chunks if self.chunks else 1.0


async def chunk_ids(db: PgConnection, creator_id: UUID, document_id: UUID) -> list[UUID]:
    rows = await db.fetch(
        "SELECT id FROM app.knowledge_chunks WHERE creator_id = $1 AND document_id = $2",
        creator_id,
        document_id,
    )
    return [row["id"] for row in rows]


async def other_ids(
    db: PgConnection, creator_id: UUID, document_ids: Sequence[UUID], keep: Sequence[UUID]
) -> list[UUID]:
    """The chunks of documents that are not among `keep`."""
    rows = await db.fetch(
        """
        SELECT id FROM app.knowledge_chunks
        WHERE creator_id = $1 AND document_id = ANY($2::uuid[]) AND id <> ALL($3::uuid[])
        """,
        creator_id,
        document_ids,
        keep,
    )
    return [row["id"] for row in rows]


async def store_chunks(
    db: PgConnection, creator_id: UUID, chunks_by_document: Mapping[UUID, Sequence[NewChunk]]
) -> list[UUID]:
    """Store chunks with their postings; ones that are there only move. Returns the new ids."""
    document_ids = [one for one, chunks in chunks_by_document.items() for _ in chunks]
    chunks = [chunk for chunks in chunks_by_document.values() for chunk in chunks]
    rows = await db.fetch(
        """
        INSERT INTO app.knowledge_chunks (creator_id, id, document_id, ordinal, text, heading,
                                          start_char, end_char, content_hash, length, page)
        SELECT $1, c.id, c.document_id, c.ordinal, c.text, c.heading, c.s, c.e, c.hash,
               c.length, c.page
        FROM unnest($2::uuid[], $3::uuid[], $4::int[], $5::text[], $6::text[], $7::int[],
                    $8::int[], $9::bytea[], $10::int[], $11::int[])
          AS c (document_id, id, ordinal, text, heading, s, e, hash, length, page)
        ON CONFLICT (creator_id, id) DO UPDATE
          SET ordinal = excluded.ordinal, start_char = excluded.start_char,
              end_char = excluded.end_char, page = excluded.page
        RETURNING id, (xmax = 0) AS is_new
        """,
        creator_id,
        document_ids,
        *_columns(chunks),
    )
    new_ids = {row["id"] for row in rows if row["is_new"]}
    added = [chunk for chunk in chunks if chunk.id in new_ids]
    await _add(db, creator_id, added)
    return [chunk.id for chunk in added]


async def delete_chunks(db: PgConnection, creator_id: UUID, ids: Sequence[UUID]) -> None:
    """Remove chunks and their postings; mark their vectors, in every space, for removal."""
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
    # After the count, whose row a new space holds while it lists its chunks (see ledger.py).
    await db.execute(
        """
        UPDATE app.chunk_embeddings SET state = 'deleting'
        WHERE creator_id = $1 AND chunk_id = ANY($2::uuid[])
        """,
        creator_id,
        ids,
    )


async def _add(db: PgConnection, creator_id: UUID, chunks: Sequence[NewChunk]) -> None:
    if chunks:
        await _add_postings(db, creator_id, chunks)
        await _count(db, creator_id, len(chunks), sum(chunk.length for chunk in chunks))


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


async def read_chunks(
    db: PgConnection, creator_id: UUID, ids: Sequence[UUID]
) -> dict[UUID, ChunkText]:
    """The texts of those ids that are this creator's; any other id yields nothing."""
    rows = await db.fetch(
        """
        SELECT c.id, c.document_id, d.title, c.heading, c.text, c.ordinal, c.page
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


def _columns(chunks: Sequence[NewChunk]) -> tuple[list[object], ...]:
    """The chunks as one array a column, in the order of the INSERT."""
    fields = ("id", "ordinal", "text", "heading", "start", "end", "content_hash", "length", "page")
    return tuple([getattr(chunk, field) for chunk in chunks] for field in fields)
