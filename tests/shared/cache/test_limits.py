"""Rate limits: the same with Redis, without it, and while it hangs."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from shared.cache.client import open_redis
from shared.cache.limits import RateLimiter
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
    async with asyncio.timeout(2):
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
    for _ in range(20):
        assert (await limiter.allow("k", rate_per_second=100, burst=100)).allowed
    # Asking each time would take 20 times 0.2 s.
    assert time.monotonic() - started < 2
    await client.aclose()
    for writer in writers:
        writer.close()
    server.close()
    await server.wait_closed()
