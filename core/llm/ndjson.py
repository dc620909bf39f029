"""Tidy a line-by-line JSON stream before the client reads it: no blank lines, none without end.

The `ollama` package hands every line to `json.loads`, so a keep-alive newline of a proxy would
end the answer, and a line that never ends would fill the memory.
"""

from collections.abc import AsyncIterator

import httpx

LONGEST_LINE = 8 * 1024 * 1024  # an embedding batch is one line of a few megabytes at most


class LineTooLong(httpx.TransportError):
    """A line of the stream exceeds what any honest answer needs."""


class TidyTransport(httpx.AsyncBaseTransport):
    """Wraps another transport; only the bodies of streamed JSON lines are touched."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        if isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _TidyLines(response.stream)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _TidyLines(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        length = 0  # of the current line, so far
        async for block in self._inner:
            kept = bytearray()
            for line in block.splitlines(keepends=True):
                if length == 0 and not line.strip():
                    continue
                kept += line
                length = 0 if line.endswith(b"\n") else length + len(line)
                if length > LONGEST_LINE:
                    raise LineTooLong("line too long")
            if kept:
                yield bytes(kept)

    async def aclose(self) -> None:
        await self._inner.aclose()
