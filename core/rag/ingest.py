"""Index a document: cut it, store chunks and postings, then their vectors. Any step may be redone.

The ids of chunks are derived from what they say, so a second run, a run after kill -9 and a new
version of the document store only what is not there yet.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from core.rag.backfill import Backfill
from core.rag.chunk import Chunk, split
from core.rag.spaces import Spaces
from core.rag.tokenize import weighted_terms
from shared.database import DatabaseManager, PgConnection
from shared.errors import AppError
from shared.failpoints import failpoint
from shared.models import embeddings, knowledge
from shared.models.knowledge import DocumentText, NewChunk
from shared.utils.ids import derived_id

BATCH = 200


class Ingestion:
    """The body of the job. No transaction is open while a document is cut or embedded."""

    def __init__(self, database: DatabaseManager, spaces: Spaces, backfill: Backfill) -> None:
        self._database = database
        self._spaces = spaces
        self._backfill = backfill

    async def run(self, creator_id: UUID, document_id: UUID) -> None:
        """Bring a document to `ready`, or to `failed` when it can never be.

        Raises VectorsUnavailable or ModelUnavailable when the vectors have to wait: the words are
        searchable by then, and the document stays unfinished for the next run.
        """
        async with self._database.transaction(creator_id) as db:
            document = await knowledge.begin_indexing(db, creator_id, document_id)
        if document is not None:
            try:
                await self._index(creator_id, document)
            except AppError as error:
                if not error.retryable:
                    await self._fail(creator_id, document_id, error)
                raise
        await self._backfill.sweep(creator_id)

    async def _index(self, creator_id: UUID, document: DocumentText) -> None:
        await self._spaces.ensure(creator_id)
        chunks = await asyncio.to_thread(prepare, document)
        if not await self._store(creator_id, document, chunks):
            return
        for space in await self._spaces.in_use(creator_id):
            await self._backfill.embed_pending(creator_id, space.name, document_id=document.id)
        async with self._database.transaction(creator_id) as db:
            await knowledge.finish_document(db, creator_id, document.id, document.content_hash)

    async def _store(
        self, creator_id: UUID, document: DocumentText, chunks: Sequence[NewChunk]
    ) -> bool:
        """Store the chunks in batches, remove what is no longer said; False if superseded."""
        for start in range(0, len(chunks), BATCH):
            batch = chunks[start : start + BATCH]
            done = (start + len(batch)) / len(chunks)
            if not await self._store_batch(creator_id, document, batch, done / 2):
                return False
            await failpoint("mid-ingest")
        wanted = {chunk.id for chunk in chunks}
        async with self._database.transaction(creator_id) as db:
            if not await _is_current(db, creator_id, document):
                return False
            stored = await knowledge.chunk_ids(db, creator_id, document.id)
            gone = [chunk_id for chunk_id in stored if chunk_id not in wanted]
            await knowledge.delete_chunks(db, creator_id, gone)
        return True

    async def _store_batch(
        self, creator_id: UUID, document: DocumentText, batch: Sequence[NewChunk], progress: float
    ) -> bool:
        async with self._database.transaction(creator_id) as db:
            if not await _is_current(db, creator_id, document):
                return False
            added = await knowledge.store_chunks(db, creator_id, document.id, batch)
            await embeddings.expect(db, creator_id, document.id, added)
            await knowledge.record_progress(db, creator_id, document.id, progress)
        return True

    async def _fail(self, creator_id: UUID, document_id: UUID, error: AppError) -> None:
        async with self._database.transaction(creator_id) as db:
            await knowledge.fail_document(
                db, creator_id, document_id, code=error.code, error=error.message
            )


async def _is_current(db: PgConnection, creator_id: UUID, document: DocumentText) -> bool:
    return await knowledge.lock_version(db, creator_id, document.id, document.content_hash)


def prepare(document: DocumentText) -> list[NewChunk]:
    """The chunks of a document with their terms. The same text gives the same ids."""
    occurrences: Counter[bytes] = Counter()
    prepared = []
    for chunk in split(document.text, media_type=document.media_type):
        content_hash = _hash(document.title, chunk)
        label = f"{content_hash.hex()}:{occurrences[content_hash]}"
        occurrences[content_hash] += 1
        prepared.append(_prepared(document, chunk, content_hash, derived_id(document.id, label)))
    return prepared


def _prepared(
    document: DocumentText, chunk: Chunk, content_hash: bytes, chunk_id: UUID
) -> NewChunk:
    frequencies, length = weighted_terms(chunk.text, context(document.title, chunk.heading))
    return NewChunk(
        id=chunk_id,
        ordinal=chunk.ordinal,
        text=chunk.text,
        heading=chunk.heading,
        start=chunk.start,
        end=chunk.end,
        content_hash=content_hash,
        length=length,
        terms=frequencies,
    )


def context(title: str, heading: str) -> str:
    """What stands above a chunk: the title, unless the headings begin with it, and the headings."""
    if not heading or heading.casefold().startswith(title.casefold()):
        return heading or title
    return f"{title}\n{heading}"


def _hash(title: str, chunk: Chunk) -> bytes:
    # All that is indexed of a chunk, so that a new title or heading makes it a new one.
    return hashlib.sha256("\0".join((title, chunk.heading, chunk.text)).encode()).digest()
