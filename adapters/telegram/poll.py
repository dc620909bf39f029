"""Long polling, for where no webhook reaches us: polled updates as the webhook's requests."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import structlog
from aiogram import Bot
from aiogram.methods import TelegramMethod

from adapters.telegram.errors import classify
from core.channels import Account, InboundRequest
from shared.errors import OutcomeUnknown
from shared.utils.clock import utc_now

log = structlog.get_logger()

SECRET_HEADER = "x-telegram-bot-api-secret-token"  # noqa: S105
ALLOWED_UPDATES = [
    "message",
    "edited_message",
    "callback_query",
    "my_chat_member",
    "message_reaction",
]
POLL_SECONDS = 25
GRACE_SECONDS = 10
BACKOFF_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)


class GetRawUpdates(TelegramMethod[list[dict[str, Any]]]):
    """getUpdates as JSON: an update must pass through the same `parse` as a webhook's body."""

    __returning__ = list[dict[str, Any]]
    __api_method__ = "getUpdates"

    offset: int | None = None
    timeout: int = POLL_SECONDS
    allowed_updates: list[str] = ALLOWED_UPDATES


async def listen(bot: Bot, account: Account) -> AsyncGenerator[InboundRequest, None]:
    """Yield updates for ever. One is confirmed only once the consumer asks for the next.

    Raises ChannelError when waiting can't help: a second poller, a webhook, a revoked token.
    """
    offset: int | None = None
    failures = 0
    while True:
        try:
            updates = await bot(
                GetRawUpdates(offset=offset), request_timeout=POLL_SECONDS + GRACE_SECONDS
            )
        except Exception as error:
            await _wait_out(error, failures, account)
            failures += 1
            continue
        failures = 0
        for update in updates:
            yield _as_request(update, account)
            offset = int(update["update_id"]) + 1


async def _wait_out(error: Exception, failures: int, account: Account) -> None:
    """Sleep after a failure that may pass; asking again is harmless, unlike sending again."""
    known = classify(error)
    if not (known.retryable or isinstance(known, OutcomeUnknown)):
        raise known from None
    log.warning("telegram.poll_failed", channel_id=str(account.channel_id), code=known.code)
    wait = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)]
    await asyncio.sleep(known.retry_after or wait)


def _as_request(update: dict[str, Any], account: Account) -> InboundRequest:
    """A polled update as the webhook request it would have been."""
    return InboundRequest(
        method="POST",
        url="poll:",
        headers={SECRET_HEADER: account.credentials["secret_token"]},
        body=json.dumps(update).encode(),
        received_at=utc_now(),
    )
