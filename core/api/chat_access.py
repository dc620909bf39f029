"""Who may use a web chat: the page's origin, the visitor's token, and how often."""

import hashlib
import ipaddress
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from core.accounts import ChannelRecord
from core.api.deps import RuntimeDep, check_route_key
from core.api.origins import check_origin
from core.api.visitors import (
    OWN_PAGE,
    Visitor,
    bearer_token,
    read_token,
    refuse_token_in_query,
)
from core.channels import ChannelAdapter
from core.runtime import Runtime
from shared.cache import keys
from shared.errors import AppError, Forbidden, NotFound, QuotaExceeded, Unavailable

WEB = "web"


@dataclass(frozen=True, kw_only=True)
class Chat:
    """A web channel that is open to this request."""

    record: ChannelRecord
    adapter: ChannelAdapter
    origin: str

    @property
    def creator_id(self) -> UUID:
        return self.record.account.creator_id

    async def is_open(self, runtime: Runtime) -> bool:
        """Whether it may still be used: creators are suspended, channels disabled or deleted."""
        account = self.record.account
        try:
            return (await runtime.accounts.get(account.creator_id, account.channel_id)).active
        except Unavailable:
            return True  # a database that restarts closes nothing
        except AppError:
            return False

    async def limit_sessions(self, runtime: Runtime, request: Request) -> None:
        """Raise QuotaExceeded when this address opens conversations too quickly."""
        per_minute = runtime.settings.limits.sessions_per_minute
        subject = f"sessions:{_network(request)}"
        await self._limit(runtime, subject, per_minute / 60, max(1, int(per_minute)))

    async def limit_messages(self, runtime: Runtime, visitor: Visitor) -> None:
        """Raise QuotaExceeded when this visitor writes too quickly."""
        limits = runtime.settings.limits
        subject = f"visitor:{visitor.id}"
        await self._limit(runtime, subject, limits.chat_per_second, limits.chat_burst)

    async def _limit(self, runtime: Runtime, subject: str, rate: float, burst: int) -> None:
        key = keys.rate(self.creator_id, subject)
        decision = await runtime.limiter.allow(key, rate_per_second=rate, burst=burst)
        if not decision.allowed:
            raise QuotaExceeded(retry_after=decision.retry_after)


async def open_chat(request: Request, runtime: Runtime, route_key: str) -> Chat:
    """Raises NotFound for an unknown channel, Forbidden for a foreign page or a closed channel."""
    adapter = runtime.channels.get(WEB)
    if adapter is None:
        raise NotFound
    record = await runtime.accounts.by_route(WEB, check_route_key(route_key))
    cors_headers = check_origin(
        request.headers.get("origin"),
        host=request.headers.get("host", ""),
        public_base_url=runtime.settings.public_base_url,
        account=record.account,
    )
    request.state.cors_headers = cors_headers
    if not record.active:
        raise Forbidden("This chat is closed.")
    origin = cors_headers.get("Access-Control-Allow-Origin", OWN_PAGE)
    return Chat(record=record, adapter=adapter, origin=origin)


async def get_chat(request: Request, runtime: RuntimeDep, route_key: str) -> Chat:
    chat = await open_chat(request, runtime, route_key)
    refuse_token_in_query(request)
    return chat


ChatDep = Annotated[Chat, Depends(get_chat)]


async def get_visitor(request: Request, runtime: RuntimeDep, chat: ChatDep) -> Visitor:
    """The visitor of this request. Raises Unauthorized without a valid token of this channel."""
    token = bearer_token(request)
    return read_token(runtime.keys, chat.record.account, chat.origin, token)


VisitorDep = Annotated[Visitor, Depends(get_visitor)]


def _network(request: Request) -> str:
    """The caller's address without naming it: hashed, IPv6 by its /64, which one home owns."""
    host = request.client.host if request.client else "local"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if isinstance(address, ipaddress.IPv6Address):
        host = str(ipaddress.ip_network((address, 64), strict=False))
    return hashlib.sha256(host.encode()).hexdigest()[:16]
