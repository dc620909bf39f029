"""One route for every platform's webhooks: verify, parse, accept, and only then answer 2xx."""

from uuid import UUID

import structlog
from fastapi import APIRouter, Request
from starlette.background import BackgroundTask
from starlette.responses import Response

from core.accounts import ChannelRecord
from core.api.deps import RuntimeDep, check_route_key
from core.api.platforms import as_response, inbound
from core.channels import Parsed, Reply
from core.runtime import Runtime
from shared import telemetry
from shared.cache import keys
from shared.errors import NotFound, QuotaExceeded
from shared.failpoints import failpoint

log = structlog.get_logger(__name__)
router = APIRouter(tags=["webhooks"])

BURST_SECONDS = 5  # platforms send what piled up while we were away all at once


@router.post("/webhooks/{channel}/{route_key}", response_class=Response)
async def receive_webhook(
    channel: str, route_key: str, request: Request, runtime: RuntimeDep
) -> Response:
    """Take in what a platform reports. 2xx means: it is stored."""
    body = await request.body()
    adapter = runtime.channels.get(channel)
    if adapter is None:
        raise NotFound
    record = await runtime.accounts.by_route(channel, check_route_key(route_key))
    received = inbound(request, body, runtime.settings.public_base_url)
    await adapter.verify(received, record.account)
    parsed = adapter.parse(received, record.account)
    await failpoint("after-verify")
    if not record.active:
        return _drop(record, parsed)
    await _limit(runtime, record.account.creator_id, record.account.channel_id)
    await runtime.inbox.receive(record.account, adapter, parsed)
    return _response(parsed.reply)


def _drop(record: ChannelRecord, parsed: Parsed) -> Response:
    """A suspended creator's or disabled channel's events end here; the platform may forget them."""
    creator = str(record.account.creator_id)
    telemetry.DROPPED.labels(creator, "inactive").inc(len(parsed.events))
    log.info("webhook.dropped", creator_id=creator, events=len(parsed.events))
    return _response(parsed.reply)


async def _limit(runtime: Runtime, creator_id: UUID, channel_id: UUID) -> None:
    rate = runtime.settings.limits.webhook_per_second
    decision = await runtime.limiter.allow(
        keys.rate(creator_id, f"webhook:{channel_id}"),
        rate_per_second=rate,
        burst=max(1, int(rate * BURST_SECONDS)),
    )
    if not decision.allowed:
        raise QuotaExceeded(retry_after=decision.retry_after)


def _response(reply: Reply) -> Response:
    return as_response(reply, BackgroundTask(failpoint, "after-2xx"))
