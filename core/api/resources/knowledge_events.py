"""GET /api/v1/knowledge/events: what becomes of the documents, as server-sent events.

The rows are the truth: who connects is told of all that is unfinished, then of each change. With
Last-Event-ID nothing is missed in between.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from core.api.deps import ApiKeys, PrincipalDep, RuntimeDep
from core.api.events import HELLO, PING, PING_SECONDS, POLL_SECONDS, EventResponse
from core.api.resources.knowledge import DocumentShown
from core.api.streams import StreamSlots
from core.knowledge import Knowledge
from core.live import Subscription
from shared.errors import AppError, Unavailable
from shared.models.knowledge import DocumentRecord
from shared.utils.clock import utc_now

router = APIRouter(prefix="/api/v1/knowledge", tags=["knowledge"])

PAGE = 200
# A row carries the time at which its transaction began: it may show up this much later.
OVERLAP = timedelta(seconds=20)
_FIRST = UUID(int=0)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_MICROSECONDS = 2**53

IsOpen = Callable[[], Awaitable[bool]]


class DocumentStream:
    """One reader of one creator's documents, until its key is revoked or the gateway stops."""

    def __init__(
        self,
        *,
        knowledge: Knowledge,
        slots: StreamSlots,
        creator_id: UUID,
        since: datetime | None,
        is_open: IsOpen,
    ) -> None:
        self._knowledge = knowledge
        self._slots = slots
        self._creator_id = creator_id
        self._resumes = since is not None
        self._since = since or utc_now()
        self._is_open = is_open
        self._sent: dict[UUID, datetime] = {}

    @property
    def name(self) -> str:
        return f"knowledge:{self._creator_id}"

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Chunks of the stream. Holds no database connection while it waits."""
        subscription = Subscription(lambda: False)  # only to be woken when the gateway stops
        with self._slots.slot(self.name, subscription):
            yield HELLO
            pinged_at, is_first = time.monotonic(), not self._resumes
            while not self._slots.is_closing:
                for document in await self._news(is_first):
                    yield _chunk(document)
                is_first = False
                await subscription.get(POLL_SECONDS)
                if time.monotonic() - pinged_at >= PING_SECONDS:
                    if not await self._is_open():
                        return
                    pinged_at = time.monotonic()
                    yield PING

    async def _news(self, is_first: bool) -> list[DocumentRecord]:
        try:
            known = await self._knowledge.unfinished(self._creator_id) if is_first else []
            found = [*known, *await self._changed()]
        except Unavailable:
            return []  # the stream outlives a restart of the database
        news = [one for one in found if self._sent.get(one.id) != one.updated_at]
        self._remember(found)
        return list({one.id: one for one in news}.values())

    async def _changed(self) -> list[DocumentRecord]:
        after = (self._since - OVERLAP, _FIRST)
        found: list[DocumentRecord] = []
        while True:
            page = await self._knowledge.changed_documents(self._creator_id, after, PAGE)
            found += page
            if len(page) < PAGE:
                return found
            after = (page[-1].updated_at, page[-1].id)

    def _remember(self, found: Sequence[DocumentRecord]) -> None:
        self._since = max([self._since, *(one.updated_at for one in found)])
        recent = self._since - OVERLAP
        self._sent = {key: at for key, at in self._sent.items() if at >= recent}
        self._sent.update((one.id, one.updated_at) for one in found)


@router.get(
    "/events",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Server-sent events."}},
)
async def follow_documents(
    request: Request,
    principal: PrincipalDep,
    runtime: RuntimeDep,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Server-sent events `document`, each with a document as GET shows it, at every change."""
    slots: StreamSlots = request.app.state.streams
    api_keys: ApiKeys = request.app.state.api_keys
    api_key = request.headers["authorization"].partition(" ")[2].strip()

    async def is_open() -> bool:
        with suppress(AppError):
            await api_keys.authenticate(api_key)
            return True
        return False

    stream = DocumentStream(
        knowledge=runtime.knowledge,
        slots=slots,
        creator_id=principal.creator_id,
        since=read_moment(last_event_id),
        is_open=is_open,
    )
    slots.check(stream.name)
    return EventResponse(aiter(stream))


def read_moment(value: str | None) -> datetime | None:
    """The moment that an event's id names; None for anything that isn't one of ours."""
    text = (value or "").strip()
    if not (text.isascii() and text.isdecimal() and len(text) <= 17):
        return None
    return _EPOCH + timedelta(microseconds=min(int(text), _MAX_MICROSECONDS))


def _chunk(document: DocumentRecord) -> bytes:
    number = (document.updated_at - _EPOCH) // timedelta(microseconds=1)
    data = DocumentShown.model_validate(document).model_dump_json().encode()
    return b"event: document\nid: %d\ndata: %b\n\n" % (number, data)
