"""What Twilio's REST API refuses, in its own words: codes, messages, bodies. Pure.

https://www.twilio.com/docs/api/errors, https://www.twilio.com/docs/messaging/api/message-resource
"""

import re
from collections.abc import Mapping
from typing import Any

from adapters.sms.render import MAX_BODY

_NUMBER = re.compile(r"(?:[a-z]+:)?\+[1-9][0-9]{6,14}|[0-9]{3,8}")
_URL = re.compile(r"https?://[^\s_/?#]+(?:[/?#]\S*)?")
_MAX_MEDIA = 10
_VALIDITY = range(1, 36_001)

# Numbers that always fail: https://www.twilio.com/docs/iam/test-credentials#test-sms-messages
_MAGIC = {
    "+15005550001": 21211,
    "+15005550002": 21612,
    "+15005550003": 21408,
    "+15005550004": 21610,
    "+15005550009": 21614,
}
_MESSAGES = {
    20001: "Invalid parameter.",
    20003: "Authenticate",
    20404: "The requested resource {0} was not found",
    20429: "Too Many Requests",
    20500: "An internal server error has occurred",
    21211: "Invalid 'To' Phone Number: {0}",
    21408: "Permission to send an SMS has not been enabled for the region indicated by the 'To' "
    "number: {0}.",
    21602: "Message body is required.",
    21603: "A 'From' phone number is required.",
    21604: "A 'To' phone number is required.",
    21606: "The 'From' phone number {0} is not a valid, SMS-capable inbound phone number or short "
    "code for your account.",
    21609: "The StatusCallback URL {0} is not a valid URL.",
    21610: "Attempt to send to unsubscribed recipient",
    21611: "This 'From' number has exceeded the maximum number of queued messages",
    21612: "The 'To' phone number {0} is not currently reachable using the 'From' phone number",
    21614: "To number: {0}, is not a mobile number",
    21617: "The concatenated message body exceeds the 1600 character limit",
    21620: "Invalid media URL(s)",
    21623: "Number of media files exceeds allowed limit",
    21701: "The Messaging Service resource does not exist",
}


class Refusal(Exception):
    """The API's error answer."""

    def __init__(self, code: int, detail: str = "", *, status: int = 400) -> None:
        said = _MESSAGES.get(code, f"Error {code}").format(detail)
        super().__init__(said)
        self.code = code
        self.status = status

    def body(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "message": str(self),
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }


def not_found(path: str) -> Refusal:
    return Refusal(20404, path, status=404)


def check_message(params: Mapping[str, Any], media: list[str]) -> None:
    """Recipient, text, media and options of a message to be created."""
    to = str(params.get("To") or "")
    if not to:
        raise Refusal(21604)
    if not _NUMBER.fullmatch(to):
        raise Refusal(21211, to)
    if not params.get("From") and not params.get("MessagingServiceSid"):
        raise Refusal(21603)
    _check_content(str(params.get("Body") or ""), media)
    _check_options(params)
    if to in _MAGIC:
        raise Refusal(_MAGIC[to], to)


def _check_content(body: str, media: list[str]) -> None:
    if not body.strip() and not media:
        raise Refusal(21602)
    if len(body) > MAX_BODY:
        raise Refusal(21617)
    if len(media) > _MAX_MEDIA:
        raise Refusal(21623)
    if not all(_URL.fullmatch(url) for url in media):
        raise Refusal(21620)


def _check_options(params: Mapping[str, Any]) -> None:
    callback = params.get("StatusCallback")
    if callback and not _URL.fullmatch(str(callback)):
        raise Refusal(21609, str(callback))
    validity = str(params.get("ValidityPeriod") or 1)
    if not validity.isdecimal() or int(validity) not in _VALIDITY:
        raise Refusal(20001)
