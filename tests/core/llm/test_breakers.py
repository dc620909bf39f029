"""One breaker for all processes: what one learns spares the others, and only one of them probes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from core.llm.breaker import BreakerOpen
from core.llm.breakers import Breakers
from shared.cache.client import open_redis
from shared.errors import ModelUnavailable
from shared.settings import RedisSettings
from tests.waiting import eventually

HOST, MODEL = "10.0.0.1:11434", "llama3.2:3b"
COOLDOWN = 0.3


@pytest.fixture
async def clients(redis_url: str) -> AsyncIterator[list[Redis]]:
    """Two processes' own connections, patient enough for a busy machine."""
    settings = RedisSettings(url=SecretStr(redis_url), timeout_seconds=5)
    opened = [client for _ in range(2) if (client := open_redis(settings)) is not None]
    yield opened
    for client in opened:
        await client.aclose()


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.llm.breakers.CALL_SECONDS", 5.0)


def made(redis: Redis | None, cooldown: float = COOLDOWN) -> Breakers:
    return Breakers(redis, failures=2, cooldown_seconds=cooldown, longest_seconds=60)


async def fail(breakers: Breakers) -> None:
    with suppress(ModelUnavailable):
        async with breakers.of(HOST, MODEL).attempt():
            raise ModelUnavailable


async def is_open(breakers: Breakers) -> bool:
    """Whether a call is refused; one that is let in teaches nothing."""
    try:
        async with breakers.of(HOST, MODEL).attempt(counts=lambda _: False):
            raise LookupError
    except LookupError:
        return False
    except BreakerOpen:
        return True


async def test_failures_of_all_processes_count_together(clients: list[Redis]) -> None:
    one, two = (made(client, cooldown=60) for client in clients)
    await fail(one)
    assert not await is_open(two)
    await fail(two)
    assert await is_open(one)
    assert await is_open(two)
    assert await is_open(made(clients[0])), "a process that has just started knows too"


async def test_one_probe_for_all_processes(clients: list[Redis]) -> None:
    one, two = (made(client) for client in clients)
    await fail(one)
    await fail(one)
    attempt = two.of(HOST, MODEL).attempt()

    async def is_admitted() -> bool:
        with suppress(BreakerOpen):
            await attempt.__aenter__()
            return True
        return False

    await eventually(is_admitted)
    # The probe runs: nobody else may, in either process.
    assert all(await asyncio.gather(is_open(one), is_open(two)))
    await attempt.__aexit__(None, None, None)
    assert not await is_open(one)
    assert not await is_open(two)


async def test_a_failed_probe_doubles_the_wait(clients: list[Redis]) -> None:
    breakers = made(clients[0], cooldown=0.2)
    await fail(breakers)
    await fail(breakers)
    key = breakers.of(HOST, MODEL).key
    await eventually(lambda: _probed(breakers))
    assert await clients[0].hget(key, "cooldown") == b"400"
    assert await clients[0].hget(key, "probe") is None


async def _probed(breakers: Breakers) -> bool:
    """Whether a call was let in; it fails."""
    try:
        async with breakers.of(HOST, MODEL).attempt():
            raise ModelUnavailable
    except BreakerOpen:
        return False
    except ModelUnavailable:
        return True


async def test_a_probe_that_is_given_up_leaves_room_for_the_next(clients: list[Redis]) -> None:
    breakers = made(clients[0], cooldown=0.01)
    await fail(breakers)
    await fail(breakers)

    async def abandoned() -> bool:
        try:
            async with breakers.of(HOST, MODEL).attempt():
                raise asyncio.CancelledError
        except BreakerOpen:
            return False
        except asyncio.CancelledError:
            return True

    await eventually(abandoned)
    assert not await is_open(breakers)


async def test_other_models_and_hosts_are_others(clients: list[Redis]) -> None:
    breakers = made(clients[0], cooldown=60)
    await fail(breakers)
    await fail(breakers)
    for host, model in ((HOST, "qwen3:4b"), ("10.0.0.2:11434", MODEL)):
        async with breakers.of(host, model).attempt():
            pass


async def test_no_key_tells_a_host_or_lives_for_ever(clients: list[Redis]) -> None:
    await fail(made(clients[0]))
    [key] = await clients[0].keys("*")
    assert b"10.0.0.1" not in key
    assert await clients[0].ttl(key) > 0


async def test_without_redis_each_process_goes_by_what_it_saw(closed_port: int) -> None:
    away = RedisSettings(url=SecretStr(f"redis://127.0.0.1:{closed_port}"))
    redis = open_redis(away)
    assert redis is not None
    for one, two in ((made(redis, 60), made(redis, 60)), (made(None, 60), made(None, 60))):
        await fail(one)
        await fail(one)
        assert await is_open(one)
        assert not await is_open(two)
    await redis.aclose()


async def test_when_redis_goes_the_failures_are_not_forgotten(
    clients: list[Redis], closed_port: int
) -> None:
    breakers = made(clients[0], cooldown=60)
    await fail(breakers)
    await fail(breakers)
    away = open_redis(RedisSettings(url=SecretStr(f"redis://127.0.0.1:{closed_port}")))
    assert away is not None
    breakers._admit.registered_client = breakers._learn.registered_client = away
    assert await is_open(breakers)
    await away.aclose()
