"""What the Bot API's refusals mean: the emulated API's, and Telegram's words one by one."""

import logging
from typing import Any

import pytest
from aiogram.exceptions import (
    TelegramBadRequest,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramServerError,
)
from aiogram.methods import SendMessage

from adapters.telegram.channel import TelegramChannel
from adapters.telegram.emulator import DEFAULT_TOKEN, TelegramEmulator
from adapters.telegram.errors import classify
from core.channels import Account
from shared.errors import (
    AuthRevoked,
    ChannelError,
    ConversationMoved,
    MessageRejected,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    RecipientUnreachable,
)
from tests.adapters.telegram.parts import ADA, failure_of, part_of

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

    await channel.send(ADA, part_of("hello"), account)
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
    await channel.send(ADA, part_of("hello"), account)
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
