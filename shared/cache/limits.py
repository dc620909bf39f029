"""Rate limits: GCRA in one Redis round trip, or in this process when Redis is away.

GCRA keeps one number per key: the time at which the bucket would be empty again ("theoretical
arrival time"). https://www.rfc-editor.org/rfc/rfc2697 describes the same bucket for networks.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from redis.asyncio import Redis

from shared.cache.breaker import Breaker
from shared.cache.client import REDIS_AWAY

CALL_SECONDS = 0.2
MAX_LOCAL_KEYS = 50_000

# All keys or none, by Redis's own clock, so that processes with different clocks agree. ARGV: how
# long the caller would wait for its turn; then each key's interval and tolerance (microseconds).
_GCRA = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local dues = redis.call('MGET', unpack(KEYS))
local wait, slowest = 0, 0
for i = 1, #KEYS do
  dues[i] = math.max(tonumber(dues[i] or now), now)
  local own = dues[i] - tonumber(ARGV[2 * i + 1]) - now
  if own > wait then wait, slowest = own, i end
end
if wait > tonumber(ARGV[1]) then return {0, wait, slowest} end
for i = 1, #KEYS do
  local due = math.max(dues[i], now + wait) + tonumber(ARGV[2 * i])
  redis.call('SET', KEYS[i], string.format('%.0f', due), 'PX', math.ceil((due - now) / 1000) + 1)
end
return {1, wait, slowest}
"""
# Nothing of this key is allowed for a while, whatever it had left. ARGV: microseconds.
_REST = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local due = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now + tonumber(ARGV[1]))
redis.call('SET', KEYS[1], string.format('%.0f', due), 'PX', math.ceil((due - now) / 1000) + 1)
"""


class Refill(Protocol):
    """A bucket of `burst` tokens that refills at `per_second`."""

    @property
    def per_second(self) -> float: ...

    @property
    def burst(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class _Rate:
    per_second: float
    burst: int


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Whether to go on, and in how many seconds: the caller's turn, or when to ask again."""

    allowed: bool
    retry_after: float = 0.0
    slowest: str | None = None  # the key that made it wait


_YES = Decision(allowed=True)


@dataclass(frozen=True)
class _Bucket:
    key: str
    interval: float
    tolerance: float


def _bucket(key: str, rate: Refill) -> _Bucket:
    interval = 1 / rate.per_second
    return _Bucket(key, interval, interval * (rate.burst - 1))


class RateLimiter:
    """Never raises and never waits longer than `CALL_SECONDS`."""

    def __init__(self, redis: "Redis | None") -> None:
        self._redis = redis
        self._breaker = Breaker()
        self._gcra = redis.register_script(_GCRA) if redis is not None else None
        self._rest = redis.register_script(_REST) if redis is not None else None
        self._local: OrderedDict[str, float] = OrderedDict()

    async def allow(self, key: str, *, rate_per_second: float, burst: int) -> Decision:
        """Take one of `burst` tokens that refill at `rate_per_second`; a rate of 0 is no limit."""
        return await self.allow_all([(key, _Rate(per_second=rate_per_second, burst=burst))])

    async def allow_all(
        self, limits: Sequence[tuple[str, Refill]], *, patience_seconds: float = 0.0
    ) -> Decision:
        """Take a token of every key, or of none. A rate of 0 is no limit.

        When all have one within `patience_seconds` they are taken already: the caller's turn is
        `retry_after` seconds from now, after everybody's who asked before.
        """
        buckets = [_bucket(key, rate) for key, rate in limits if rate.per_second > 0]
        if not buckets:
            return _YES
        decision = await self._ask_redis(buckets, patience_seconds)
        return decision or self._ask_here(buckets, patience_seconds, time.monotonic())

    async def rest(self, key: str, rate: Refill, seconds: float) -> None:
        """Allow nothing of this key for so long: what a platform that was asked too often wants."""
        if rate.per_second <= 0:
            return
        bucket = _bucket(key, rate)
        until = time.monotonic() + seconds + bucket.tolerance
        self._keep(key, max(until, self._local.get(key, 0.0)))
        if self._rest is None or self._breaker.is_open:
            return
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await self._rest(keys=[key], args=[_microseconds(seconds + bucket.tolerance)])
        except REDIS_AWAY:
            self._breaker.failed()

    async def forget(self, keys: Sequence[str]) -> None:
        """Drop what is known of these now; by themselves they end a little later."""
        for key in keys:
            self._local.pop(key, None)
        if self._redis is None or self._breaker.is_open or not keys:
            return
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await self._redis.unlink(*keys)
        except REDIS_AWAY:
            self._breaker.failed()

    async def _ask_redis(self, buckets: list[_Bucket], patience: float) -> Decision | None:
        if self._gcra is None or self._breaker.is_open:
            return None
        numbers = [n for bucket in buckets for n in (bucket.interval, bucket.tolerance)]
        try:
            async with asyncio.timeout(CALL_SECONDS):
                allowed, wait, slowest = await self._gcra(
                    keys=[bucket.key for bucket in buckets],
                    args=[_microseconds(number) for number in (patience, *numbers)],
                )
        except REDIS_AWAY:
            self._breaker.failed()
            return None
        key = buckets[slowest - 1].key if slowest else None
        return Decision(allowed=bool(allowed), retry_after=wait / 1_000_000, slowest=key)

    def _ask_here(self, buckets: list[_Bucket], patience: float, now: float) -> Decision:
        dues = [max(self._local.get(bucket.key, now), now) for bucket in buckets]
        waits = [due - b.tolerance - now for due, b in zip(dues, buckets, strict=True)]
        wait = max(0.0, *waits)
        slowest = buckets[waits.index(wait)].key if wait else None
        if wait > patience:
            return Decision(allowed=False, retry_after=wait, slowest=slowest)
        for due, bucket in zip(dues, buckets, strict=True):
            self._keep(bucket.key, max(due, now + wait) + bucket.interval)
        return Decision(allowed=True, retry_after=wait, slowest=slowest)

    def _keep(self, key: str, due: float) -> None:
        self._local[key] = due
        self._local.move_to_end(key)
        if len(self._local) > MAX_LOCAL_KEYS:
            self._local.popitem(last=False)


def _microseconds(seconds: float) -> int:
    return round(seconds * 1_000_000)
