"""What Slack's refusals mean: every mapping of the table."""

from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from adapters.slack import errors
from adapters.slack.client import NoAnswer, NotSent, UnreadableAnswer
from adapters.slack.errors import classify
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


def refusal(
    code: str, status: int = 200, headers: dict[str, str] | None = None, **more: Any
) -> SlackApiError:
    response = AsyncSlackResponse(
        client=None,
        http_verb="POST",
        api_url="https://slack.com/api/chat.postMessage",
        req_args={},
        data={"ok": False, "error": code, **more},
        headers=headers or {},
        status_code=status,
    )
    return SlackApiError("refused", response)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("code", sorted(errors.REVOKED))
def test_a_dead_token_stops_the_channel(code: str) -> None:
    error = classify(refusal(code))

    assert (type(error), error.scope, error.retryable) == (AuthRevoked, "channel", False)
    assert error.detail_code == f"slack_{code}"


@pytest.mark.parametrize("code", sorted(errors.UNREACHABLE))
def test_a_person_who_cannot_be_reached(code: str) -> None:
    error = classify(refusal(code))

    assert isinstance(error, RecipientUnreachable)
    assert error.reason == ("deactivated" if code == "user_disabled" else "invalid")
    assert not error.retryable


@pytest.mark.parametrize("code", sorted(errors.DENIED))
def test_a_missing_permission(code: str) -> None:
    error = classify(refusal(code))

    assert (type(error), error.scope, error.retryable) == (PermissionDenied, "conversation", False)


@pytest.mark.parametrize(
    "code",
    [
        "msg_too_long",
        "no_text",
        "invalid_blocks",
        "invalid_blocks_format",
        "msg_blocks_too_long",
        "invalid_arguments",
        "metadata_too_large",
        "too_many_attachments",
        "a_new_one",
    ],
)
def test_a_message_slack_will_never_take(code: str) -> None:
    error = classify(refusal(code))

    assert (type(error), error.retryable) == (MessageRejected, False)
    assert error.detail_code == f"slack_{code}"


@pytest.mark.parametrize("code", sorted(errors.UNKNOWN))
def test_slacks_own_failures_may_have_been_carried_out(code: str) -> None:
    assert type(classify(refusal(code))) is OutcomeUnknown


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_gateway_failure_may_have_been_carried_out(status: int) -> None:
    assert type(classify(refusal("service_unavailable", status))) is OutcomeUnknown
    assert type(classify(UnreadableAnswer("chat.postMessage", status))) is OutcomeUnknown


@pytest.mark.parametrize("code", sorted(errors.AWAY))
def test_what_was_surely_not_done_is_tried_again(code: str) -> None:
    error = classify(refusal(code))

    assert (type(error), error.retryable) == (NetworkError, True)


@pytest.mark.parametrize("code", sorted(errors.LIMITED))
@pytest.mark.parametrize("status", [200, 429])
def test_limits_say_how_long_to_wait(code: str, status: int) -> None:
    error = classify(refusal(code, status, {"Retry-After": "7"}))

    assert (type(error), error.retry_after, error.retryable) == (RateLimited, 7.0, True)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ({"retry-after": "30"}, 30.0),
        ({}, 1.0),
        ({"Retry-After": "soon"}, 1.0),
        ({"Retry-After": "-5"}, 1.0),
        ({"Retry-After": "99999999"}, 3600.0),
    ],
)
def test_a_limit_is_waited_out(header: dict[str, str], seconds: float) -> None:
    assert classify(refusal("ratelimited", 429, header)).retry_after == seconds


def test_the_missing_scope_is_named() -> None:
    error = classify(refusal("missing_scope", needed="im:write", provided="chat:write"))

    assert "im:write" in error.message


def test_what_is_wrong_with_blocks_is_named() -> None:
    complaint = "[ERROR] must be less than 3001 characters [json-pointer:/blocks/0/text/text]"
    error = classify(refusal("invalid_blocks", response_metadata={"messages": [complaint]}))

    assert complaint in error.message


def test_the_way_to_slack() -> None:
    assert type(classify(NotSent("chat.postMessage", "ClientConnectorError"))) is NetworkError
    assert type(classify(NoAnswer("chat.postMessage", "ServerTimeoutError"))) is OutcomeUnknown


@pytest.mark.parametrize("status", [302, 404, 405])
def test_another_server_at_the_api_address(status: int) -> None:
    error = classify(UnreadableAnswer("chat.postMessage", status))

    assert (type(error), error.scope) == (MessageRejected, "channel")


def test_an_unreadable_success_may_be_one() -> None:
    assert type(classify(UnreadableAnswer("chat.postMessage", 200))) is OutcomeUnknown


def test_what_is_unexpected_is_unknown() -> None:
    for failure in (RuntimeError("?"), TimeoutError(), ConnectionResetError()):
        assert type(classify(failure)) is OutcomeUnknown


def test_a_channel_error_stays_itself() -> None:
    error = ChannelError("already ours")

    assert classify(error) is error


def test_no_code_stands_in_two_rows() -> None:
    rows = [errors.REVOKED, errors.UNREACHABLE, errors.DENIED]
    rows += [errors.LIMITED, errors.AWAY, errors.UNKNOWN]

    assert len(set().union(*rows)) == sum(len(row) for row in rows)
