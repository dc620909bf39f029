"""What the page's drawer shows of the wire, and where emulators answer beside the gateway."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from adapters.telegram.emulator import DEFAULT_TOKEN, TelegramEmulator
from core.simulator.mounts import Mounts, WebhookTap
from core.simulator.wire import MASK, MAX_BODY, MAX_EXCHANGES, Wire


@pytest.fixture
async def emulator() -> AsyncIterator[TelegramEmulator]:
    emulator = TelegramEmulator()
    yield emulator
    await emulator.close()


@pytest.fixture
def wire(emulator: TelegramEmulator) -> Wire:
    return Wire([*emulator.credentials.values(), "route-key-7", ""])


@pytest.fixture
async def client(emulator: TelegramEmulator, wire: Wire) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway with the emulator beside it and a webhook that says what it was sent."""
    app = FastAPI()

    @app.post("/webhooks/{channel}/{route_key}")
    async def webhook(request: Request) -> PlainTextResponse:
        return PlainTextResponse(b"got " + await request.body())

    emulators: dict[str, Any] = {"telegram": emulator}
    app.mount("/emulators", Mounts(emulators, {"telegram": wire}))
    app.add_middleware(WebhookTap, wires={"telegram": wire})
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://cairn.test") as client:
        yield client


async def test_an_emulator_sees_its_own_paths(client: httpx.AsyncClient, wire: Wire) -> None:
    response = await client.post(f"/emulators/telegram/bot{DEFAULT_TOKEN}/getMe")
    assert response.json()["ok"] is True
    [exchange] = wire.exchanges
    assert (exchange.direction, exchange.method, exchange.status) == ("out", "POST", 200)
    assert exchange.path == f"/bot{MASK}/getMe"
    assert '"is_bot":true' in exchange.response


async def test_a_webhook_is_noted_without_its_route_key(
    client: httpx.AsyncClient, wire: Wire
) -> None:
    body = f"token={DEFAULT_TOKEN.replace(':', '%3A')}&text=hi"
    await client.post("/webhooks/telegram/route-key-7", content=body)
    await client.post("/webhooks/elsewhere/route-key-7", content=body)
    [exchange] = wire.exchanges
    assert exchange.direction == "in"
    assert exchange.path == f"/webhooks/telegram/{MASK}"
    assert exchange.request == f"token={MASK}&text=hi"
    assert exchange.response == f"got token={MASK}&text=hi"


async def test_a_request_that_breaks_off_is_noted_with_no_status(wire: Wire) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise OSError("gone")

    scope = {"type": "http", "method": "GET", "path": "/x"}

    async def never() -> dict[str, str]:
        raise AssertionError("nobody reads it")

    async def send(message: object) -> None:
        raise AssertionError("nothing is sent")

    with pytest.raises(OSError, match="gone"):
        await wire.record(broken, scope, never, send, direction="out")
    assert [exchange.status for exchange in wire.exchanges] == [0]


async def test_only_the_last_are_kept_and_of_each_the_beginning(
    client: httpx.AsyncClient, wire: Wire
) -> None:
    for _ in range(MAX_EXCHANGES + 3):
        await client.post("/webhooks/telegram/x", content=b"y" * (MAX_BODY + 10))
    assert wire.count == MAX_EXCHANGES + 3
    assert len(wire.exchanges) == MAX_EXCHANGES
    assert wire.exchanges[0].number == 4
    assert wire.exchanges[0].request == "y" * MAX_BODY


async def test_strangers_are_told_so(client: httpx.AsyncClient) -> None:
    assert (await client.get("/emulators/pigeon/x")).status_code == 404
    say = {"text": "from another site"}
    from_page = {"Sec-Fetch-Site": "cross-site"}
    address = "/emulators/telegram/control/says"
    assert (await client.post(address, json=say, headers=from_page)).status_code == 403
    assert (await client.post(address, json=say)).status_code == 200


def test_every_file_the_page_asks_for_is_there() -> None:
    static = Path(__file__).resolve().parents[3] / "core" / "simulator" / "static"
    text = "".join(path.read_text("utf-8") for path in static.glob("*.*"))
    names = {path.name for path in static.iterdir()}
    asked = {part.split('"')[0] for part in text.split("/simulator/static/")[1:]}
    asked |= {part.split('"')[0] for part in text.split(' from "./')[1:]}
    assert asked <= names
    assert names - asked == {"simulator.html"}
