"""Socket Mode: the same events as by webhook, acknowledged only after they were taken."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from adapters.slack import socket
from adapters.slack.channel import SlackChannel
from core.channels import Account, ActionEvent, ChannelEvent, CommandEvent, MessageEvent
from shared.errors import AuthRevoked, ChannelError
from shared.settings import Settings
from tests.adapters.slack.accounts import CREDENTIALS, TEAM, account_at, happening, message
from tests.apps import running_app
from tests.waiting import eventually

APP_TOKEN = "xapp-1-A0EMULATED-abc"
DIRECT = {"channel": "D07ADACOACH", "channel_type": "im"}


@dataclass
class SocketServer:
    """apps.connections.open, and the WebSocket whose address it tells."""

    address: str = ""
    tokens: list[str] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    sockets: list[web.WebSocketResponse] = field(default_factory=list)
    refusals: list[web.Response] = field(default_factory=list)
    posted: list[dict[str, Any]] = field(default_factory=list)

    async def open(self, request: web.Request) -> web.Response:
        self.tokens.append(request.headers.get("Authorization", ""))
        if self.refusals:
            return self.refusals.pop(0)
        return web.json_response({"ok": True, "url": f"ws://{self.address}/link"})

    async def link(self, request: web.Request) -> web.WebSocketResponse:
        connection = web.WebSocketResponse()
        await connection.prepare(request)
        await connection.send_json({"type": "hello", "num_connections": 1})
        self.sockets.append(connection)
        async for received in connection:
            if received.type is aiohttp.WSMsgType.TEXT:
                self.acknowledged.append(json.loads(received.data)["envelope_id"])
        return connection

    async def post(self, request: web.Request) -> web.Response:
        self.posted.append(await request.json())
        return web.json_response({"ok": True, "channel": "D07ADACOACH", "ts": "1780000009.000100"})

    async def sends(self, kind: str, payload: Any, envelope_id: str = "e1", **more: Any) -> None:
        connection = await eventually(lambda: self.sockets and self.sockets[-1])
        envelope = {"type": kind, "envelope_id": envelope_id, "payload": payload}
        await connection.send_json(envelope | {"accepts_response_payload": False} | more)


@pytest.fixture
async def server() -> AsyncIterator[SocketServer]:
    server = SocketServer()
    app = web.Application()
    app.router.add_post("/api/apps.connections.open", server.open)
    app.router.add_post("/api/chat.postMessage", server.post)
    app.router.add_get("/link", server.link)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.address = f"{host}:{port}"
    yield server
    await runner.cleanup()


@pytest.fixture
def account(server: SocketServer) -> Account:
    credentials = CREDENTIALS | {"app_token": APP_TOKEN}
    return account_at(f"http://{server.address}/api/", credentials=credentials, mode="socket")


@pytest.fixture
async def channel(server: SocketServer) -> AsyncIterator[SlackChannel]:
    channel = SlackChannel()
    yield channel
    await channel.close()


def said(text: str) -> Any:
    return json.loads(happening(message(text, **DIRECT)).body)


async def next_event(channel: SlackChannel, account: Account, requests: Any) -> ChannelEvent:
    async with asyncio.timeout(10):
        request = await anext(requests)
    await channel.verify(request, account)
    (event,) = channel.parse(request, account).events
    return event


async def test_what_comes_passes_verification_as_by_webhook(
    server: SocketServer, account: Account, channel: SlackChannel
) -> None:
    command = {"command": "/goal", "text": "run & rest", "user_id": "U1AAA", "team_id": TEAM}
    command |= {"channel_id": "C1AAA", "trigger_id": "1.2.3"}
    tap: dict[str, Any] = {"type": "block_actions", "team": {"id": TEAM}, "user": {"id": "U1AAA"}}
    tap |= {"channel": {"id": "D1AAA"}, "actions": [{"type": "button", "value": "é & ü"}]}

    async with aclosing(channel.listen(account)) as requests:
        first = asyncio.ensure_future(next_event(channel, account, requests))
        await server.sends("events_api", said("hello 👋"))
        event = await first
        assert isinstance(event, MessageEvent)
        assert event.text == "hello 👋"

        await server.sends("slash_commands", command)
        event = await next_event(channel, account, requests)
        assert isinstance(event, CommandEvent)
        assert (event.name, event.arguments) == ("goal", "run & rest")

        await server.sends("interactive", tap)
        event = await next_event(channel, account, requests)
        assert isinstance(event, ActionEvent)
        assert event.value == "é & ü"
    assert server.tokens == [f"Bearer {APP_TOKEN}"]


async def test_an_envelope_is_acknowledged_only_when_the_next_is_asked_for(
    server: SocketServer, account: Account, channel: SlackChannel
) -> None:
    async with aclosing(channel.listen(account)) as requests:
        first = asyncio.ensure_future(next_event(channel, account, requests))
        await server.sends("events_api", said("one"), "e1")
        await server.sends("events_api", said("two"), "e2")
        await first
        assert server.acknowledged == []

        await next_event(channel, account, requests)
        await eventually(lambda: server.acknowledged == ["e1"])
    # The consumer stopped, as a worker killed before its commit: Slack sends the second again.
    await eventually(lambda: server.sockets[-1].closed)
    assert server.acknowledged == ["e1"]


async def test_what_is_no_payload_is_acknowledged_and_passed_over(
    server: SocketServer, account: Account, channel: SlackChannel
) -> None:
    async with aclosing(channel.listen(account)) as requests:
        first = asyncio.ensure_future(next_event(channel, account, requests))
        await server.sends("events_api", None, "odd")
        await server.sockets[-1].send_str("[" * 100_000)
        await server.sockets[-1].send_str("not JSON")
        await server.sends("events_api", said("one"), "e1")

        assert isinstance(await first, MessageEvent)
        await eventually(lambda: server.acknowledged == ["odd"])


async def test_slack_asks_for_a_new_connection(
    server: SocketServer, account: Account, channel: SlackChannel
) -> None:
    async with aclosing(channel.listen(account)) as requests:
        first = asyncio.ensure_future(next_event(channel, account, requests))
        await server.sends("disconnect", {}, reason="refresh_requested")
        await eventually(lambda: len(server.sockets) == 2)
        await server.sends("events_api", said("on the second"))

        event = await first
        assert isinstance(event, MessageEvent)
        assert event.text == "on the second"


async def test_trouble_on_the_way_is_waited_out(
    server: SocketServer,
    account: Account,
    channel: SlackChannel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "BACKOFF_SECONDS", (0.01,))
    server.refusals += [
        web.Response(status=502, text="<html>"),
        web.json_response({"ok": False, "error": "internal_error"}),
        web.json_response({"ok": False, "error": "service_unavailable"}),
    ]
    async with aclosing(channel.listen(account)) as requests:
        first = asyncio.ensure_future(next_event(channel, account, requests))
        await server.sends("events_api", said("at last"))

        assert isinstance(await first, MessageEvent)
    assert len(server.tokens) == 4


@pytest.mark.parametrize("code", ["invalid_auth", "token_revoked", "account_inactive"])
async def test_a_revoked_app_token_ends_listening(
    server: SocketServer, account: Account, channel: SlackChannel, code: str
) -> None:
    server.refusals.append(web.json_response({"ok": False, "error": code}))

    with pytest.raises(AuthRevoked):
        await anext(channel.listen(account))


async def test_socket_mode_switched_off_is_a_clear_error(
    server: SocketServer, account: Account, channel: SlackChannel
) -> None:
    first = asyncio.ensure_future(anext(channel.listen(account)))
    await server.sends("disconnect", {}, reason="link_disabled")

    with pytest.raises(ChannelError, match="Socket Mode") as refused:
        await first
    assert (refused.value.detail_code, refused.value.scope) == ("slack_socket_mode_off", "channel")


async def test_a_worker_listens_and_answers(server: SocketServer, settings: Settings) -> None:
    async with running_app(settings) as app:
        await app.add_channel(
            "slack",
            credentials=CREDENTIALS | {"app_token": APP_TOKEN},
            api_base_url=f"http://{server.address}/api/",
            mode="socket",
        )
        await server.sends("events_api", said("/help"))
        await eventually(lambda: server.posted)

        assert "Here is what I understand" in server.posted[0]["text"]
        await eventually(lambda: server.acknowledged == ["e1"])
        await app.runtime.channels["slack"].close()
