"""An SMS account and signed requests for tests."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from adapters.sms import signature
from adapters.sms.emulator import DEFAULT_NUMBER, DEFAULT_SERVICE, DEFAULT_SID, DEFAULT_TOKEN
from core.channels import Account, InboundRequest

RECEIVED_AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
URL = "https://cairn.example/webhooks/sms/route"
FORM = "application/x-www-form-urlencoded"
OURS = DEFAULT_NUMBER
ADA = "+12025550101"
BEN = "+447700900102"


def account_at(
    base_url: str | None = None, *, service: bool = False, public: str = "", **settings: Any
) -> Account:
    if base_url:
        settings["api_base_url"] = base_url
    sender = {"messaging_service_sid": DEFAULT_SERVICE} if service else {"from_number": OURS}
    return Account(
        creator_id=UUID(int=1),
        channel_id=UUID(int=2),
        type="sms",
        route_key="route",
        credentials={"account_sid": DEFAULT_SID, "auth_token": DEFAULT_TOKEN, **sender},
        settings=settings,
        public_base_url=public,
    )


def request_with(
    body: bytes | Mapping[str, str], *, url: str = URL, content_type: str = FORM, **headers: str
) -> InboundRequest:
    """A webhook request as received; a header's `_` stands for `-`."""
    content = body if isinstance(body, bytes) else urlencode(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return InboundRequest(
        method="POST",
        url=url,
        headers={"content-type": content_type} | named,
        body=content,
        received_at=RECEIVED_AT,
    )


def signed(
    form: Mapping[str, str], *, url: str = URL, token: str = DEFAULT_TOKEN
) -> InboundRequest:
    given = signature.sign(token, url, list(form.items()))
    return request_with(form, url=url, x_twilio_signature=given)


def inbound(body: str = "Hello", **changes: str) -> dict[str, str]:
    """A text from Ada, with only the fields that matter."""
    form = {
        "MessageSid": "SM1",
        "SmsStatus": "received",
        "NumMedia": "0",
        "From": ADA,
        "To": OURS,
        "Body": body,
    }
    return form | changes


def status(state: str, **changes: str) -> dict[str, str]:
    form = {
        "MessageSid": "SM1",
        "SmsStatus": state,
        "MessageStatus": state,
        "From": OURS,
        "To": ADA,
    }
    return form | changes
