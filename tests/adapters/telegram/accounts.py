"""A Telegram account for tests."""

from typing import Any
from uuid import UUID

from adapters.telegram.emulator import DEFAULT_TOKEN
from core.channels import Account

SECRET = "Webhook-secret_1"


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
