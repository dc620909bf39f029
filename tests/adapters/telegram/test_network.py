"""Failures on the way: provably before the send they are retryable, after it nobody knows."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator

import pytest

from adapters.telegram import client
from adapters.telegram.channel import TelegramChannel
from adapters.telegram.emulator import TelegramEmulator
from core.channels import Account
from shared.errors import MessageRejected, NetworkError, OutcomeUnknown, RateLimited
from tests.adapters.telegram.accounts import account_at
from tests.adapters.telegram.parts import ADA, failure_of, part_of
from tests.adapters.telegram.servers import (
    Handler,
    answering,
    drop_after_reading,
    drop_at_once,
    hang,
    json_answer,
    not_http,
    read_request,
    reset,
    server,
    truncated,
)
from tests.waiting import eventually

BAD_GATEWAY = b"HTTP/1.1 %d X\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"


@pytest.fixture
async def bare_channel() -> AsyncIterator[TelegramChannel]:
    channel = TelegramChannel()
    yield channel
    await channel.close()


# --- provably before the send


async def test_refused_is_retryable(bare_channel: TelegramChannel, closed_port: int) -> None:
    error = await failure_of(bare_channel, account_at(f"http://127.0.0.1:{closed_port}"))

    assert type(error) is NetworkError
    assert error.retryable


async def test_an_unknown_host_is_retryable(bare_channel: TelegramChannel) -> None:
    error = await failure_of(bare_channel, account_at("http://bot-api.invalid"))

    assert type(error) is NetworkError


async def test_a_failed_tls_handshake_is_retryable(bare_channel: TelegramChannel) -> None:
    async def speak_plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with server(speak_plain) as account:
        secure = account_at(str(account.api_base_url).replace("http:", "https:"))
        error = await failure_of(bare_channel, secure)

    assert type(error) is NetworkError


async def test_a_connect_that_hangs_is_retryable(
    bare_channel: TelegramChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "CONNECT_SECONDS", 0.2)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    address = listener.getsockname()
    fillers = [fill_backlog(address) for _ in range(4)]
    try:
        error = await failure_of(bare_channel, account_at(f"http://127.0.0.1:{address[1]}"))
    finally:
        for filler in [*fillers, listener]:
            filler.close()

    assert type(error) is NetworkError


def fill_backlog(address: tuple[str, int]) -> socket.socket:
    """A connection nobody accepts: once the backlog is full, the kernel answers no further SYN."""
    filler = socket.socket()
    filler.setblocking(False)
    filler.connect_ex(address)
    return filler


# --- the request had left


UNKNOWN: dict[str, Handler] = {
    "dropped after reading": drop_after_reading,
    "dropped at once": drop_at_once,
    "reset": reset,
    "truncated": truncated,
    "not http": not_http,
    "500 json": answering(json_answer(500, b'{"ok":false,"error_code":500,"description":"X"}')),
    "502 html": answering(BAD_GATEWAY % 502),
    "503 html": answering(BAD_GATEWAY % 503),
    "504 html": answering(BAD_GATEWAY % 504),
    "200 html": answering(BAD_GATEWAY % 200),
    "200 of another shape": answering(json_answer(200, b'{"ok":true,"result":{"a":1}}')),
    "200 list": answering(json_answer(200, b"[]")),
}


@pytest.mark.parametrize("handler", UNKNOWN.values(), ids=UNKNOWN)
async def test_after_the_request_left_the_outcome_is_unknown(
    bare_channel: TelegramChannel, handler: Handler
) -> None:
    async with server(handler) as account:
        error = await failure_of(bare_channel, account)

    assert type(error) is OutcomeUnknown
    assert not error.retryable


async def test_no_answer_within_the_deadline_is_unknown(
    bare_channel: TelegramChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "REQUEST_SECONDS", 0.3)
    started_at = time.monotonic()
    async with server(hang) as account:
        error = await failure_of(bare_channel, account)

    assert type(error) is OutcomeUnknown
    assert time.monotonic() - started_at < 20


@pytest.mark.parametrize("status", [301, 307])
async def test_a_redirect_is_not_followed(bare_channel: TelegramChannel, status: int) -> None:
    asked: list[bytes] = []

    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await read_request(reader))
        head = b"HTTP/1.1 %d X\r\nLocation: /bot1:x/sendMessage\r\nContent-Length: 0\r\n\r\n"
        writer.write(head % status)
        await writer.drain()

    async with server(redirect) as account:
        error = await failure_of(bare_channel, account)

    assert len(asked) == 1
    assert (type(error), error.scope) == (MessageRejected, "channel")


@pytest.mark.parametrize(
    ("answer", "retry_after"),
    [
        (BAD_GATEWAY % 429, 1),
        (json_answer(429, b'{"ok":false,"error_code":429,"description":"Too Many Requests"}'), 1),
        (
            json_answer(
                429,
                b'{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 7",'
                b'"parameters":{"retry_after":7}}',
            ),
            7,
        ),
    ],
)
async def test_429_is_rate_limited_in_every_form(
    bare_channel: TelegramChannel, answer: bytes, retry_after: int
) -> None:
    async with server(answering(answer)) as account:
        error = await failure_of(bare_channel, account)

    assert type(error) is RateLimited
    assert error.retry_after == retry_after


async def test_one_call_is_one_request(bare_channel: TelegramChannel) -> None:
    """No library retries: ours is the only retry layer."""
    asked: list[bytes] = []

    async def count_and_drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await read_request(reader))

    async with server(count_and_drop) as account:
        await failure_of(bare_channel, account)

    assert len(asked) == 1


async def test_many_sends_share_a_connection_pool(
    emulator: TelegramEmulator, account: Account, channel: TelegramChannel
) -> None:
    await emulator.says("hello")
    await asyncio.gather(*(channel.send(ADA, part_of("hello"), account) for _ in range(50)))
    await eventually(lambda: len(emulator.sent) == 50)

    times = [request.at for request in emulator.calls("sendMessage")]
    assert times == sorted(times)
