"""What Twilio's refusals mean to us: one table by error code. https://www.twilio.com/docs/api/errors

The codes of 30000 and up mostly come in status callbacks, after the API took the message.
"""

from collections.abc import Callable

import aiohttp
from twilio.base.exceptions import TwilioRestException, TwilioServiceException

from adapters.sms.client import DEFAULT_RETRY_SECONDS, NoAnswer, NotSent, TooManyRequests
from shared.errors import (
    AuthRevoked,
    ChannelError,
    MessageRejected,
    NetworkError,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    RecipientUnreachable,
    UnreachableReason,
)

QUEUE_FULL_SECONDS = 60.0
DAY_FULL_SECONDS = 3600.0

_PERSON: dict[int, UnreachableReason] = {
    21211: "invalid",  # not a number
    21214: "invalid",  # can't be reached
    21217: "invalid",  # not a number
    21265: "invalid",  # a short code
    21266: "invalid",  # our own number
    21610: "opted_out",
    21612: "invalid",  # no route from our number to theirs
    21614: "invalid",  # not a mobile
    30003: "invalid",  # handset off or out of reach for good
    30004: "blocked",  # by the person or their carrier
    30005: "deactivated",  # unknown or gone
    30006: "invalid",  # a landline, or a carrier that is not reached
}
_KEYS = frozenset(
    (
        20003,  # wrong auth token
        20005,  # account not active
        20008,  # test credentials
        20404,  # no such account
        30002,  # account suspended
    )
)
_RIGHTS = frozenset(
    (
        20006,  # access denied
        20403,  # forbidden
        21212,  # not a From
        21408,  # no permission for this country
        21603,  # no From
        21606,  # From is not ours, or not for text messages
        21608,  # a trial account writes to verified numbers only
        21659,  # From is not Twilio's
        21660,  # From is another account's
        21661,  # From can't send text messages
        21701,  # no such messaging service
        21703,  # a messaging service without numbers
        21704,  # the same, for this country
        21705,  # no messaging service's name
        30007,  # filtered as spam by carriers
        30032,  # toll-free number not verified
        30034,  # number not registered for A2P 10DLC
    )
)
_LATER: dict[int, float] = {
    21611: QUEUE_FULL_SECONDS,  # too many of ours wait on this number
    30001: QUEUE_FULL_SECONDS,  # the same, seen later
    30008: QUEUE_FULL_SECONDS,  # unknown, often passes
    63038: DAY_FULL_SECONDS,  # a trial account's messages of the day
}


def classify(error: Exception) -> ChannelError:
    """Translate what a REST call raised; what is not known to be refused is OutcomeUnknown."""
    match error:
        case ChannelError():
            return error
        case NotSent():
            return NetworkError(f"Twilio could not be reached ({error}); nothing was sent.")
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return NetworkError("Twilio could not be reached; nothing was sent.")
        case NoAnswer():
            return OutcomeUnknown(f"No answer from Twilio ({error})")
        case TooManyRequests():
            return _throttled(error)
        case TwilioRestException() | TwilioServiceException():
            return _answer(error.status, error.code)
    return OutcomeUnknown(f"{type(error).__name__} while Twilio had the request")


def _throttled(error: TooManyRequests) -> RateLimited:
    if error.code in _LATER:
        wait = max(error.retry_after, _LATER[error.code])
        return RateLimited(retry_after=wait, scope="channel", code=str(error.code))
    return RateLimited(retry_after=error.retry_after)


def _answer(status: int, code: int | None) -> ChannelError:
    if status == 429 or code == 20429:
        return RateLimited(retry_after=DEFAULT_RETRY_SECONDS)
    if status >= 500 or status == 408:
        return OutcomeUnknown(f"Twilio failed while it had the request: HTTP {status}")
    # The library repeats the HTTP status where a body has no code of Twilio's.
    if code is None or code == status:
        return _by_status(status)
    return by_code(code)


def _by_status(status: int) -> ChannelError:
    if status in (401, 403):
        return AuthRevoked("Twilio does not accept these credentials.")
    return MessageRejected(
        f"HTTP {status} without a Twilio body: is `api_base_url` Twilio's API?",
        code="unreadable_answer",
        scope="channel",
    )


def by_code(code: int) -> ChannelError:
    """The class of one of Twilio's codes; unknown ones are about the message."""
    said = f"Twilio error {code}: https://www.twilio.com/docs/errors/{code}"
    if code in _PERSON:
        return RecipientUnreachable(said, reason=_PERSON[code])
    if code in _LATER:
        return RateLimited(said, code=f"twilio_{code}", retry_after=_LATER[code], scope="channel")
    known: tuple[tuple[frozenset[int], Callable[..., ChannelError]], ...] = (
        (_KEYS, AuthRevoked),
        (_RIGHTS, PermissionDenied),
    )
    for codes, error in known:
        if code in codes:
            return error(said, code=f"twilio_{code}")
    return MessageRejected(said, code=f"twilio_{code}")
