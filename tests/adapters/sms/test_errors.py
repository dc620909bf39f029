"""Every refusal of Twilio's by its class; what isn't known to be refused is unknown."""

import asyncio
from typing import Any

import aiohttp
import pytest
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException

from adapters.sms.channel import SmsChannel
from adapters.sms.client import NoAnswer, NotSent, TooManyRequests
from shared.errors import (
    AuthRevoked,
    ChannelError,
    MessageRejected,
    NetworkError,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    RecipientUnreachable,
)


def rest(code: int | None, status: int = 400) -> TwilioRestException:
    return TwilioRestException(status, "/Accounts/AC1/Messages.json", "said", code=code)


def classified(error: Exception) -> ChannelError:
    return SmsChannel().classify(error)


CODES: list[tuple[int, type[ChannelError]]] = [
    (20003, AuthRevoked),
    (20005, AuthRevoked),
    (20404, AuthRevoked),
    (20403, PermissionDenied),
    (21211, RecipientUnreachable),
    (21212, PermissionDenied),
    (21408, PermissionDenied),
    (21602, MessageRejected),
    (21606, PermissionDenied),
    (21608, PermissionDenied),
    (21610, RecipientUnreachable),
    (21611, RateLimited),
    (21612, RecipientUnreachable),
    (21614, RecipientUnreachable),
    (21617, MessageRejected),
    (21620, MessageRejected),
    (21701, PermissionDenied),
    (30002, AuthRevoked),
    (30003, RecipientUnreachable),
    (30004, RecipientUnreachable),
    (30005, RecipientUnreachable),
    (30006, RecipientUnreachable),
    (30007, PermissionDenied),
    (30034, PermissionDenied),
    (99999, MessageRejected),
]


@pytest.mark.parametrize(("code", "kind"), CODES, ids=[str(code) for code, _ in CODES])
def test_codes_have_their_class(code: int, kind: type[ChannelError]) -> None:
    error = classified(rest(code))

    assert type(error) is kind
    assert error.retryable is (kind is RateLimited)
    assert str(code) in error.message


@pytest.mark.parametrize(
    ("code", "reason"),
    [(21610, "opted_out"), (21211, "invalid"), (30004, "blocked"), (30005, "deactivated")],
)
def test_the_unreachable_say_why(code: int, reason: str) -> None:
    error = classified(rest(code))

    assert isinstance(error, RecipientUnreachable)
    assert error.reason == reason


@pytest.mark.parametrize(
    ("error", "wait", "scope"),
    [
        (TooManyRequests(7.0, 20429), 7.0, "conversation"),
        (TooManyRequests(1.0, 63038), 3600.0, "channel"),
        (rest(20429, 429), 1.0, "conversation"),
        (rest(21611), 60.0, "channel"),
        (rest(30001), 60.0, "channel"),
    ],
    ids=["429", "day", "raw", "queue", "queue-later"],
)
def test_too_much_says_how_long_to_wait(error: Exception, wait: float, scope: str) -> None:
    found = classified(error)

    assert isinstance(found, RateLimited)
    assert (found.retry_after, found.scope) == (wait, scope)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
@pytest.mark.parametrize("code", [None, 20500, 21211])
def test_a_failing_server_may_have_sent_it(status: int, code: int | None) -> None:
    error = classified(rest(code, status))

    assert isinstance(error, OutcomeUnknown)
    assert not error.retryable


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NotSent("ClientConnectorError"), NetworkError),
        (NoAnswer("ServerDisconnectedError"), OutcomeUnknown),
        (rest(401, 401), AuthRevoked),
        (rest(403, 403), AuthRevoked),
        (rest(404, 404), MessageRejected),
        (rest(302, 302), MessageRejected),
        (TwilioException("?"), OutcomeUnknown),
        (aiohttp.ConnectionTimeoutError(), NetworkError),
        (aiohttp.ServerDisconnectedError(), OutcomeUnknown),
        (TimeoutError(), OutcomeUnknown),
        (asyncio.IncompleteReadError(b"", 1), OutcomeUnknown),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else repr(value)[:40],
)
def test_other_failures(error: Exception, kind: type[ChannelError]) -> None:
    assert type(classified(error)) is kind


def test_the_newer_error_bodies_mean_the_same() -> None:
    details: dict[str, Any] = {"type_uri": "https://twilio.com/e", "title": "Opted out"}
    error = classified(TwilioServiceException(**details, status=400, code=21610))

    assert isinstance(error, RecipientUnreachable)
    assert error.reason == "opted_out"
