"""The gateway's own server: a request's head has an end, in bytes and in time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from core.cli import protocol
from core.cli.gateway import address, bind, serving
from core.runtime import open_runtime
from shared.settings import Settings


@asynccontextmanager
async def connected(
    settings: Settings,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with open_runtime(settings) as runtime:
        listener = bind("127.0.0.1", 0)
        async with serving(runtime, listener):
            host, port = address(listener).removeprefix("http://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            try:
                yield reader, writer
            finally:
                writer.close()


async def answer(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the server closes."""
    async with asyncio.timeout(10):
        return await reader.read()


@pytest.mark.parametrize("piece", [b"a" * 10_000, b"\r\nX-A: " + b"a" * 10_000])
async def test_a_head_without_end_is_cut(settings: Settings, piece: bytes) -> None:
    async with connected(settings) as (reader, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-B: ")
        sent = 0
        while sent < 20 * protocol.MAX_HEAD_BYTES and not reader.at_eof():
            writer.write(piece)
            sent += len(piece)
            try:
                async with asyncio.timeout(5):
                    await writer.drain()
            except ConnectionError:
                break
            await asyncio.sleep(0)
        with suppress(ConnectionResetError):  # when it closed while we were writing
            assert b" 400 " in await answer(reader)
        assert sent < 4 * protocol.MAX_HEAD_BYTES


@pytest.mark.parametrize("head", [b"", b"GET /healthz HTTP/1.1\r\nHost: x"])
async def test_a_head_that_does_not_come_is_given_up(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    async with connected(settings) as (reader, writer):
        writer.write(head)
        assert await answer(reader) == b""


async def test_one_connection_serves_many_requests(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 40_000 + b"\r\n\r\n"
    async with connected(settings) as (reader, writer):
        for _ in range(4):
            writer.write(request)
            async with asyncio.timeout(10):
                assert b" 200 " in await reader.readline()
                await reader.readuntil(b'{"status":"ok"}')
