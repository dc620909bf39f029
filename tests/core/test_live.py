"""The live bus: bounded for slow readers, silent and quick without Redis, whole again after it."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from pydantic import SecretStr

from core.live import CHANGED, MAX_WAITING, LiveBus, Subscription
from shared.cache.client import open_redis
from shared.settings import RedisSettings
from shared.utils.ids import new_id
from tests.waiting import eventually

DELTA = {"event": "delta", "text": "x"}


async def read_all(subscription: Subscription) -> list[dict[str, object]]:
    events = []
    while (event := await subscription.get(0)) is not None:
        events.append(event)
    return events


async def test_a_slow_reader_loses_deltas_and_is_told_to_look() -> None:
    subscription = Subscription(lambda: True)
    for _ in range(MAX_WAITING * 10):
        subscription.push(DELTA)
    assert await read_all(subscription) == [CHANGED]


async def test_deltas_come_again_after_the_rows_changed() -> None:
    subscription = Subscription(lambda: True)
    for event in [DELTA] * (MAX_WAITING + 1) + [CHANGED, DELTA]:
        subscription.push(event)
    assert await read_all(subscription) == [CHANGED, DELTA]


async def test_wake_ups_in_a_row_are_one() -> None:
    subscription = Subscription(lambda: True)
    for _ in range(1000):
        subscription.push(CHANGED)
    assert await read_all(subscription) == [CHANGED]


@pytest.fixture
async def buses(redis_url: str) -> AsyncIterator[tuple[LiveBus, LiveBus]]:
    """A worker's and a gateway's, each with its own connection."""
    clients = [open_redis(RedisSettings(url=SecretStr(redis_url))) for _ in range(2)]
    worker, gateway = LiveBus(clients[0]), LiveBus(clients[1])
    yield worker, gateway
    await gateway.close()
    for client in clients:
        assert client is not None
        await client.aclose()


async def test_what_a_worker_publishes_reaches_every_reader(
    buses: tuple[LiveBus, LiveBus],
) -> None:
    worker, gateway = buses
    creator, conversation = new_id(), new_id()
    async with (
        gateway.subscribe(creator, conversation) as first,
        gateway.subscribe(creator, conversation) as second,
    ):
        await eventually(lambda: first.is_live)
        await worker.publish(creator, conversation, DELTA)
        for reader in (first, second):
            events = [await reader.get(5), await reader.get(5)]
            assert DELTA in events


async def test_another_creators_conversation_is_another_channel(
    buses: tuple[LiveBus, LiveBus],
) -> None:
    worker, gateway = buses
    creator, conversation = new_id(), new_id()
    async with gateway.subscribe(creator, conversation) as reader:
        await eventually(lambda: reader.is_live)
        await worker.publish(new_id(), conversation, {"event": "delta", "text": "foreign"})
        await worker.publish(creator, conversation, DELTA)
        received = [event for event in [await reader.get(5), await reader.get(1)] if event]
        assert {"event": "delta", "text": "foreign"} not in received
        assert DELTA in received


async def test_readers_come_and_go_on_one_connection(buses: tuple[LiveBus, LiveBus]) -> None:
    worker, gateway = buses
    creator = new_id()
    for _ in range(5):
        conversation = new_id()
        async with gateway.subscribe(creator, conversation) as reader:
            await arrival(worker, creator, conversation, reader)
    assert not gateway._readers


async def arrival(bus: LiveBus, creator: UUID, conversation: UUID, reader: Subscription) -> None:
    async def has_arrived() -> bool:
        await bus.publish(creator, conversation, DELTA)
        return await reader.get(0.1) == DELTA

    await eventually(has_arrived)


async def test_publishing_costs_nothing_while_redis_is_away() -> None:
    tries: list[asyncio.StreamWriter] = []

    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tries.append(writer)
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = open_redis(RedisSettings(url=SecretStr(f"redis://127.0.0.1:{port}")))
    assert client is not None
    bus = LiveBus(client)
    await bus.publish(new_id(), new_id(), DELTA)  # finds out, and opens the breaker
    for _ in range(1000):
        await bus.publish(new_id(), new_id(), DELTA)
    # A second try after a while is part of the deal.
    assert 1 <= len(tries) < 100
    with pytest.raises(ConnectionError):
        await bus.ping()
    await client.aclose()
    server.close()
    await server.wait_closed()


async def test_without_redis_one_process_talks_to_itself() -> None:
    bus = LiveBus(None)
    creator, conversation = new_id(), new_id()
    async with bus.subscribe(creator, conversation) as reader:
        await bus.publish(creator, conversation, DELTA)
        assert await reader.get(1) == DELTA
    await bus.close()
