"""A conversation as server-sent events: stored messages with ids, and live deltas without.

The rows are the truth and are sent in order by their number, so a reader resumes with
Last-Event-ID on any gateway. Wake-ups from the live bus only say when to look.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import structlog
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from core.api.streams import StreamSlots
from core.api.transcript import ChatMessage, messages_after
from core.live import LiveBus, Subscription
from shared.database import DatabaseManager
from shared.errors import Unavailable
from shared.utils.clock import utc_now

log = structlog.get_logger(__name__)

PING_SECONDS = 15.0  # proxies close connections that are silent for a minute or so
POLL_SECONDS = 1.0  # without live wake-ups
SAFETY_POLL_SECONDS = 5.0  # with them: a worker may die between its commit and its wake-up
PAGE = 100
SEND_SECONDS = 30.0  # a reader that takes nothing for this long is gone
MAX_SEQ = 2**62

HELLO = b"retry: 1000\n: connected\n\n"
PING = b": ping\n\n"
_FORWARDED = frozenset(("delta", "restart", "typing"))


class EventStream:
    """One reader of one conversation, until its token expires, its chat is closed (`is_open`
    tells, asked with each ping) or the gateway stops."""

    def __init__(
        self,
        *,
        database: DatabaseManager,
        live: LiveBus,
        slots: StreamSlots,
        creator_id: UUID,
        conversation_id: UUID,
        after: int,
        expires_at: datetime,
        is_open: Callable[[], Awaitable[bool]],
    ) -> None:
        self._database = database
        self._live = live
        self._slots = slots
        self._creator_id = creator_id
        self._conversation_id = conversation_id
        self._seq = after
        self._expires_at = expires_at
        self._is_open = is_open

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Chunks of the stream. Holds no database connection while it waits."""
        async with self._live.subscribe(self._creator_id, self._conversation_id) as subscription:
            with self._slots.slot(str(self._conversation_id), subscription):
                yield HELLO
                async for chunk in self._follow(subscription):
                    yield chunk

    async def _follow(self, subscription: Subscription) -> AsyncIterator[bytes]:
        pinged_at, look = time.monotonic(), True
        while not self._is_over():
            while look:
                messages = await self._read()
                for message in messages:
                    yield _message_chunk(message)
                look = len(messages) == PAGE
            event = await subscription.get(self._patience(subscription))
            look = event is None or event.get("event") not in _FORWARDED
            if event is not None and not look:
                yield _live_chunk(event)
            if time.monotonic() - pinged_at >= PING_SECONDS:
                if not await self._is_open():
                    return
                pinged_at = time.monotonic()
                yield PING

    async def _read(self) -> list[ChatMessage]:
        try:
            messages = await messages_after(
                self._database, self._creator_id, self._conversation_id, self._seq, PAGE
            )
        except Unavailable:
            return []  # the stream outlives a restart of the database
        if messages:
            self._seq = messages[-1].seq
        return messages

    def _is_over(self) -> bool:
        return self._slots.is_closing or utc_now() >= self._expires_at

    def _patience(self, subscription: Subscription) -> float:
        left = (self._expires_at - utc_now()).total_seconds()
        return max(0.0, min(SAFETY_POLL_SECONDS if subscription.is_live else POLL_SECONDS, left))


class EventResponse(StreamingResponse):
    """Sends chunks as the reader takes them; gives up on one that stopped reading."""

    def __init__(self, stream: AsyncIterator[bytes]) -> None:
        super().__init__(
            stream,
            media_type="text/event-stream",
            # X-Accel-Buffering: nginx would hold small events back.
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Any) -> None:
            async with asyncio.timeout(SEND_SECONDS):
                await send(message)

        with suppress(TimeoutError):
            await super().__call__(scope, receive, send_in_time)


def read_last_event_id(value: str | None) -> int:
    """The number to resume after; anything that isn't one of ours means from the start."""
    text = (value or "").strip()
    if not (text.isascii() and text.isdecimal() and len(text) <= 19):
        return 0
    return min(int(text), MAX_SEQ)


def _message_chunk(message: ChatMessage) -> bytes:
    data = message.model_dump_json(exclude_none=True).encode()
    return b"event: message\nid: %d\ndata: %b\n\n" % (message.seq, data)


def _live_chunk(event: dict[str, Any]) -> bytes:
    data = orjson.dumps({name: value for name, value in event.items() if name != "event"})
    return b"event: %b\ndata: %b\n\n" % (event["event"].encode(), data)
