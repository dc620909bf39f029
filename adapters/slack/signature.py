"""Slack's request signature: hex HMAC-SHA256 over version, timestamp and the raw body.

https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

import hashlib
import hmac
import re

from core.channels import InboundRequest
from shared.errors import VerificationError

SIGNATURE_HEADER = "x-slack-signature"
TIMESTAMP_HEADER = "x-slack-request-timestamp"
MAX_AGE_SECONDS = 300
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """`v0=<hex>`, as Slack puts it in the signature header."""
    signed = b"v0:" + timestamp.encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def verify(request: InboundRequest, secret: str) -> None:
    """Raise VerificationError unless Slack signed these bytes within five minutes of now."""
    timestamp = request.headers.get(TIMESTAMP_HEADER, "")
    given = request.headers.get(SIGNATURE_HEADER, "")
    if not secret or not _TIMESTAMP.fullmatch(timestamp):
        raise VerificationError
    if abs(int(request.received_at.timestamp()) - int(timestamp)) > MAX_AGE_SECONDS:
        raise VerificationError
    # Compared as bytes: on text, compare_digest raises for anything outside ASCII.
    expected = sign(secret, timestamp, request.body).encode()
    if not hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected):
        raise VerificationError
