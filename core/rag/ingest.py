"""Read a document, cut it, store chunks and postings, then their vectors. Any step may be redone.

The ids of chunks are derived from what they say, so a second run, a run after kill -9 and a new
version of the document store only what is not there yet.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from core.rag.backfill import Backfill
from core.rag.chunk import Chunk, split
from core.rag.pickup import Pickup
from core.rag.spaces import Spaces
from core.rag.tokenize import weighted_terms
from shared.database import DatabaseManager, PgConnection
from shared.errors import AppError, ModelError
from shared.failpoints import failpoint
from shared.models import chunks as chunk_table
from shared.models import embeddings, knowledge, sources
from shared.models.chunks import NewChunk
from shared.models.embeddings import SpaceRecord
from shared.models.knowledge import DocumentText
from shared.utils.ids import derived_id

BATCH = 200


class Ingestion:
    """The body of the job. No transaction is open while a document is cut or embedded."""

    def __init__(
        self, database: DatabaseManager, spaces: Spaces, backfill: Backfill, pickup: Pickup
    ) -> None:
        self._database = database
        self._spaces = spaces
        self._backfill = backfill
        self._pickup = pickup

    async def run(self, creator_id: UUID, document_id: UUID) -> None:
        """Bring a document to `ready`, or to `failed` when it can never be.

        Raises VectorsUnavailable or ModelUnavailable when the vectors have to wait: the words are
        searchable by then, and the document stays unfinished for the next run.
        """
        unread = await self._pickup.begin(creator_id, document_id)
        if unread is not None:
            async with self._failing(creator_id, document_id, unread.content_hash):
                await self._pickup.finish(creator_id, unread)
        async with self._database.transaction(creator_id, is_repeatable=True) as db:
            document = await knowledge.begin_indexing(db, creator_id, document_id)
            active = await embeddings.active_space(db, creator_id)
        if document is None:
            return await self._backfill.sweep(creator_id)
        async with self._failing(creator_id, document_id, document.content_hash):
            if active is None:
                await self._spaces.ensure(creator_id)
            await self._index(creator_id, document)
        return None

    @asynccontextmanager
    async def _failing(
        self, creator_id: UUID, document_id: UUID, version: bytes
    ) -> AsyncIterator[None]:
        """An error that a repeat won't mend is this version's end."""
        try:
            yield
        except AppError as error:
            if not error.retryable:
                await self._fail(creator_id, document_id, version, error)
            raise

    async def _index(self, creator_id: UUID, document: DocumentText) -> None:
        chunks = await asyncio.to_thread(prepare, document)
        spaces: Sequence[SpaceRecord] = ()
        for start in range(0, len(chunks), BATCH):
            stored = await self._store(creator_id, document, chunks, slice(start, start + BATCH))
            if stored is None:
                return  # deleted or replaced meanwhile: the other version has its own job
            spaces = stored
            await failpoint("mid-ingest")
        for space in spaces:
            if space.state != "retired":
                await self._embed(creator_id, document.id, space)
        await self._finish(creator_id, document)

    async def _embed(self, creator_id: UUID, document_id: UUID, space: SpaceRecord) -> None:
        try:
            await self._backfill.embed_pending(creator_id, space.name, document_id=document_id)
        except ModelError:
            # Nobody reads from the other space of a migration, which stores what is missing.
            if space.state == "active":
                raise

    async def _store(
        self, creator_id: UUID, document: DocumentText, chunks: Sequence[NewChunk], part: slice
    ) -> list[SpaceRecord] | None:
        """Store one batch, and with the last one remove what is no longer said."""
        async with self._database.transaction(creator_id) as db:
            if not await knowledge.lock_version(db, creator_id, document.id, document.content_hash):
                return None
            added = await chunk_table.store_chunks(db, creator_id, document.id, chunks[part])
            await embeddings.expect(db, creator_id, document.id, added)
            if part.stop >= len(chunks):
                await _remove_others(db, creator_id, document.id, chunks)
            done = min(part.stop / len(chunks), 1.0)
            await knowledge.record_progress(db, creator_id, document.id, done / 2)
            return await embeddings.spaces(db, creator_id)

    async def _finish(self, creator_id: UUID, document: DocumentText) -> None:
        async with self._database.transaction(creator_id, is_repeatable=True) as db:
            await knowledge.finish_document(db, creator_id, document.id, document.content_hash)
            must_sweep = await embeddings.doomed(db, creator_id, limit=1)
        if must_sweep:
            await self._backfill.sweep(creator_id)

    async def _fail(
        self, creator_id: UUID, document_id: UUID, version: bytes, error: AppError
    ) -> None:
        code = getattr(error, "detail_code", None) or error.code
        async with self._database.transaction(creator_id) as db:
            if await knowledge.fail_document(
                db, creator_id, document_id, version=version, code=code, error=error.message
            ):
                # Who posts it again sends it again.
                await sources.drop_source(db, creator_id, document_id)


async def _remove_others(
    db: PgConnection, creator_id: UUID, document_id: UUID, wanted: Sequence[NewChunk]
) -> None:
    keep = {chunk.id for chunk in wanted}
    stored = await chunk_table.chunk_ids(db, creator_id, document_id)
    gone = [chunk_id for chunk_id in stored if chunk_id not in keep]
    if gone:
        await chunk_table.delete_chunks(db, creator_id, gone)


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
    title = own_title(document.title, chunk.heading)
    frequencies, length = weighted_terms(chunk.text, heading=chunk.heading, title=title)
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
        page=chunk.page,
    )


def own_title(title: str, heading: str) -> str:
    """The title, unless the headings begin with it and say it already."""
    return "" if heading.casefold().startswith(title.casefold()) else title


def _hash(title: str, chunk: Chunk) -> bytes:
    # All that is indexed of a chunk, so that a new title or heading makes it a new one.
    return hashlib.sha256("\0".join((title, chunk.heading, chunk.text)).encode()).digest()
