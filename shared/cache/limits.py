"""Rate limits: GCRA in one Redis round trip, or in this process when Redis is away.

GCRA keeps one number per key: the time at which the bucket would be empty again ("theoretical
arrival time"). https://www.rfc-editor.org/rfc/rfc2697 describes the same bucket for networks.
"""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass

from redis.asyncio import Redis

from shared.cache.breaker import Breaker
from shared.cache.client import REDIS_AWAY

CALL_SECONDS = 0.2
MAX_LOCAL_KEYS = 50_000

# Redis's own clock, so that gateways with different clocks agree.
_GCRA = """
local interval, tolerance = tonumber(ARGV[1]), tonumber(ARGV[2])
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local due = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local wait = due - tolerance - now
if wait > 0 then return wait end
redis.call('SET', KEYS[1], string.format('%.0f', due + interval),
           'PX', math.ceil((due + interval - now) / 1000) + 1)
return 0
"""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Whether to go on; if not, after how many seconds it would be allowed."""

    allowed: bool
    retry_after: float = 0.0


_YES = Decision(allowed=True)


class RateLimiter:
    """Never raises and never waits longer than `CALL_SECONDS`."""

    def __init__(self, redis: "Redis | None") -> None:
        self._redis = redis
        self._breaker = Breaker()
        self._script = redis.register_script(_GCRA) if redis is not None else None
        self._local: OrderedDict[str, float] = OrderedDict()

    async def allow(self, key: str, *, rate_per_second: float, burst: int) -> Decision:
        """Take one of `burst` tokens that refill at `rate_per_second`; a rate of 0 is no limit."""
        if rate_per_second <= 0:
            return _YES
        interval = 1 / rate_per_second
        wait = await self._shared_wait(key, interval, burst)
        if wait is None:
            wait = self._local_wait(key, interval, burst, time.monotonic())
        return _YES if wait <= 0 else Decision(allowed=False, retry_after=wait)

    async def _shared_wait(self, key: str, interval: float, burst: int) -> float | None:
        if self._script is None or self._breaker.is_open:
            return None
        microseconds = max(1, round(interval * 1_000_000))
        try:
            async with asyncio.timeout(CALL_SECONDS):
                wait = await self._script(
                    keys=[key], args=[microseconds, microseconds * (burst - 1)]
                )
        except REDIS_AWAY:
            self._breaker.failed()
            return None
        return int(wait) / 1_000_000

    def _local_wait(self, key: str, interval: float, burst: int, now: float) -> float:
        due = max(self._local.get(key, now), now)
        wait = due - interval * (burst - 1) - now
        if wait <= 0:
            self._local[key] = due + interval
            self._local.move_to_end(key)
            if len(self._local) > MAX_LOCAL_KEYS:
                self._local.popitem(last=False)
        return wait
