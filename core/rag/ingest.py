"""Read a document, cut it, store chunks and postings, then their vectors. Any step may be redone.

The ids of chunks are derived from what they say, so a second run, a run after kill -9 and a new
version of the document store only what is not there yet. Short documents that wait go together:
a transaction and a call to Chroma cost the same for many as for one.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID
from weakref import WeakValueDictionary

import structlog

from core.rag.backfill import Backfill
from core.rag.chunk import Chunk, split
from core.rag.pickup import Pickup
from core.rag.spaces import Spaces
from core.rag.tokenize import weighted_terms
from shared.database import DatabaseManager, PgConnection
from shared.errors import AppError, ModelError
from shared.failpoints import failpoint
from shared.models import chunks as chunk_table
from shared.models import embeddings, indexing, sources
from shared.models.chunks import NewChunk
from shared.models.embeddings import SpaceRecord
from shared.models.indexing import DocumentText
from shared.utils.ids import derived_id

log = structlog.get_logger(__name__)

BATCH = 200
# Documents that go together, and their text in bytes: about as much as one batch of vectors.
TOGETHER = 200
TOGETHER_BYTES = 240_000
# Longer ones go alone, beside the others of their creator, who wait for nobody's book.
LONG_BYTES = 60_000
# Cut in one stay in a thread; then the loop has the interpreter for itself again.
SLICE_BYTES = 60_000


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Chunks of a document that are stored at once; `keep` is all of them, with the last part."""

    document: DocumentText
    chunks: Sequence[NewChunk]
    done: float
    keep: Sequence[UUID] | None


class Ingestion:
    """The body of the job. No transaction is open while a document is cut or embedded."""

    def __init__(
        self, database: DatabaseManager, spaces: Spaces, backfill: Backfill, pickup: Pickup
    ) -> None:
        self._database = database
        self._spaces = spaces
        self._backfill = backfill
        self._pickup = pickup
        self._turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def run(self, creator_id: UUID, document_id: UUID) -> None:
        """Bring a document to `ready`, or to `failed` when it can never be.

        Raises VectorsUnavailable or ModelUnavailable when the vectors have to wait: the words are
        searchable by then, and the document stays unfinished for the next run.
        """
        unread = await self._pickup.begin(creator_id, document_id)
        if unread is not None:
            async with self._failing(creator_id, document_id, unread.content_hash):
                await self._pickup.finish(creator_id, unread)
        async with self._turns.setdefault(creator_id, asyncio.Lock()):
            documents = await self._begin(creator_id, document_id)
            if documents and not _is_long(documents[0]):
                return await self._index_all(creator_id, documents)
        if not documents:
            return await self._backfill.sweep(creator_id)
        return await self._index_one(creator_id, documents[0])

    async def _begin(self, creator_id: UUID, document_id: UUID) -> list[DocumentText]:
        """The document and others that may go with it; empty when it is done."""
        async with self._database.transaction(creator_id, is_repeatable=True) as db:
            document = await indexing.begin_indexing(db, creator_id, document_id)
            if document is None or _is_long(document):
                return [document] if document else []
            size = TOGETHER_BYTES - len(document.text.encode())
            others = await indexing.begin_others(
                db, creator_id, limit=TOGETHER - 1, longest=LONG_BYTES, size=size
            )
        return [document, *others]

    async def _index_all(self, creator_id: UUID, documents: Sequence[DocumentText]) -> None:
        """Index documents together; when one of them can't be, each by itself."""
        asked, *others = documents
        if others:
            try:
                return await self._index(creator_id, documents)
            except Exception as error:
                if isinstance(error, AppError) and error.retryable:
                    raise
                log.warning("ingest.apart", documents=len(documents), error=type(error).__name__)
        for document in others:
            await self._try(creator_id, document)
        return await self._index_one(creator_id, asked)

    async def _try(self, creator_id: UUID, document: DocumentText) -> None:
        """What becomes of it is no matter of the document that was asked for."""
        try:
            await self._index_one(creator_id, document)
        except Exception as error:
            if isinstance(error, AppError) and error.retryable:
                raise
            log.warning("ingest.failed", document=str(document.id), error=type(error).__name__)

    async def _index_one(self, creator_id: UUID, document: DocumentText) -> None:
        async with self._failing(creator_id, document.id, document.content_hash):
            await self._index(creator_id, [document])

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

    async def _index(self, creator_id: UUID, documents: Sequence[DocumentText]) -> None:
        await self._spaces.ensure(creator_id)
        prepared: list[tuple[DocumentText, list[NewChunk]]] = []
        for part in _slices(documents):
            prepared += await asyncio.to_thread(_prepare_all, part)
        spaces, versions = await self._store_all(creator_id, prepared)
        if not versions:
            return
        for space in spaces:
            if space.state != "retired":
                await self._embed(creator_id, list(versions), space)
        await self._finish(creator_id, versions)

    async def _store_all(
        self, creator_id: UUID, prepared: Sequence[tuple[DocumentText, list[NewChunk]]]
    ) -> tuple[Sequence[SpaceRecord], dict[UUID, bytes]]:
        """Store in batches; the spaces there are, and the versions that are still wanted."""
        versions = {document.id: document.content_hash for document, _ in prepared}
        spaces: Sequence[SpaceRecord] = ()
        for parts in _batches(prepared):
            # One that is deleted or replaced meanwhile drops out: a new version has its own job.
            wanted = [part for part in parts if part.document.id in versions]
            if wanted:
                spaces, gone = await self._store(creator_id, wanted)
                versions = {one: hash_ for one, hash_ in versions.items() if one not in gone}
                await failpoint("mid-ingest")
        return spaces, versions

    async def _embed(
        self, creator_id: UUID, document_ids: Sequence[UUID], space: SpaceRecord
    ) -> None:
        try:
            await self._backfill.embed_pending(creator_id, space.name, document_ids=document_ids)
        except ModelError:
            # Nobody reads from the other space of a migration, which stores what is missing.
            if space.state == "active":
                raise

    async def _store(
        self, creator_id: UUID, parts: Sequence[_Part]
    ) -> tuple[list[SpaceRecord], set[UUID]]:
        """Store one batch, and with a document's last part remove what it says no longer.

        Returns the spaces, and the documents that were deleted or replaced meanwhile.
        """
        versions = {part.document.id: part.document.content_hash for part in parts}
        async with self._database.transaction(creator_id) as db:
            held = await indexing.lock_versions(db, creator_id, versions)
            here = [part for part in parts if part.document.id in held]
            chunks = {part.document.id: part.chunks for part in here}
            added = await chunk_table.store_chunks(db, creator_id, chunks)
            await embeddings.expect(db, creator_id, added)
            await _remove_others(db, creator_id, here)
            progress = {part.document.id: part.done / 2 for part in here}
            await indexing.record_progress(db, creator_id, progress)
            return await embeddings.spaces(db, creator_id), versions.keys() - held

    async def _finish(self, creator_id: UUID, versions: dict[UUID, bytes]) -> None:
        async with self._database.transaction(creator_id, is_repeatable=True) as db:
            await indexing.finish_documents(db, creator_id, versions)
            must_sweep = await embeddings.doomed(db, creator_id, limit=1)
        if must_sweep:
            await self._backfill.sweep(creator_id)

    async def _fail(
        self, creator_id: UUID, document_id: UUID, version: bytes, error: AppError
    ) -> None:
        code = getattr(error, "detail_code", None) or error.code
        async with self._database.transaction(creator_id) as db:
            if await indexing.fail_document(
                db, creator_id, document_id, version=version, code=code, error=error.message
            ):
                # Who posts it again sends it again.
                await sources.drop_source(db, creator_id, document_id)


async def _remove_others(db: PgConnection, creator_id: UUID, parts: Sequence[_Part]) -> None:
    """Remove what documents whose last part this is no longer say."""
    last = {part.document.id: part.keep for part in parts if part.keep is not None}
    keep = [one for ids in last.values() for one in ids]
    others = await chunk_table.other_ids(db, creator_id, list(last), keep)
    if others:
        await chunk_table.delete_chunks(db, creator_id, others)


def _is_long(document: DocumentText) -> bool:
    return len(document.text) > LONG_BYTES


def _slices(documents: Sequence[DocumentText]) -> Iterator[list[DocumentText]]:
    part: list[DocumentText] = []
    for document in documents:
        part.append(document)
        if sum(len(one.text) for one in part) >= SLICE_BYTES:
            yield part
            part = []
    if part:
        yield part


def _batches(prepared: Sequence[tuple[DocumentText, list[NewChunk]]]) -> Iterator[list[_Part]]:
    """Parts of documents, at most BATCH chunks together; a document is at most once in each."""
    batch: list[_Part] = []
    room = BATCH
    for document, chunks in prepared:
        stop = 0
        while True:
            start, stop = stop, min(stop + room, len(chunks))
            keep = [chunk.id for chunk in chunks] if stop == len(chunks) else None
            batch.append(
                _Part(
                    document=document,
                    chunks=chunks[start:stop],
                    done=stop / max(len(chunks), 1),
                    keep=keep,
                )
            )
            room -= stop - start
            if room == 0:
                yield batch
                batch, room = [], BATCH
            if keep is not None:
                break
    if batch:
        yield batch


def _prepare_all(
    documents: Sequence[DocumentText],
) -> list[tuple[DocumentText, list[NewChunk]]]:
    return [(document, prepare(document)) for document in documents]


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
