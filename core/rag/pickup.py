"""Get a document's text: out of its upload, or from its address. Nothing is held meanwhile."""

import asyncio
import hashlib
from dataclasses import dataclass
from uuid import UUID

from core.rag.fetch import Fetcher
from core.rag.intake import Intake
from core.rag.read import clean, media_type_of
from core.rag.reading.reader import DocumentReader
from core.rag.reading.result import PLAIN, Reading
from shared.database import DatabaseManager
from shared.failpoints import failpoint
from shared.models import knowledge, sources
from shared.models.sources import NewReading, Unread
from shared.utils.text import clean_text


@dataclass(frozen=True, kw_only=True)
class _Material:
    data: bytes
    filename: str
    encoding: str = ""


class Pickup:
    """May run twice, at once or after a crash: only one stores what it read."""

    def __init__(
        self, database: DatabaseManager, reader: DocumentReader, fetcher: Fetcher, intake: Intake
    ) -> None:
        self._database = database
        self._reader = reader
        self._fetcher = fetcher
        self._intake = intake

    async def begin(self, creator_id: UUID, document_id: UUID) -> Unread | None:
        """Mark a document as being read; None when its text is known."""
        async with self._database.transaction(creator_id) as db:
            return await sources.begin_reading(db, creator_id, document_id)

    async def finish(self, creator_id: UUID, unread: Unread) -> None:
        """Bring a document that waits for its text to `indexing`.

        Raises InvalidInput when it can't be read, KnowledgeQuota when there is no room for it.
        """
        material = await self._material(creator_id, unread)
        if material is None:
            return  # another worker has read it
        version = await asyncio.to_thread(_version, unread, material.data)
        if unread.source_kind == "url" and version == unread.content_hash:
            async with self._database.transaction(creator_id) as db:
                await sources.keep_reading(db, creator_id, unread)
            return
        reading = await self._reader.read(material.data, material.filename, material.encoding)
        new = await asyncio.to_thread(_stored_form, reading, material, version)
        await failpoint("mid-ingest")
        await self._store(creator_id, unread, new)

    async def _material(self, creator_id: UUID, unread: Unread) -> _Material | None:
        if unread.source_kind == "url":
            page = await self._fetcher.fetch(unread.source_uri)
            return _Material(data=page.data, filename=page.filename, encoding=page.encoding)
        async with self._database.transaction(creator_id) as db:
            source = await sources.get_source(db, creator_id, unread.id)
        return _Material(data=source.data, filename=source.filename) if source else None

    async def _store(self, creator_id: UUID, unread: Unread, new: NewReading) -> None:
        async with self._database.transaction(creator_id) as db:
            if unread.source_kind == "url":
                document = await knowledge.get_document(db, creator_id, unread.id)
                if document is not None:
                    await self._intake.check_fetched(db, creator_id, document, new.size_bytes)
            if await sources.store_reading(db, creator_id, unread, new):
                await sources.drop_source(db, creator_id, unread.id)


def _version(unread: Unread, data: bytes) -> bytes:
    """What names this content. Two addresses with the same page are two documents."""
    if unread.source_kind != "url":
        return unread.content_hash
    return hashlib.sha256(f"url\0{unread.source_uri}\0".encode() + data).digest()


def _stored_form(reading: Reading, material: _Material, version: bytes) -> NewReading:
    text = clean(reading.text)
    media_type = reading.media_type
    if media_type == PLAIN:
        media_type = media_type_of(text, material.filename)
    return NewReading(
        text=text,
        media_type=media_type,
        title=" ".join(clean_text(reading.title).split()),
        pages=reading.pages,
        size_bytes=len(material.data),
        content_hash=version,
    )
