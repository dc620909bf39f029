"""The emulated Slack's Socket Mode: the same payloads over a WebSocket, acknowledged one by one.

https://docs.slack.dev/apis/events-api/using-socket-mode
"""

import asyncio
import json
from dataclasses import dataclass, field
from urllib.parse import parse_qs
from uuid import uuid4

from starlette.types import Receive, Scope, Send

from adapters.slack.emulator_people import Delivery
from adapters.slack.emulator_rules import Json
from adapters.slack.emulator_state import EmulatedApp

ACK_SECONDS = 3.0
_DEBUG = {"host": "applink-emulated", "build_number": 1, "approximate_connection_time": 18_060}


@dataclass(kw_only=True, eq=False)
class Socket:
    """One connection; `waiting` are envelopes without an acknowledgement."""

    app: EmulatedApp
    send: Send
    waiting: dict[str, asyncio.Future[Json]] = field(default_factory=dict)

    async def say(self, content: Json) -> None:
        await self.send({"type": "websocket.send", "text": json.dumps(content)})

    def heard(self, text: str) -> None:
        """An acknowledgement names its envelope."""
        try:
            envelope_id = json.loads(text)["envelope_id"]
        except (ValueError, KeyError, TypeError):
            return
        future = self.waiting.pop(str(envelope_id), None)
        if future is not None and not future.done():
            future.set_result({})


class Sockets:
    """The connections of all apps. A ticket opens one."""

    def __init__(self, tickets: dict[str, EmulatedApp]) -> None:
        self._tickets = tickets
        self.open: list[Socket] = []
        self.unacknowledged = 0

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One WebSocket from its handshake to its end."""
        ticket = parse_qs(scope["query_string"].decode()).get("ticket", [""])[0]
        app = self._tickets.pop(ticket, None)
        await receive()
        if app is None:
            await send({"type": "websocket.close", "code": 1008})
            return
        await send({"type": "websocket.accept"})
        socket = Socket(app=app, send=send)
        self.open.append(socket)
        try:
            await socket.say(self._hello(app))
            while (message := await receive())["type"] == "websocket.receive":
                socket.heard(message.get("text") or "")
        finally:
            self.open.remove(socket)

    def _hello(self, app: EmulatedApp) -> Json:
        return {
            "type": "hello",
            "num_connections": sum(each.app is app for each in self.open),
            "debug_info": _DEBUG,
            "connection_info": {"app_id": app.id},
        }

    async def take(self, delivery: Delivery, retry: int, reason: str) -> bool:
        """Send it over the app's newest connection and wait for its acknowledgement.

        False when the app has no connection.
        """
        socket = next((each for each in reversed(self.open) if each.app is delivery.app), None)
        if socket is None:
            return False
        envelope: Json = {
            "envelope_id": str(uuid4()),
            "payload": delivery.payload,
            "type": delivery.kind,
            "accepts_response_payload": delivery.kind != "events_api",
        }
        if delivery.kind == "events_api":
            envelope |= {"retry_attempt": retry, "retry_reason": reason if retry else ""}
        future: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        socket.waiting[envelope["envelope_id"]] = future
        await socket.say(envelope)
        try:
            async with asyncio.timeout(ACK_SECONDS):
                await future
        except TimeoutError:
            self.unacknowledged += 1
        return True

    async def refresh(self, reason: str = "refresh_requested") -> None:
        """Tell every connection to come back, as Slack does every few hours, and close it."""
        for socket in list(self.open):
            await socket.say({"type": "disconnect", "reason": reason, "debug_info": _DEBUG})
            await socket.send({"type": "websocket.close", "code": 1000})
