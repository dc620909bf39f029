"""Wake-ups and deltas of a conversation, from workers to the gateways that stream it.

Only a hint: what is lost here is read again from Postgres. One pub/sub connection serves all
streams of a process; publishing never raises and never waits longer than `PUBLISH_SECONDS`.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import orjson
import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from shared.cache import keys
from shared.cache.breaker import Breaker
from shared.cache.client import REDIS_AWAY

log = structlog.get_logger(__name__)

PUBLISH_SECONDS = 0.2
RECONNECT_SECONDS = 0.5
MAX_WAITING = 256  # events that one slow reader may leave unread

CHANGED: dict[str, Any] = {"event": "changed"}


class Subscription:
    """The events of one conversation for one reader, bounded: a slow reader loses only deltas."""

    def __init__(self, is_connected: Callable[[], bool]) -> None:
        self._is_connected = is_connected
        self._waiting: deque[dict[str, Any]] = deque()
        self._arrived = asyncio.Event()
        self._overflowed = False

    @property
    def is_live(self) -> bool:
        """False: events don't arrive at present, so look into the database more often."""
        return self._is_connected()

    def push(self, event: dict[str, Any]) -> None:
        if event.get("event") == "changed":
            # The rows say it all: what led to them needn't be shown any more.
            self._overflowed = False
        elif self._overflowed:
            return
        elif len(self._waiting) >= MAX_WAITING:
            self._waiting.clear()
            self._overflowed = True
            event = CHANGED
        if not (self._waiting and event == CHANGED and self._waiting[-1] == CHANGED):
            self._waiting.append(event)
        if len(self._waiting) > MAX_WAITING:
            self._waiting.popleft()
        self._arrived.set()

    async def get(self, timeout_seconds: float) -> dict[str, Any] | None:
        """The next event, or None when none came in time."""
        if not self._waiting:
            self._arrived.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_seconds):
                    await self._arrived.wait()
        return self._waiting.popleft() if self._waiting else None

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        while True:
            event = await self.get(60)
            if event is not None:
                yield event


class LiveBus:
    """Publishes, and shares one self-healing subscription connection among all readers."""

    def __init__(self, redis: "Redis | None") -> None:
        self._redis = redis
        self._breaker = Breaker()
        self._readers: dict[str, set[Subscription]] = {}
        self._pubsub: PubSub | None = None
        self._task: asyncio.Task[None] | None = None
        self._connected = False

    async def publish(self, creator_id: UUID, conversation_id: UUID, event: dict[str, Any]) -> None:
        """Tell whoever streams this conversation, on any gateway; best effort."""
        if self._redis is None:
            self._hand_out(keys.live(creator_id, conversation_id), event)
            return
        if self._breaker.is_open:
            return
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                await self._redis.publish(
                    keys.live(creator_id, conversation_id), orjson.dumps(event)
                )
        except REDIS_AWAY:
            self._breaker.failed()

    @asynccontextmanager
    async def subscribe(
        self, creator_id: UUID, conversation_id: UUID
    ) -> AsyncIterator[Subscription]:
        """Events of this conversation from now on, for as long as the block runs."""
        channel = keys.live(creator_id, conversation_id)
        subscription = Subscription(lambda: self._connected)
        readers = self._readers.setdefault(channel, set())
        readers.add(subscription)
        try:
            await self._begin(channel, is_first=len(readers) == 1)
            yield subscription
        finally:
            readers.discard(subscription)
            if not readers and self._readers.get(channel) is readers:
                del self._readers[channel]
                await self._tell(lambda pubsub: pubsub.unsubscribe(channel))

    async def ping(self) -> None:
        """Raise what Redis raises when it is away."""
        if self._redis is None:
            raise ConnectionError("no Redis configured")
        try:
            await self._redis.ping()
        except REDIS_AWAY as error:
            raise ConnectionError(type(error).__name__) from error

    async def close(self) -> None:
        """End the shared connection. Readers that are left see no more events."""
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _begin(self, channel: str, *, is_first: bool) -> None:
        if self._redis is None:
            return
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._listen(), name="live")
        elif is_first:
            await self._tell(lambda pubsub: pubsub.subscribe(channel))

    async def _tell(self, command: Callable[[PubSub], Awaitable[Any]]) -> None:
        """Change what we listen to; a failure is left to the listener, which starts again."""
        if self._pubsub is None or not self._connected:
            return
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                await command(self._pubsub)
        except REDIS_AWAY:
            self._connected = False

    async def _listen(self) -> None:
        while True:
            try:
                await self._read()
            except REDIS_AWAY as error:
                log.info("live.disconnected", error=type(error).__name__)
            finally:
                self._connected = False
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _read(self) -> None:
        """Subscribe to all that is wanted and hand out what comes, until the connection ends."""
        assert self._redis is not None  # noqa: S101 - `_begin` starts us only with a client
        async with self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
            self._pubsub = pubsub
            wanted = set(self._readers)
            await pubsub.subscribe(keys.IDLE, *wanted)
            self._connected = True
            # Readers that came while we were connecting; from here on they subscribe themselves.
            if late := set(self._readers) - wanted:
                await pubsub.subscribe(*late)
            self._wake_all()
            while self._connected:
                message = await pubsub.get_message(timeout=1.0)
                if message is not None:
                    with suppress(orjson.JSONDecodeError):
                        self._hand_out(message["channel"].decode(), orjson.loads(message["data"]))

    def _wake_all(self) -> None:
        # Whatever was published while we were away is in the database.
        for readers in self._readers.values():
            for subscription in readers:
                subscription.push(CHANGED)

    def _hand_out(self, channel: str, event: dict[str, Any]) -> None:
        for subscription in self._readers.get(channel, ()):
            subscription.push(event)
