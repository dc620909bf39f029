"""A person's browser installs a channel's app: to the platform, and back with what it gave."""

import asyncio

from fastapi import APIRouter, Request
from starlette.responses import Response

from core.api.deps import RuntimeDep, check_route_key
from core.api.platforms import as_response, inbound
from core.channels import Account, Installs
from core.runtime import Runtime
from shared.cache import keys
from shared.errors import AppError, NotFound, QuotaExceeded

router = APIRouter(tags=["install"])

INSTALL_SECONDS = 15.0  # two calls to a platform
PER_SECOND, BURST = 1.0, 20  # people with browsers, for a whole channel


@router.get("/{channel}/install/{route_key}", response_class=Response)
async def begin_install(
    channel: str, route_key: str, request: Request, runtime: RuntimeDep
) -> Response:
    """Begin an install: the browser is sent to the platform, which asks for consent."""
    return await _step(channel, route_key, request, runtime)


@router.get("/{channel}/install/{route_key}/callback", response_class=Response)
async def finish_install(
    channel: str, route_key: str, request: Request, runtime: RuntimeDep
) -> Response:
    """Finish an install: the platform sends the browser back here."""
    return await _step(channel, route_key, request, runtime)


async def _step(channel: str, route_key: str, request: Request, runtime: Runtime) -> Response:
    adapter = runtime.channels.get(channel)
    if adapter is None or not isinstance(adapter, Installs):
        raise NotFound
    record = await runtime.accounts.by_route(channel, check_route_key(route_key))
    if not record.installable:
        raise NotFound  # what is switched off looks like what isn't there
    await _limit(runtime, record.account)
    asked = inbound(request, b"", runtime.settings.public_base_url)
    try:
        async with asyncio.timeout(INSTALL_SECONDS):
            reply = await adapter.install(asked, record.account, runtime.installations)
    except AppError:
        raise
    except Exception as error:
        raise adapter.classify(error) from error
    return as_response(reply)


async def _limit(runtime: Runtime, account: Account) -> None:
    decision = await runtime.limiter.allow(
        keys.rate(account.creator_id, f"install:{account.channel_id}"),
        rate_per_second=PER_SECOND,
        burst=BURST,
    )
    if not decision.allowed:
        raise QuotaExceeded(retry_after=decision.retry_after)
