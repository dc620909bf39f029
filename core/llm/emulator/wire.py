"""The connection as an emulated server sees it: bytes split anywhere, and a caller that may go."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class Wire:
    """Writes one response; `split_bytes` cuts it into pieces of that size, inside UTF-8 too."""

    def __init__(self, send: Send, split_bytes: int | None) -> None:
        self._send = send
        self._split = split_bytes
        self.status = 0

    async def start(self, status: int, content_type: str) -> None:
        self.status = status
        headers = [(b"content-type", content_type.encode())]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, data: bytes) -> None:
        size = self._split or len(data) or 1
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
            # A piece of its own on the network too, not merged with the next.
            await asyncio.sleep(0)

    async def line(self, value: Any) -> None:
        """One line of an NDJSON stream."""
        await self.write(encoded(value) + b"\n")

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def json(self, value: Any, status: int = 200) -> None:
        await self.start(status, "application/json; charset=utf-8")
        await self.write(encoded(value))
        await self.end()


def encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class Watched(Response):
    """Runs `work` until it ends or the caller hangs up, which cancels it and frees its slot."""

    def __init__(self, work: Callable[[Wire], Awaitable[None]], split_bytes: int | None) -> None:
        super().__init__()
        self._work = work
        self._split_bytes = split_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        working = asyncio.ensure_future(self._work(Wire(send, self._split_bytes)))
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (working, gone):
                task.cancel()
            results = await asyncio.gather(working, gone, return_exceptions=True)
        if isinstance(results[0], Exception):
            raise results[0]


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
