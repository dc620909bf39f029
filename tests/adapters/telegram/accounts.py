"""A Telegram account and requests for tests."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from adapters.telegram.emulator import DEFAULT_TOKEN
from adapters.telegram.poll import SECRET_HEADER
from core.channels import Account, InboundRequest

SECRET = "Webhook-secret_1"
RECEIVED_AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


def account_at(base_url: str | None, **settings: Any) -> Account:
    if base_url:
        settings["api_base_url"] = base_url
    return Account(
        creator_id=UUID(int=1),
        channel_id=UUID(int=2),
        type="telegram",
        route_key="route",
        credentials={"bot_token": DEFAULT_TOKEN, "secret_token": SECRET},
        settings=settings,
    )


def request_with(body: Any, *, secret: str | None = SECRET) -> InboundRequest:
    return InboundRequest(
        method="POST",
        url="https://cairn.example/webhooks/telegram/route",
        headers={} if secret is None else {SECRET_HEADER: secret},
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        received_at=RECEIVED_AT,
    )
