"""A Slack account, requests and parts for tests."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from adapters.slack.emulator import DEFAULT_SIGNING_SECRET, DEFAULT_TOKEN
from adapters.slack.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, sign
from core.channels import Account, InboundRequest, OutboundPart
from shared.messages import Choice, Citation
from shared.richtext import from_markdown

RECEIVED_AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
BOT = "U07COACHBOT"
TEAM = "T07WORKSPACE"
FORM = "application/x-www-form-urlencoded"
CREDENTIALS = {"bot_token": DEFAULT_TOKEN, "signing_secret": DEFAULT_SIGNING_SECRET}


def account_at(
    base_url: str | None = None,
    credentials: Mapping[str, str] = CREDENTIALS,
    installations: Mapping[str, Mapping[str, str]] | None = None,
    **settings: Any,
) -> Account:
    if base_url:
        settings["api_base_url"] = base_url
    return Account(
        creator_id=UUID(int=1),
        channel_id=UUID(int=2),
        type="slack",
        route_key="route",
        credentials=credentials,
        settings=settings,
        installations=installations or {},
    )


def request_with(
    body: Any,
    content_type: str = "application/json",
    secret: str = DEFAULT_SIGNING_SECRET,
    **headers: str,
) -> InboundRequest:
    """Signed at the moment it is received."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    timestamp = str(int(RECEIVED_AT.timestamp()))
    signed = {TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: sign(secret, timestamp, content)}
    return InboundRequest(
        method="POST",
        url="https://cairn.example/webhooks/slack/route",
        headers={"content-type": content_type} | signed | headers,
        body=content,
        received_at=RECEIVED_AT,
    )


def form_with(fields: Mapping[str, str]) -> InboundRequest:
    return request_with(urlencode(fields).encode(), FORM)


def interaction(payload: Mapping[str, Any]) -> InboundRequest:
    return form_with({"payload": json.dumps(payload)})


def happening(event: Mapping[str, Any], **envelope: Any) -> InboundRequest:
    """An event as the Events API wraps it."""
    authorization = {
        "enterprise_id": None,
        "team_id": TEAM,
        "user_id": BOT,
        "is_bot": True,
        "is_enterprise_install": False,
    }
    payload = {
        "token": "verification",
        "team_id": TEAM,
        "api_app_id": "A07CAIRNAPP",
        "event": event,
        "type": "event_callback",
        "event_id": "Ev0001",
        "event_time": 1780000000,
        "authorizations": [authorization],
    }
    return request_with(payload | envelope)


def message(text: str, **fields: Any) -> dict[str, Any]:
    """A message event: Ada's, in a public channel."""
    ts = "1780000000.000100"
    event = {"type": "message", "user": "U07ADAOBI01", "text": text, "ts": ts, "event_ts": ts}
    return event | {"channel": "C07GENERAL1", "channel_type": "channel"} | fields


def part_of(
    markdown: str,
    *choices: Choice,
    citations: tuple[Citation, ...] = (),
    message_id: UUID | None = None,
    **fields: Any,
) -> OutboundPart:
    return OutboundPart(
        message_id=message_id or uuid4(),
        index=0,
        count=1,
        text=from_markdown(markdown),
        choices=choices,
        citations=citations,
        **fields,
    )
