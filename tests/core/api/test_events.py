"""The event stream over a real server: order, resume, live deltas, limits, engines that go away."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from core.api import events, visitors
from core.runtime import Runtime
from shared.embedded import EmbeddedEngines
from tests.core.api.conftest import Tenant, Visitor, drain, visit
from tests.waiting import eventually


@dataclass
class Stream:
    """What an open event stream has sent so far."""

    response: httpx.Response
    events: list[dict[str, Any]] = field(default_factory=list)
    is_over: bool = False

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == kind]

    def texts(self) -> list[str]:
        return [event["data"]["text"] for event in self.of("message")]

    async def read(self) -> None:
        event: dict[str, Any] = {}
        async for line in self.response.aiter_lines():
            if not line:
                if "event" in event:
                    self.events.append(event)
                event = {}
            elif not line.startswith(":"):
                name, _, value = line.partition(": ")
                event[name] = json.loads(value) if name == "data" else value
        self.is_over = True


@asynccontextmanager
async def streaming(base_url: str, visitor: Visitor, **headers: str) -> AsyncIterator[Stream]:
    url = f"{base_url}/chat/{visitor.route}/events"
    async with (
        httpx.AsyncClient(timeout=20) as client,
        client.stream("GET", url, headers=visitor.headers | headers) as response,
    ):
        stream = Stream(response)
        reading = asyncio.create_task(stream.read())
        try:
            yield stream
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def test_stored_messages_come_first_and_then_new_ones(
    runtime: Runtime, ada: Tenant, visitor: Visitor, base_url: str
) -> None:
    await visitor.post({"id": str(uuid4()), "text": "one"})
    async with streaming(base_url, visitor) as stream:
        await eventually(lambda: "one" in stream.texts())
        await drain(runtime, ada.id, visitor.conversation_id)
        await eventually(lambda: any(e["data"]["role"] == "bot" for e in stream.of("message")))
    numbers = [int(event["id"]) for event in stream.of("message")]
    assert numbers == sorted(set(numbers))
    assert stream.response.headers["content-type"].startswith("text/event-stream")


async def test_a_reader_resumes_where_it_stopped(visitor: Visitor, base_url: str) -> None:
    seqs = []
    for text in ("one", "two", "three"):
        response = await visitor.post({"id": str(uuid4()), "text": text})
        seqs.append(response.json()["seq"])
    async with streaming(base_url, visitor, **{"Last-Event-ID": str(seqs[0])}) as stream:
        await eventually(lambda: len(stream.of("message")) == 2)
    assert stream.texts() == ["two", "three"]


@pytest.mark.parametrize("garbage", ["", "x", "-1", "1.5", "9" * 400, "1e9"])
async def test_a_garbage_last_event_id_means_from_the_start(
    visitor: Visitor, base_url: str, garbage: str
) -> None:
    await visitor.post({"id": str(uuid4()), "text": "one"})
    headers = {"Last-Event-ID": garbage}
    async with streaming(base_url, visitor, **headers) as stream:
        await eventually(lambda: stream.texts() == ["one"])


async def test_deltas_and_typing_arrive_live_without_ids(
    runtime: Runtime, ada: Tenant, visitor: Visitor, base_url: str
) -> None:
    async with streaming(base_url, visitor) as stream:

        async def is_shown() -> bool:
            for event in ({"event": "delta", "text": "Ha"}, {"event": "typing", "on": True}):
                await runtime.live.publish(ada.id, visitor.conversation_id, event)
            return bool(stream.of("delta") and stream.of("typing"))

        await eventually(is_shown)
    assert stream.of("delta")[0] == {"event": "delta", "data": {"text": "Ha"}}


async def test_another_conversations_events_stay_there(
    runtime: Runtime, ada: Tenant, visitor: Visitor, base_url: str, client: httpx.AsyncClient
) -> None:
    other = await visit(client, ada.route)
    async with streaming(base_url, visitor) as stream, streaming(base_url, other) as others:

        async def has_arrived() -> bool:
            await runtime.live.publish(
                ada.id, other.conversation_id, {"event": "delta", "text": "secret"}
            )
            return bool(others.of("delta"))

        await eventually(has_arrived)
        await runtime.live.publish(ada.id, visitor.conversation_id, {"event": "typing", "on": True})
        await eventually(lambda: stream.of("typing"))
    assert not stream.of("delta")


async def test_messages_arrive_without_redis_and_deltas_come_back_with_it(
    runtime: Runtime, ada: Tenant, visitor: Visitor, base_url: str, engines: EmbeddedEngines
) -> None:
    async with streaming(base_url, visitor) as stream:
        await eventually(lambda: stream.response.status_code == 200)
        await engines.stop("redis")
        try:
            response = await visitor.post({"id": str(uuid4()), "text": "no Redis"})
            assert response.status_code == 202
            await eventually(lambda: "no Redis" in stream.texts())
        finally:
            await engines.start("redis")

        async def is_live() -> bool:
            await runtime.live.publish(
                ada.id, visitor.conversation_id, {"event": "delta", "text": "back"}
            )
            return bool(stream.of("delta"))

        await eventually(is_live)


async def test_a_stream_ends_when_its_token_expires(
    runtime: Runtime, visitor: Visitor, base_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visitors, "TOKEN_LIFE", timedelta(seconds=3))
    renewed = await visitor.client.post(f"/chat/{visitor.route}/sessions", headers=visitor.headers)
    visitor.token = renewed.json()["token"]
    async with streaming(base_url, visitor) as stream:
        await eventually(lambda: stream.is_over)


async def test_streams_are_capped(app: FastAPI, visitor: Visitor, base_url: str) -> None:
    app.state.streams._limit = 1
    async with streaming(base_url, visitor):
        await eventually(lambda: app.state.streams.open_count == 1)
        response = await visitor.client.get(
            f"/chat/{visitor.route}/events", headers=visitor.headers
        )
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) >= 1
    await eventually(lambda: app.state.streams.open_count == 0)


async def test_all_streams_end_when_the_gateway_stops(
    app: FastAPI, visitor: Visitor, base_url: str
) -> None:
    async with streaming(base_url, visitor) as stream:
        await eventually(lambda: app.state.streams.open_count == 1)
        app.state.streams.close_all()
        await eventually(lambda: stream.is_over, timeout=20)


@pytest.mark.parametrize(
    ("value", "number"), [(None, 0), ("7", 7), (" 7 ", 7), ("²", 0), ("9" * 19, 2**62)]
)
def test_last_event_id(value: str | None, number: int) -> None:
    assert events.read_last_event_id(value) == number
