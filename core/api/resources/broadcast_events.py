"""GET /api/v1/broadcasts/{id}/events: how far a broadcast is, as server-sent events.

Who connects is told at once, then of every change; the stream ends when nothing more can come.
"""

import time
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from core.api.deps import ApiKeys, PrincipalDep
from core.api.events import HELLO, PING, PING_SECONDS, POLL_SECONDS, EventResponse
from core.api.resources.broadcasts import BroadcastsDep
from core.api.resources.broadcasts_shown import details
from core.api.streams import StreamSlots
from core.live import Subscription
from core.programs.broadcasts.broadcast import Broadcasts
from shared.errors import AppError, NotFound, Unavailable

router = APIRouter(prefix="/api/v1/broadcasts", tags=["broadcasts"])

# Counting a large broadcast takes a while: of all time, at most this share is spent on it.
COUNTING_SHARE = 0.1
_OVER = ("done", "cancelled")


class BroadcastStream:
    """One reader of one broadcast, until it is over, its key is revoked or the gateway stops."""

    def __init__(
        self,
        *,
        broadcasts: Broadcasts,
        slots: StreamSlots,
        api_keys: ApiKeys,
        api_key: str,
        creator_id: UUID,
        broadcast_id: UUID,
    ) -> None:
        self._broadcasts = broadcasts
        self._slots = slots
        self._api_keys = api_keys
        self._api_key = api_key
        self._creator_id = creator_id
        self._id = broadcast_id
        self._shown = b""
        self._is_over = False

    @property
    def name(self) -> str:
        return f"broadcast:{self._id}"

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Chunks of the stream. Holds no database connection while it waits."""
        subscription = Subscription(lambda: False)  # only to be woken when the gateway stops
        with self._slots.slot(self.name, subscription):
            yield HELLO
            pinged_at = time.monotonic()
            while not self._slots.is_closing:
                began = time.monotonic()
                if chunk := await self._news():
                    yield chunk
                if self._is_over:
                    return
                took = time.monotonic() - began
                await subscription.get(max(POLL_SECONDS, took / COUNTING_SHARE))
                if time.monotonic() - pinged_at >= PING_SECONDS:
                    if not await self._may_read():
                        return
                    pinged_at = time.monotonic()
                    yield PING

    async def _news(self) -> bytes:
        """What changed since it was last told; empty when nothing did."""
        try:
            found, progress = await self._broadcasts.get(self._creator_id, self._id)
        except NotFound:
            self._is_over = True
            return b"event: deleted\ndata: {}\n\n"
        except Unavailable:
            return b""  # the stream outlives a restart of the database
        self._is_over = found.state in _OVER
        shown = details(found, progress).model_dump_json().encode()
        if shown == self._shown:
            return b""
        self._shown = shown
        return b"event: broadcast\ndata: %b\n\n" % shown

    async def _may_read(self) -> bool:
        with suppress(AppError):
            await self._api_keys.authenticate(self._api_key)
            return True
        return False


@router.get(
    "/{broadcast_id}/events",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Server-sent events."}},
)
async def follow_broadcast(
    broadcast_id: UUID, request: Request, principal: PrincipalDep, broadcasts: BroadcastsDep
) -> Response:
    """Server-sent events `broadcast`, each with what GET shows, at every change."""
    await broadcasts.get(principal.creator_id, broadcast_id)
    stream = BroadcastStream(
        broadcasts=broadcasts,
        slots=request.app.state.streams,
        api_keys=request.app.state.api_keys,
        api_key=request.headers["authorization"].partition(" ")[2].strip(),
        creator_id=principal.creator_id,
        broadcast_id=broadcast_id,
    )
    request.app.state.streams.check(stream.name)
    return EventResponse(aiter(stream))
