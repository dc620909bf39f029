"""Fetch what a person sent, when somebody asks for it: through its channel, up to a size.

Nothing is fetched on the way in. A file is taken whole before it is handed on, so that every
failure is told as such and nobody gets half a file; no connection is held meanwhile.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import Any
from uuid import UUID

from core.accounts import Accounts
from core.channels import ChannelAdapter, Downloads, InboundAttachment
from core.sniffing import HEAD_BYTES, sniff, suffix_of
from shared.database import DatabaseManager
from shared.errors import (
    AppError,
    AttachmentGone,
    AttachmentNotFetchable,
    AttachmentTooLarge,
    AuthRevoked,
    ChannelError,
    NetworkError,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    Unavailable,
)

FETCH_SECONDS = 45.0
AT_ONCE = 8  # downloads of one gateway; more wait for their turn within the time above
MEMORY_BYTES = 1_000_000  # larger files wait on disk
CHUNK_BYTES = 65_536

_MESSAGE = """
SELECT channel_id, payload -> 'attachments' AS attachments FROM app.messages
WHERE creator_id = $1 AND id = $2 AND direction = 'in'
"""


@dataclass(kw_only=True)
class Fetched:
    """A whole file. `media_type` is what it really is; read `pieces` once, to the end."""

    name: str
    media_type: str
    size: int
    _file: "SpooledTemporaryFile[bytes]" = field(repr=False)

    async def pieces(self) -> AsyncIterator[bytes]:
        try:
            while piece := await asyncio.to_thread(self._file.read, CHUNK_BYTES):
                yield piece
        finally:
            self._file.close()

    def close(self) -> None:
        self._file.close()


class Attachments:
    """Raises NotFound for other creators' messages and for numbers that no attachment has."""

    def __init__(
        self,
        *,
        database: DatabaseManager,
        accounts: Accounts,
        channels: dict[str, ChannelAdapter],
        max_bytes: int,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._channels = channels
        self._max_bytes = max_bytes
        self._places = asyncio.Semaphore(AT_ONCE)

    async def fetch(self, creator_id: UUID, message_id: UUID, index: int) -> Fetched:
        """The attachment with this number, counted from 0.

        Raises AttachmentTooLarge, AttachmentGone (the platform no longer has it),
        AttachmentNotFetchable (there is nothing to fetch, or we may not), Unavailable.
        """
        channel_id, attachment = await self._find(creator_id, message_id, index)
        record = await self._accounts.get(creator_id, channel_id)
        adapter = self._channels[record.account.type]
        if not isinstance(adapter, Downloads) or not attachment.ref:
            raise AttachmentNotFetchable
        if attachment.size is not None and attachment.size > self._max_bytes:
            raise AttachmentTooLarge
        with ExitStack() as stack:
            file = stack.enter_context(SpooledTemporaryFile(max_size=MEMORY_BYTES))
            try:
                async with asyncio.timeout(FETCH_SECONDS), self._places:
                    pieces = adapter.download(attachment.ref, record.account)
                    size = await self._take(adapter, pieces, file)
            except TimeoutError as error:
                raise Unavailable("the platform is too slow", retry_after=5) from error
            fetched = await asyncio.to_thread(_described, attachment, index, size, file)
            stack.pop_all()  # whoever reads the file closes it
        return fetched

    async def _find(
        self, creator_id: UUID, message_id: UUID, index: int
    ) -> tuple[UUID, InboundAttachment]:
        async with self._database.transaction(creator_id) as connection:
            row = await connection.fetchrow(_MESSAGE, creator_id, message_id)
        stored: list[Any] = (row["attachments"] or []) if row else []
        if row is None or not 0 <= index < len(stored):
            raise NotFound
        return row["channel_id"], InboundAttachment.model_validate(stored[index])

    async def _take(
        self,
        adapter: ChannelAdapter,
        pieces: AsyncIterator[bytes],
        file: "SpooledTemporaryFile[bytes]",
    ) -> int:
        """Write the whole file; its size."""
        size = 0
        try:
            async with _closed(pieces):
                async for piece in pieces:
                    size += len(piece)
                    if size > self._max_bytes:
                        raise AttachmentTooLarge
                    await asyncio.to_thread(file.write, piece)
        except ChannelError as error:
            raise _translated(error) from error
        except (AppError, TimeoutError):
            raise
        except Exception as error:
            raise _translated(adapter.classify(error)) from error
        return size


@asynccontextmanager
async def _closed(pieces: AsyncIterator[bytes]) -> AsyncIterator[None]:
    """Ends the download also when we stop in the middle of it."""
    try:
        yield
    finally:
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()


def _translated(error: ChannelError) -> AppError:
    """What the platform said about a file, as what it means for who asked."""
    if isinstance(error, RateLimited | NetworkError | OutcomeUnknown):
        return Unavailable("the platform doesn't give the file now", retry_after=error.retry_after)
    if isinstance(error, PermissionDenied | AuthRevoked):
        return AttachmentNotFetchable()
    # https://core.telegram.org/bots/api#getfile: "file is too big"
    if "too big" in error.message.lower() or error.detail_code == "file_too_large":
        return AttachmentTooLarge()
    return AttachmentGone()


def _described(
    attachment: InboundAttachment, index: int, size: int, file: "SpooledTemporaryFile[bytes]"
) -> Fetched:
    file.seek(0)
    media_type = sniff(file.read(HEAD_BYTES))
    file.seek(0)
    name = attachment.name or f"{attachment.kind}-{index}"
    if "." not in name:
        name += suffix_of(media_type)
    return Fetched(name=name, media_type=media_type, size=size, _file=file)
