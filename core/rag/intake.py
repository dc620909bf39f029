"""Accept documents once: what a person sent is stored before it is answered, and read later."""

import asyncio
import hashlib
from dataclasses import dataclass
from uuid import UUID

from core.rag.fetch import Fetcher
from core.rag.read import Content, take_file, take_text
from core.rag.reading.result import HTML
from core.usage import has_room
from shared.database import DatabaseManager, PgConnection
from shared.errors import InvalidInput, KnowledgeQuota
from shared.models import knowledge, sources
from shared.models.knowledge import DocumentRecord, DocumentStatus, NewDocument, SourceKind
from shared.models.sources import Source
from shared.utils.clock import utc_now
from shared.utils.ids import new_id
from shared.utils.text import clean_text

MAX_TITLE = 300
# Shorter texts are cleaned and hashed in less time than a thread takes to start.
INLINE_BYTES = 32_768
FULL_SECONDS = 3600.0


@dataclass(frozen=True, kw_only=True)
class Document:
    """What became of an upload; `created` is False when the same content was there."""

    id: UUID
    status: DocumentStatus
    created: bool


@dataclass(frozen=True, kw_only=True)
class Quota:
    """How much one creator may store; 0 is without end."""

    documents: int = 0
    size_bytes: int = 0


class Intake:
    def __init__(self, database: DatabaseManager, fetcher: Fetcher, quota: Quota) -> None:
        self._database = database
        self._fetcher = fetcher
        self._quota = quota

    async def add(
        self,
        creator_id: UUID,
        *,
        title: str,
        content: str | bytes,
        filename: str,
        source_kind: SourceKind,
        source_uri: str,
    ) -> Document:
        """Accept a text or a file. Raises what `take_text` and `take_file` raise, KnowledgeQuota,
        and InvalidInput with the code `no_title` or `source_busy`."""
        taken = await _taken(content, filename)
        new = NewDocument(
            id=new_id(),
            title=_title(title, filename),
            source_kind=source_kind,
            source_uri=source_uri,
            media_type=taken.media_type,
            content_hash=taken.content_hash,
            text=taken.text,
            size_bytes=taken.size_bytes,
        )
        source = None
        if taken.text is None and isinstance(content, bytes):
            source = Source(filename=clean_text(filename)[:MAX_TITLE], data=content)
        async with self._database.transaction(creator_id) as db:
            return await self._accept(db, creator_id, new, source)

    async def add_url(self, creator_id: UUID, url: str, title: str = "") -> Document:
        """Accept an address to fetch, or to fetch again. Raises KnowledgeQuota, or InvalidInput
        with the code `url_not_public` or `bad_url`."""
        address = self._fetcher.check(url)
        async with self._database.transaction(creator_id) as db:
            known = await knowledge.find_by_source(db, creator_id, "url", address)
            if known is not None:
                again = await knowledge.begin_again(db, creator_id, known.id)
                return Document(id=known.id, status=(again or known).status, created=False)
            new = NewDocument(
                id=new_id(),
                title=" ".join(clean_text(title).split())[:MAX_TITLE] or address[:MAX_TITLE],
                source_kind="url",
                source_uri=address,
                media_type=HTML,
                content_hash=hashlib.sha256(f"url\0{address}".encode()).digest(),
                text=None,
            )
            return await self._accept(db, creator_id, new, None)

    async def _accept(
        self, db: PgConnection, creator_id: UUID, new: NewDocument, source: Source | None
    ) -> Document:
        known = await knowledge.find_by_content(db, creator_id, new.content_hash)
        if known is None:
            await self.check(db, creator_id, new)
            known = await _replace(db, creator_id, new, source)
        if known is None and await knowledge.insert_document(db, creator_id, new):
            await _keep(db, creator_id, new.id, source)
            return Document(id=new.id, status="pending", created=True)
        # Another request was quicker with the same content.
        known = known or await knowledge.find_by_content(db, creator_id, new.content_hash)
        if known is None:
            raise InvalidInput("this source is being replaced; try again", code="source_busy")
        if known.status == "failed" or known.is_stale:
            await _keep(db, creator_id, known.id, source)
            known = await knowledge.begin_again(db, creator_id, known.id) or known
        return Document(id=known.id, status=known.status, created=False)

    async def check(self, db: PgConnection, creator_id: UUID, new: NewDocument) -> None:
        """Raises KnowledgeQuota when there is no room for a document."""
        await _check_storage(db, creator_id, new.size_bytes)
        if not (self._quota.documents or self._quota.size_bytes):
            return
        used = await knowledge.lock_usage(db, creator_id)
        old = await knowledge.find_by_source(db, creator_id, new.source_kind, new.source_uri)
        if self._quota.documents and old is None and used.documents >= self._quota.documents:
            raise _full(f"there are {used.documents} documents, as many as may be stored")
        self._check_bytes(used.size_bytes - (old.size_bytes if old else 0), new.size_bytes)

    async def check_fetched(
        self, db: PgConnection, creator_id: UUID, document: DocumentRecord, size_bytes: int
    ) -> None:
        """The same for what was fetched: its size is known only now."""
        await _check_storage(db, creator_id, size_bytes)
        if self._quota.size_bytes:
            used = await knowledge.lock_usage(db, creator_id)
            self._check_bytes(used.size_bytes - document.size_bytes, size_bytes)

    def _check_bytes(self, used: int, wanted: int) -> None:
        if self._quota.size_bytes and used + wanted > self._quota.size_bytes:
            raise _full(f"there is no room for {wanted} bytes more")


async def _check_storage(db: PgConnection, creator_id: UUID, wanted: int) -> None:
    """The creator's own limit, which counts what is said as well."""
    if not await has_room(db, creator_id, wanted, utc_now()):
        raise _full("the storage that was agreed on is full")


def _full(message: str) -> KnowledgeQuota:
    return KnowledgeQuota(message, retry_after=FULL_SECONDS)


async def _keep(
    db: PgConnection, creator_id: UUID, document_id: UUID, source: Source | None
) -> None:
    """Store a file until it is read; a text is its own source."""
    if source is not None:
        await sources.put_source(db, creator_id, document_id, source)


async def _replace(
    db: PgConnection, creator_id: UUID, new: NewDocument, source: Source | None
) -> DocumentRecord | None:
    """The new version of a source that is there; None when the source is new."""
    known = await knowledge.replace_by_source(db, creator_id, new) if new.source_uri else None
    if known is None:
        return None
    if source is None:
        await sources.drop_source(db, creator_id, known.id)
    else:
        await sources.put_source(db, creator_id, known.id, source)
    return known


async def _taken(content: str | bytes, filename: str) -> Content:
    if len(content) <= INLINE_BYTES:
        return _take(content, filename)
    return await asyncio.to_thread(_take, content, filename)


def _take(content: str | bytes, filename: str) -> Content:
    if isinstance(content, str):
        return take_text(content, filename)
    return take_file(content, filename)


def _title(title: str, filename: str) -> str:
    named = " ".join(clean_text(title).split()) or clean_text(filename).rsplit("/", 1)[-1]
    if not named:
        raise InvalidInput("a document needs a title", code="no_title")
    return named[:MAX_TITLE]
