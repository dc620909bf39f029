"""Show an answer on a push channel while a model writes it; the outbox makes it final.

Written ahead: a row in app.reply_streams, under the id the reply will have, is committed before
the first words leave. The turn commits its reply as ever, and the outbox ends the growing message
instead of sending another. A turn that is repeated goes on with the message its row names. A row
without a name tells of a crash around the first call: no second stream is begun, the answer is
sent whole, and the first words of it may stay standing above. What goes wrong here never fails a
turn: the answer stops growing, nothing else.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal, Protocol, TypeVar

import structlog

from core.channels import Account, Address, Capabilities, ChannelAdapter, Streams
from core.dialogue import stream_rows
from core.dialogue.memory import Work, reply_id
from core.dialogue.partial import whole, whole_paragraphs, without_citations
from core.leases import Hold, Lease
from core.llm.chain import Delta, Restart, may_refuse
from core.pace import Pace, limits_of
from shared.cache.limits import RateLimiter
from shared.database import DatabaseManager
from shared.errors import AppError, ChannelError, InvalidInput, OutcomeUnknown, RateLimited
from shared.failpoints import failpoint
from shared.utils.clock import utc_now
from shared.utils.tasks import insist, to_the_end

log = structlog.get_logger(__name__)

Mode = Literal["native", "edit", "paragraphs", "buffer"]
T = TypeVar("T")

CALL_SECONDS = 5.0
DEFAULT_REST_SECONDS = 1.0
LEAST_WAIT_SECONDS = 0.01
# A model that has the whole answer this soon is heard at once, in one message.
PATIENCE_SECONDS = 0.4
FIRST_WORDS = 40  # characters
_SENTENCE = re.compile(r"[.!?…](?:\s|$)")


def mode_of(capabilities: Capabilities, address: Address, setting: object = "auto") -> Mode:
    """How an answer grows there. In groups, edits count against the group's few sends a minute."""
    if setting == "off" or capabilities.delivery == "pull" or capabilities.streaming == "none":
        return "buffer"
    if capabilities.streaming == "native":
        return "native"
    return "edit" if address.is_private else "paragraphs"


def check_streaming(settings: Mapping[str, Any]) -> None:
    """Raise InvalidInput unless `streaming`, where given, is auto or off."""
    if settings.get("streaming", "auto") not in ("auto", "off"):
        raise InvalidInput('streaming must be "auto" or "off".')


def shown_of(written: str, mode: Mode) -> str:
    """What of an unfinished answer is shown; empty while there is nothing yet."""
    if may_refuse(written):
        return ""
    text = whole_paragraphs(written) if mode == "paragraphs" else written
    return whole(without_citations(text))


def is_enough(shown: str) -> bool:
    """Whether it is worth beginning: a short answer is better sent once."""
    return len(shown) >= FIRST_WORDS or _SENTENCE.search(shown) is not None


class _Stop(Exception):
    """The answer is not to grow any further."""


class _Adapter(ChannelAdapter, Streams, Protocol):
    """A channel that can show growing answers."""


@dataclass(frozen=True, kw_only=True)
class Means:
    """What every stream of a worker shares."""

    database: DatabaseManager
    limiter: RateLimiter
    pace: Pace


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where one turn's first reply grows, and the right to show it there."""

    lease: Lease
    hold: Hold
    work: Work
    account: Account

    @property
    def to(self) -> Address:
        return Address.model_validate(self.work.address)


@asynccontextmanager
async def growing(
    means: Means, place: Place, adapter: ChannelAdapter, began: asyncio.Event
) -> "AsyncIterator[ReplyStream | None]":
    """A stream for this turn's first reply, ended with the block; None where answers don't grow.

    `began` is set when the first words stand there.
    """
    setting = place.account.settings.get("streaming", "auto")
    mode = mode_of(adapter.capabilities, place.to, setting)
    if mode == "buffer" or not isinstance(adapter, Streams):
        yield None
        return
    stream = ReplyStream(means=means, place=place, adapter=adapter, mode=mode, began=began)
    task = asyncio.create_task(stream.run())
    try:
        yield stream
    finally:
        task.cancel()
        # What is under way ends first: a late update must not undo what the outbox makes final.
        await asyncio.wait({task})


class ReplyStream:
    """Takes what the model writes, at any pace; shows the newest of it at the channel's pace."""

    def __init__(
        self,
        *,
        means: Means,
        place: Place,
        adapter: _Adapter,
        mode: Mode,
        began: asyncio.Event,
    ) -> None:
        self._means = means
        self._place = place
        self._adapter = adapter
        self._mode = mode
        self._began = began
        self._message_id = reply_id(place.work, 1)
        self._written = ""
        self._shown = ""
        self._external_id = ""
        self._news = asyncio.Event()

    def take(self, event: Delta | Restart) -> None:
        """Hear of a piece, or of its withdrawal. Never waits."""
        self._written = (self._written + event.text) if isinstance(event, Delta) else ""
        self._news.set()

    async def run(self) -> None:
        """Show what is taken until cancelled; a call under way is finished first."""
        try:
            await self._news.wait()
            await asyncio.sleep(PATIENCE_SECONDS)
            while True:
                text = await self._next()
                await to_the_end(self._show(text))
                await asyncio.sleep(self._adapter.capabilities.stream_seconds)
        except _Stop:
            return
        except AppError as error:
            log.info("stream.stopped", code=error.code)
        except Exception as error:
            # An adapter may raise anything; the outbox shows the answer all the same.
            log.warning("stream.failed", error=type(error).__name__, exc_info=error)

    # --- when

    async def _next(self) -> str:
        """The newest text, once it is worth showing and the channel's pace allows a call."""
        while True:
            await self._news.wait()
            self._news.clear()
            if not self._due():
                continue
            await self._take_token()
            if text := self._due():
                return text

    def _due(self) -> str:
        text = shown_of(self._written, self._mode)
        is_begun = bool(self._external_id)
        return text if text != self._shown and (is_begun or is_enough(text)) else ""

    async def _take_token(self) -> None:
        """Wait for leave to call. Half of all tokens are left for messages that are final."""
        if self._mode == "native" and self._external_id:
            return  # growing natively is no message: the pause between updates is its limit
        limits = limits_of(self._place.account, self._adapter.capabilities, self._place.to)
        spare = [(key, replace(rate, burst=max(1, rate.burst // 2))) for key, rate in limits]
        while True:
            decision = await self._means.limiter.allow_all(spare)
            if decision.allowed:
                return
            await asyncio.sleep(max(decision.retry_after, LEAST_WAIT_SECONDS))

    # --- what

    async def _show(self, text: str) -> None:
        if not self._external_id:
            await self._begin(text)
        else:
            await self._grow(text)

    async def _begin(self, text: str) -> None:
        lease, place = self._place.lease, self._place
        standing, named = await stream_rows.write_ahead(
            self._means.database, lease, self._message_id, place.to
        )
        if standing == "not_now":
            return
        if standing == "unnamed" or not place.hold.is_sure:
            raise _Stop
        if named:
            self._external_id = named
            self._began.set()
            await self._grow(text)
            return
        await failpoint("after-stream-written")
        external_id = await self._first_call(text)
        await failpoint("after-stream-start")
        creator_id, message_id = lease.creator_id, self._message_id
        await insist(
            lambda: stream_rows.name(self._means.database, creator_id, message_id, external_id)
        )
        self._external_id, self._shown = external_id, text
        self._began.set()
        log.info("stream.began", mode=self._mode)

    async def _first_call(self, text: str) -> str:
        place = self._place
        try:
            return await self._call(self._adapter.start_stream(place.to, text, place.account))
        except ChannelError as error:
            if not isinstance(error, OutcomeUnknown):
                await stream_rows.forget(
                    self._means.database, place.lease.creator_id, self._message_id
                )
            raise

    async def _grow(self, text: str) -> None:
        place = self._place
        if not await stream_rows.may_call(self._means.database, place.lease):
            return
        if not place.hold.is_sure:
            raise _Stop
        await self._call(
            self._adapter.grow_stream(place.to, self._external_id, self._shown, text, place.account)
        )
        self._shown = text

    async def _call(self, call: Awaitable[T]) -> T:
        """One call, one deadline; every failure comes out as a ChannelError, and has its pause."""
        # No call outlasts the lease: it would undo what whoever has it next makes final.
        left = self._place.hold.sure_until - time.monotonic()
        try:
            async with asyncio.timeout(min(CALL_SECONDS, left)):
                return await call
        except TimeoutError as error:
            raise OutcomeUnknown from error
        except Exception as error:
            known = self._adapter.classify(error)
            if isinstance(known, RateLimited):
                await self._rest(known)
            if known is error:
                raise
            raise known from error

    async def _rest(self, error: RateLimited) -> None:
        """Nobody calls before the channel's deadline, the outbox neither."""
        place, known = self._place, error
        if error.retry_after is None:
            known = RateLimited(retry_after=DEFAULT_REST_SECONDS, scope=error.scope)
        await self._means.pace.rest(place.account, self._adapter.capabilities, place.to, known)
        channel_id = place.work.channel_id if known.scope == "channel" else None
        until = utc_now() + timedelta(seconds=known.retry_after or DEFAULT_REST_SECONDS)
        await stream_rows.rest(self._means.database, place.lease, channel_id, until)
