"""What failures mean: against real sockets, the emulated API's refusals, and Telegram's words."""

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from aiogram.exceptions import (
    TelegramBadRequest,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramServerError,
)
from aiogram.methods import SendMessage

from adapters.telegram import client
from adapters.telegram.channel import TelegramChannel
from adapters.telegram.emulator import DEFAULT_TOKEN, TelegramEmulator
from adapters.telegram.errors import classify
from core.channels import Account, Address, OutboundPart
from shared.errors import (
    AuthRevoked,
    ChannelError,
    ConversationMoved,
    MessageRejected,
    NetworkError,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    RecipientUnreachable,
)
from shared.richtext import RichText
from tests.adapters.telegram.accounts import account_at
from tests.waiting import eventually

ADA = Address(chat="1001", person="1001")
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
BAD_GATEWAY = b"HTTP/1.1 %d X\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"


def part() -> OutboundPart:
    return OutboundPart(message_id=uuid4(), index=0, count=1, text=RichText(text="hello"))


async def failure_of(channel: TelegramChannel, account: Account) -> ChannelError:
    """What sending one part comes to."""
    try:
        await channel.send(ADA, part(), account)
    except Exception as error:
        chain = (error, error.__cause__, error.__context__)
        assert all(account.credentials["bot_token"] not in f"{e} {e!r}" for e in chain)
        return channel.classify(error)
    raise AssertionError("it was sent")


@asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[Account]:
    """A TCP server that behaves as `handler` does."""
    tasks: set[asyncio.Task[None]] = set()

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(reader, writer)
        finally:
            writer.close()

    listener = await asyncio.start_server(run, "127.0.0.1", 0)
    try:
        yield account_at(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}")
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def bare_channel() -> AsyncIterator[TelegramChannel]:
    channel = TelegramChannel()
    yield channel
    await channel.close()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length")
    )
    return head + await reader.readexactly(length)


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


async def drop_after_reading(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)


async def drop_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accepted, then closed before anything is read."""


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.transport.abort()


async def truncated(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"ok":true,')
    await writer.drain()


async def not_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
    await writer.drain()


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    await asyncio.Event().wait()


def answering(answer: bytes) -> Handler:
    async def answer_with(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)
        await writer.drain()

    return answer_with


def json_answer(status: int, body: bytes) -> bytes:
    head = b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (status, len(body)) + body


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
    assert time.monotonic() - started_at < 5


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


# --- the emulated API


FAULTS: list[tuple[dict[str, Any], type[ChannelError], dict[str, Any], int]] = [
    ({"kind": "rate_limit", "seconds": 3}, RateLimited, {"retry_after": 3.0}, 0),
    ({"kind": "blocked"}, RecipientUnreachable, {"reason": "blocked"}, 0),
    ({"kind": "migrate", "new_chat": -100}, ConversationMoved, {"new_chat": "-100"}, 0),
    ({"kind": "server_error", "status": 500}, OutcomeUnknown, {}, 0),
    ({"kind": "server_error", "status": 502}, OutcomeUnknown, {}, 0),
    ({"kind": "server_error_after_accept", "status": 504}, OutcomeUnknown, {}, 1),
    ({"kind": "drop_before"}, OutcomeUnknown, {}, 0),
    ({"kind": "drop_after_accept"}, OutcomeUnknown, {}, 1),
]


@pytest.mark.parametrize(("fault", "kind", "fields", "sent"), FAULTS, ids=str)
async def test_a_fault_is_classified_and_passes(
    emulator: TelegramEmulator,
    account: Account,
    channel: TelegramChannel,
    fault: dict[str, Any],
    kind: type[ChannelError],
    fields: dict[str, Any],
    sent: int,
) -> None:
    await emulator.says("hello")
    emulator.fails(**fault)

    error = await failure_of(channel, account)
    assert type(error) is kind
    assert {key: getattr(error, key) for key in fields} == fields
    assert len(emulator.sent) == sent

    await channel.send(ADA, part(), account)
    assert len(emulator.sent) == sent + 1


async def test_a_chat_that_never_wrote_cannot_be_reached(
    account: Account, channel: TelegramChannel
) -> None:
    error = await failure_of(channel, account)

    assert isinstance(error, RecipientUnreachable)
    assert error.reason == "invalid"


async def test_an_unknown_token_revokes_the_channel(
    emulator: TelegramEmulator, account: Account, channel: TelegramChannel
) -> None:
    emulator.bots.clear()
    error = await failure_of(channel, account)

    assert (type(error), error.scope) == (AuthRevoked, "channel")


async def test_no_log_carries_the_token(
    emulator: TelegramEmulator,
    account: Account,
    channel: TelegramChannel,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # The emulator's own server logs paths at debug level; the client's side is what matters here.
    caplog.set_level(logging.DEBUG, logger="aiohttp")
    caplog.set_level(logging.DEBUG, logger="aiogram")
    await emulator.says("hello")
    await channel.send(ADA, part(), account)
    emulator.fails("drop_before")
    await failure_of(channel, account)

    client_logs = [r for r in caplog.records if not r.name.startswith(("uvicorn", "asyncio"))]
    assert all(DEFAULT_TOKEN not in record.getMessage() for record in client_logs)


# --- Telegram's words


METHOD = SendMessage(chat_id=1, text="x")


@pytest.mark.parametrize(
    ("description", "reason"),
    [
        ("Forbidden: bot was blocked by the user", "blocked"),
        ("Forbidden: bot was kicked from the supergroup chat", "blocked"),
        ("Forbidden: user is deactivated", "deactivated"),
        ("Forbidden: bot can't initiate conversation with a user", "invalid"),
        ("Forbidden: bot can't send messages to bots", "invalid"),
        ("Forbidden: bot is not a member of the channel chat", "invalid"),
        ("Forbidden: something new", "invalid"),
    ],
)
def test_forbidden_names_the_reason(description: str, reason: str) -> None:
    error = classify(TelegramForbiddenError(method=METHOD, message=description))

    assert isinstance(error, RecipientUnreachable)
    assert (error.reason, error.retryable) == (reason, False)
    assert description in error.message


@pytest.mark.parametrize(
    ("description", "kind"),
    [
        ("Bad Request: chat not found", RecipientUnreachable),
        ("Bad Request: PEER_ID_INVALID", RecipientUnreachable),
        ("Bad Request: user not found", RecipientUnreachable),
        ("Bad Request: INPUT_USER_DEACTIVATED", RecipientUnreachable),
        ("Bad Request: not enough rights to send text messages to the chat", PermissionDenied),
        ("Bad Request: have no rights to send a message", PermissionDenied),
        ("Bad Request: CHAT_WRITE_FORBIDDEN", PermissionDenied),
        ("Bad Request: message is too long", MessageRejected),
        ("Bad Request: message text is empty", MessageRejected),
        ("Bad Request: BUTTON_DATA_INVALID", MessageRejected),
        ("Bad Request: message thread not found", MessageRejected),
    ],
)
def test_bad_requests_by_description(description: str, kind: type[ChannelError]) -> None:
    error = classify(TelegramBadRequest(method=METHOD, message=description))

    assert (type(error), error.retryable) == (kind, False)


def test_what_is_unexpected_is_unknown() -> None:
    assert type(classify(RuntimeError("?"))) is OutcomeUnknown
    assert type(classify(TimeoutError())) is OutcomeUnknown
    server_error = TelegramServerError(method=METHOD, message="Bad Gateway")
    assert type(classify(server_error)) is OutcomeUnknown


def test_too_large_is_rejected_although_aiogram_calls_it_a_network_error() -> None:
    error = classify(TelegramEntityTooLarge(method=METHOD, message="Request Entity Too Large"))

    assert (type(error), error.detail_code) == (MessageRejected, "too_large")


def test_a_channel_error_stays_itself() -> None:
    error = RateLimited(retry_after=2)

    assert classify(error) is error


def test_a_token_echoed_by_a_server_is_not_repeated() -> None:
    said = f"Bad Request: unknown path /bot{DEFAULT_TOKEN}/sendMessage"
    error = classify(TelegramBadRequest(method=METHOD, message=said))

    assert DEFAULT_TOKEN not in error.message


async def test_many_sends_share_a_connection_pool(
    emulator: TelegramEmulator, account: Account, channel: TelegramChannel
) -> None:
    await emulator.says("hello")
    await asyncio.gather(*(channel.send(ADA, part(), account) for _ in range(50)))
    await eventually(lambda: len(emulator.sent) == 50)

    times = [request.at for request in emulator.calls("sendMessage")]
    assert times == sorted(times)
