"""Rate limits: the same with Redis, without it, and while it hangs."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from shared.cache.client import open_redis
from shared.cache.limits import RateLimiter, Refill
from shared.settings import RedisSettings


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = open_redis(RedisSettings(url=SecretStr(redis_url)))
    assert client is not None
    yield client
    await client.aclose()


@pytest.fixture(params=["redis", "alone", "refused"])
async def limiter(
    request: pytest.FixtureRequest, redis: Redis, closed_port: int
) -> AsyncIterator[RateLimiter]:
    if request.param == "refused":
        refused = open_redis(RedisSettings(url=SecretStr(f"redis://127.0.0.1:{closed_port}")))
        assert refused is not None
        yield RateLimiter(refused)
        await refused.aclose()
    else:
        yield RateLimiter(redis if request.param == "redis" else None)


async def test_a_burst_passes_and_then_it_waits(limiter: RateLimiter) -> None:
    decisions = [await limiter.allow("k", rate_per_second=0.1, burst=3) for _ in range(5)]
    assert [decision.allowed for decision in decisions] == [True, True, True, False, False]
    assert 9 < decisions[-1].retry_after <= 10


async def test_keys_do_not_share(limiter: RateLimiter) -> None:
    assert (await limiter.allow("a", rate_per_second=0.1, burst=1)).allowed
    assert (await limiter.allow("b", rate_per_second=0.1, burst=1)).allowed
    assert not (await limiter.allow("a", rate_per_second=0.1, burst=1)).allowed


async def test_tokens_come_back(limiter: RateLimiter) -> None:
    first = await limiter.allow("k", rate_per_second=20, burst=1)
    refused = await limiter.allow("k", rate_per_second=20, burst=1)
    assert (first.allowed, refused.allowed) == (True, False)
    async with asyncio.timeout(30):
        while not (await limiter.allow("k", rate_per_second=20, burst=1)).allowed:
            await asyncio.sleep(0.01)


async def test_a_rate_of_zero_is_no_limit(limiter: RateLimiter) -> None:
    assert all([(await limiter.allow("k", rate_per_second=0, burst=1)).allowed for _ in range(9)])


async def test_two_gateways_share_one_limit(redis: Redis) -> None:
    one, two = RateLimiter(redis), RateLimiter(redis)
    assert (await one.allow("k", rate_per_second=0.1, burst=1)).allowed
    assert not (await two.allow("k", rate_per_second=0.1, burst=1)).allowed


async def test_nobody_waits_for_a_redis_that_hangs() -> None:
    async def swallow(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = open_redis(RedisSettings(url=SecretStr(f"redis://127.0.0.1:{port}")))
    assert client is not None
    limiter = RateLimiter(client)
    started = time.monotonic()
    for _ in range(100):
        assert (await limiter.allow("k", rate_per_second=100, burst=100)).allowed
    # Asking each time would take 100 times 0.2 s.
    assert time.monotonic() - started < 10
    await client.aclose()
    for writer in writers:
        writer.close()
    server.close()
    await server.wait_closed()


# --- several limits at once


@dataclass(frozen=True, kw_only=True)
class Rate:
    per_second: float
    burst: int = 1


SLOW, FAST = Rate(per_second=0.1), Rate(per_second=0.1, burst=3)


async def test_all_keys_give_a_token_or_none_does(limiter: RateLimiter) -> None:
    both: list[tuple[str, Refill]] = [("account", FAST), ("chat", SLOW)]
    assert (await limiter.allow_all(both)).allowed
    for _ in range(5):
        refused = await limiter.allow_all(both)
        assert (refused.allowed, refused.slowest) == (False, "chat")
        assert 9 < refused.retry_after <= 10
    # The account has lost one token only.
    left = [(await limiter.allow_all([("account", FAST)])).allowed for _ in range(3)]
    assert left == [True, True, False]


async def test_the_longest_wait_is_told(limiter: RateLimiter) -> None:
    slower = Rate(per_second=0.05)
    limits: list[tuple[str, Refill]] = [("a", SLOW), ("b", slower), ("c", SLOW)]
    await limiter.allow_all(limits)
    refused = await limiter.allow_all(limits)
    assert refused.slowest == "b"
    assert 19 < refused.retry_after <= 20


async def test_who_has_patience_is_given_a_turn_of_their_own(limiter: RateLimiter) -> None:
    limits: list[tuple[str, Refill]] = [("k", Rate(per_second=10))]
    turns = [await limiter.allow_all(limits, patience_seconds=0.25) for _ in range(4)]
    assert [turn.allowed for turn in turns] == [True, True, True, False]
    waits = [turn.retry_after for turn in turns[:3]]
    assert waits == sorted(waits)
    assert 0.05 < waits[1] <= 0.1 < waits[2] <= 0.2


async def test_a_turn_to_come_counts_from_then_for_every_key(limiter: RateLimiter) -> None:
    pace = Rate(per_second=2)
    await limiter.allow_all([("a", pace)])
    turn = await limiter.allow_all([("a", pace), ("b", pace)], patience_seconds=1)
    assert turn.allowed
    assert 0.4 < turn.retry_after <= 0.5
    # "b" is used in half a second, so it is free again in one.
    assert 0.9 < (await limiter.allow_all([("b", pace)])).retry_after <= 1.0


async def test_a_key_that_rests_gives_nothing_whatever_it_had_left(limiter: RateLimiter) -> None:
    await limiter.rest("k", FAST, 5)
    refused = await limiter.allow_all([("k", FAST)])
    assert not refused.allowed
    assert 4 < refused.retry_after <= 5
    await limiter.rest("k", FAST, 1)  # a shorter rest doesn't end a longer one
    assert (await limiter.allow_all([("k", FAST)])).retry_after > 4


async def test_no_rates_are_no_limit(limiter: RateLimiter) -> None:
    nothing: list[tuple[str, Refill]] = [("k", Rate(per_second=0))]
    assert (await limiter.allow_all(nothing)).allowed
    assert (await limiter.allow_all([])).allowed


async def test_several_limits_are_one_round_trip(redis: Redis) -> None:
    limiter = RateLimiter(redis)
    limits: list[tuple[str, Refill]] = [("account", FAST), ("chat", FAST)]
    await limiter.allow_all(limits)  # the first one may load the script
    before = (await redis.info("stats"))["total_commands_processed"]
    await limiter.allow_all(limits)
    calls = await redis.info("commandstats")
    assert calls["cmdstat_evalsha"]["calls"] >= 2
    # The script's own five commands, the call itself, and our two questions.
    assert (await redis.info("stats"))["total_commands_processed"] - before <= 9
