"""Circuit breakers that all processes share through Redis, one for each model on a host.

What one process learns of a dead host spares the others the wait, and of a half-open breaker one
process only holds the probe. With Redis away each process goes by what it saw itself.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from types import TracebackType
from typing import Any

import structlog
from redis.asyncio import Redis

from core.llm.breaker import BreakerOpen, CircuitBreaker, Outcome, outcome_of
from shared.cache import keys
from shared.cache.breaker import Breaker as Rest
from shared.cache.client import REDIS_AWAY
from shared.utils.ids import new_token

log = structlog.get_logger(__name__)

CALL_SECONDS = 0.2
MOST_BREAKERS = 1_000
FORGOTTEN_SECONDS = 900  # after the last failure
_CLOSED, _PROBE = 0, 1

# By Redis's own clock, in milliseconds. ARGV: this call's token, how long a probe may take.
# Returns 0 closed, 1 this call is the probe, -1 open or somebody else's probe runs.
_ADMIT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local h = redis.call('HMGET', KEYS[1], 'opened', 'cooldown', 'probe_until')
if not h[1] then return 0 end
if now < tonumber(h[1]) + tonumber(h[2]) or now < tonumber(h[3] or 0) then return -1 end
redis.call('HSET', KEYS[1], 'probe', ARGV[1], 'probe_until', now + tonumber(ARGV[2]))
return 1
"""
# ARGV: outcome, token, failures to open, first and longest cooldown, time to live.
_LEARN = """
if ARGV[1] == 'succeeded' then return redis.call('DEL', KEYS[1]) end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local h = redis.call('HMGET', KEYS[1], 'opened', 'cooldown', 'probe')
local probe = h[3] and h[3] == ARGV[2]
if probe then redis.call('HDEL', KEYS[1], 'probe', 'probe_until') end
if ARGV[1] ~= 'failed' then return 0 end
local failures = redis.call('HINCRBY', KEYS[1], 'failures', 1)
if probe then
  local cooldown = math.min(tonumber(h[2]) * 2, tonumber(ARGV[5]))
  redis.call('HSET', KEYS[1], 'opened', now, 'cooldown', cooldown)
elseif not h[1] and failures >= tonumber(ARGV[3]) then
  redis.call('HSET', KEYS[1], 'opened', now, 'cooldown', ARGV[4])
end
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return failures
"""


class Breakers:
    """Hands out the breaker of a model on a host; the same one every time."""

    def __init__(
        self,
        redis: "Redis | None" = None,
        *,
        failures: int = 3,
        cooldown_seconds: float = 10.0,
        longest_seconds: float = 60.0,
        probe_seconds: float = 45.0,
    ) -> None:
        self._failures = failures
        self._cooldown = cooldown_seconds
        self._longest = longest_seconds
        self._probe_seconds = probe_seconds
        self._rest = Rest()
        self._admit: Any = redis.register_script(_ADMIT) if redis is not None else None
        self._learn: Any = redis.register_script(_LEARN) if redis is not None else None
        self._known: OrderedDict[str, SharedBreaker] = OrderedDict()

    def of(self, host: str, model: str) -> "SharedBreaker":
        key = keys.breaker(host, model)
        found = self._known.get(key) or SharedBreaker(self, key, self._new_local())
        self._known[key] = found
        self._known.move_to_end(key)
        if len(self._known) > MOST_BREAKERS:
            self._known.popitem(last=False)
        return found

    def _new_local(self) -> CircuitBreaker:
        return CircuitBreaker(
            failures=self._failures,
            cooldown_seconds=self._cooldown,
            longest_seconds=self._longest,
        )

    async def admit(self, key: str, token: str) -> int | None:
        """What Redis says, None when it is away."""
        return await self._ask(self._admit, key, token, _ms(self._probe_seconds))

    async def learn(self, key: str, token: str, outcome: Outcome) -> None:
        cooldowns = (_ms(self._cooldown), _ms(self._longest), _ms(FORGOTTEN_SECONDS))
        await self._ask(self._learn, key, outcome, token, self._failures, *cooldowns)

    async def _ask(self, script: Any, key: str, *arguments: Any) -> int | None:
        if script is None or self._rest.is_open:
            return None
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return int(await script(keys=[key], args=arguments))
        except REDIS_AWAY as error:
            log.info("breaker.alone", error=type(error).__name__)
            self._rest.failed()
            return None


class SharedBreaker:
    """One breaker; what is learnt goes to Redis and is kept here too, for when Redis is away."""

    def __init__(self, shared: Breakers, key: str, local: CircuitBreaker) -> None:
        self.shared = shared
        self.key = key
        self.local = local

    def attempt(self, *, counts: Callable[[Exception], bool] = lambda _: True) -> "SharedAttempt":
        """`async with` around one call. Raises BreakerOpen instead of calling."""
        return SharedAttempt(self, counts)


class SharedAttempt:
    """One call under a shared breaker; enter it once."""

    def __init__(self, breaker: SharedBreaker, counts: Callable[[Exception], bool]) -> None:
        self._breaker = breaker
        self._counts = counts
        self._token = new_token()
        self._local_probe = False

    async def __aenter__(self) -> None:
        verdict = await self._breaker.shared.admit(self._breaker.key, self._token)
        if verdict is None:
            self._local_probe = self._breaker.local.admit()
        elif verdict not in (_CLOSED, _PROBE):
            raise BreakerOpen()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        outcome = outcome_of(error, self._counts)
        self._breaker.local.learn(outcome, probe=self._local_probe)
        await self._breaker.shared.learn(self._breaker.key, self._token, outcome)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
