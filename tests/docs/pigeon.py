"""Pigeon, the made-up messenger of the guide, at the wire: its API and the people who use it."""

import hashlib
import hmac
import json
from itertools import count
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

TOKEN = "pigeon-token-canary"
SIGNING_SECRET = "pigeon-signing-secret"


class Pigeon:
    """`sent` holds what the bot said and Pigeon took; `refusals` answers calls to come."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.calls = 0
        self.refusals: list[tuple[int, dict[str, str]]] = []
        self.app = Starlette(routes=[Route("/messages", self._messages, methods=["POST"])])
        self._numbers = count(1)

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.sent]

    async def _messages(self, request: Request) -> JSONResponse:
        self.calls += 1
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return JSONResponse({"error": "bad token"}, 401)
        if self.refusals:
            status, headers = self.refusals.pop(0)
            return JSONResponse({"error": "refused"}, status, headers)
        message = await request.json()
        if len(message["text"]) > 1000 or len(message["buttons"]) > 3:
            return JSONResponse({"error": "too long"}, 400)
        self.sent.append(message)
        return JSONResponse({"id": f"m-{len(self.sent)}"}, 201)

    def event(self, text: str = "", *, value: str | None = None, is_bot: bool = False) -> bytes:
        said: dict[str, Any] = {"type": "message", "text": text}
        if value is not None:
            said = {"type": "tap", "value": value}
        person = {"id": "grace", "name": "Grace", "is_bot": is_bot}
        body = {"id": f"e-{next(self._numbers)}", "time": 1780000000, "from": person}
        return json.dumps(body | said).encode()


async def post(
    client: httpx.AsyncClient, url: str, body: bytes, secret: str = SIGNING_SECRET
) -> httpx.Response:
    """Post an event as Pigeon does, signed."""
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return await client.post(url, content=body, headers={"Pigeon-Signature": signature})
