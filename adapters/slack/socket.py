"""Socket Mode: the same payloads over a WebSocket, where no webhook can reach us.

https://docs.slack.dev/apis/events-api/using-socket-mode
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import aiohttp
import structlog

from adapters.slack.client import SlackClient
from adapters.slack.errors import classify
from adapters.slack.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, sign
from core.channels import Account, InboundRequest
from shared.errors import ChannelError, OutcomeUnknown
from shared.utils.clock import utc_now

log = structlog.get_logger()

BACKOFF_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)
HEARTBEAT_SECONDS = 20.0
REST_SECONDS = 0.5  # between connections: one that closes at once must not be a busy loop
MAX_ENVELOPE_BYTES = 4 * 2**20
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"


async def listen(api: SlackClient, account: Account) -> AsyncGenerator[InboundRequest, None]:
    """Yield requests for ever. One is acknowledged only once the consumer asks for the next.

    Raises ChannelError when waiting can't help: a revoked app token, Socket Mode switched off.
    """
    failures = 0
    while True:
        try:
            url = str((await api.apps_connections_open(app_token=api.token or ""))["url"])
            async for request in _connection(api, url, account):
                failures = 0
                yield request
            await asyncio.sleep(REST_SECONDS)
        except Exception as error:
            await _wait_out(error, failures, account)
            failures += 1


async def _connection(
    api: SlackClient, url: str, account: Account
) -> AsyncGenerator[InboundRequest, None]:
    """The requests of one connection, until Slack asks for a new one."""
    assert api.session is not None  # noqa: S101 - clients are made with one
    async with api.session.ws_connect(
        url, heartbeat=HEARTBEAT_SECONDS, max_msg_size=MAX_ENVELOPE_BYTES
    ) as socket:
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            envelope = _envelope(message.data)
            if envelope.get("type") == "disconnect":
                _check_reason(envelope)
                return
            request = as_request(envelope, account)
            if request is not None:
                yield request
            if isinstance(envelope.get("envelope_id"), str):
                await socket.send_json({"envelope_id": envelope["envelope_id"]})


def _envelope(text: str) -> dict[str, Any]:
    with suppress(ValueError, RecursionError):
        envelope = json.loads(text)
        if isinstance(envelope, dict):
            return envelope
    return {}


def _check_reason(envelope: dict[str, Any]) -> None:
    if envelope.get("reason") == "link_disabled":
        raise ChannelError(
            "Socket Mode is switched off in the app's settings.",
            code="slack_socket_mode_off",
            scope="channel",
        )


async def _wait_out(error: Exception, failures: int, account: Account) -> None:
    """Sleep after a failure that may pass; connecting again is harmless, unlike sending again."""
    known = classify(error)
    if not (known.retryable or isinstance(known, OutcomeUnknown)):
        raise known from None
    log.warning("slack.socket_failed", channel_id=str(account.channel_id), code=known.code)
    wait = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)]
    await asyncio.sleep(known.retry_after or wait)


def as_request(envelope: dict[str, Any], account: Account) -> InboundRequest | None:
    """An envelope as the webhook request it would have been, signed like one. Pure but for time."""
    payload, kind = envelope.get("payload"), envelope.get("type")
    if not isinstance(payload, dict):
        return None
    if kind == "slash_commands":
        fields = {name: value for name, value in payload.items() if isinstance(value, str)}
        body, content_type = urlencode(fields).encode(), _FORM
    elif kind == "interactive":
        body, content_type = urlencode({"payload": json.dumps(payload)}).encode(), _FORM
    else:
        body, content_type = json.dumps(payload).encode(), _JSON
    now = utc_now()
    timestamp = str(int(now.timestamp()))
    secret = account.credentials.get("signing_secret", "")
    return InboundRequest(
        method="POST",
        url="socket:",
        headers={
            "content-type": content_type,
            TIMESTAMP_HEADER: timestamp,
            SIGNATURE_HEADER: sign(secret, timestamp, body),
        },
        body=body,
        received_at=now,
    )
