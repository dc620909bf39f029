"""How many event streams a gateway holds open at once, and the way to end them all."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from core.live import CHANGED, Subscription
from shared import telemetry
from shared.errors import QuotaExceeded, Unavailable

MAX_PER_CONVERSATION = 10  # tabs and devices of one visitor


class StreamSlots:
    """A cap on open streams. `close_all` ends them when the gateway stops; clients reconnect."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: dict[Subscription, str] = {}
        self._by_conversation: Counter[str] = Counter()
        self.is_closing = False

    @property
    def open_count(self) -> int:
        return len(self._open)

    def check(self, conversation: str) -> None:
        """Raise Unavailable when the gateway is full, QuotaExceeded when one visitor is."""
        if self.is_closing or len(self._open) >= self._limit:
            raise Unavailable("this server holds as many open streams as it can", retry_after=5)
        if self._by_conversation[conversation] >= MAX_PER_CONVERSATION:
            raise QuotaExceeded("too many open streams of one conversation", retry_after=5)

    @contextmanager
    def slot(self, conversation: str, subscription: Subscription) -> Iterator[None]:
        self._open[subscription] = conversation
        self._by_conversation[conversation] += 1
        telemetry.STREAMS.set(len(self._open))
        try:
            yield
        finally:
            del self._open[subscription]
            self._by_conversation[conversation] -= 1
            if not self._by_conversation[conversation]:
                del self._by_conversation[conversation]
            telemetry.STREAMS.set(len(self._open))

    def close_all(self) -> None:
        """End every stream at once. Safe to call from a signal handler, and twice."""
        self.is_closing = True
        for subscription in self._open:
            subscription.push(CHANGED)
