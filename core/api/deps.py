"""What routes are handed: the runtime, the creator behind an API key, a session bound to it."""

import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.ext.asyncio import AsyncSession

from core.runtime import Runtime
from shared.cache import keys
from shared.database import DatabaseManager
from shared.errors import Forbidden, NotFound, QuotaExceeded, Unauthorized
from shared.security import api_key_prefix, verify_api_key

KEY_CACHE_SECONDS = 0.8  # a revoked key stops working within a second
TOUCH_SECONDS = 60.0
MAX_CACHED_KEYS = 10_000
_ROUTE_KEY = re.compile(r"[A-Za-z0-9_-]{1,100}")
_KEY_NAMES = frozenset(("api_key", "apikey", "key", "token", "access_token", "authorization"))

_bearer = HTTPBearer(auto_error=False, description="an API key of a creator")


def get_runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


RuntimeDep = Annotated[Runtime, Depends(get_runtime)]


def check_route_key(route_key: str) -> str:
    """Raise NotFound for what no route key can be: the database would choke on some of it."""
    if not _ROUTE_KEY.fullmatch(route_key):
        raise NotFound
    return route_key


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who calls: a creator, through one of its API keys."""

    creator_id: UUID
    key_id: UUID

    @property
    def actor(self) -> str:
        return f"api_key:{self.key_id}"


@dataclass(frozen=True)
class _KnownKey:
    principal: Principal
    digest: bytes
    suspended: bool


class ApiKeys:
    """Looks API keys up by their prefix, remembering each for less than a second."""

    def __init__(self, database: DatabaseManager) -> None:
        self._database = database
        self._known: dict[str, tuple[float, _KnownKey]] = {}
        self._touched: dict[UUID, float] = {}

    async def authenticate(self, api_key: str) -> Principal:
        """Raises Unauthorized for an unknown, wrong or revoked key, Forbidden when suspended."""
        prefix = api_key_prefix(api_key)
        known = await self._find(prefix) if prefix else None
        if known is None or not verify_api_key(api_key, known.digest):
            raise Unauthorized("The API key is not valid.")
        if known.suspended:
            raise Forbidden("This account is suspended.")
        return known.principal

    async def _find(self, prefix: str) -> _KnownKey | None:
        cached = self._known.get(prefix)
        if cached is not None and cached[0] > time.monotonic():
            return cached[1]
        async with self._database.lookup() as connection:
            row = await connection.fetchrow("SELECT * FROM app.find_api_key($1)", prefix)
        if row is None:
            self._known.pop(prefix, None)
            return None
        principal = Principal(creator_id=row["creator_id"], key_id=row["key_id"])
        known = _KnownKey(principal, row["hash"], row["suspended"])
        if len(self._known) >= MAX_CACHED_KEYS:
            self._known.clear()
        self._known[prefix] = (time.monotonic() + KEY_CACHE_SECONDS, known)
        return known

    async def touch(self, principal: Principal) -> None:
        """Remember that a key is in use, at most once a minute."""
        now = time.monotonic()
        if now - self._touched.get(principal.key_id, -TOUCH_SECONDS) < TOUCH_SECONDS:
            return
        self._touched[principal.key_id] = now
        async with self._database.transaction(principal.creator_id) as connection:
            await connection.execute(
                "UPDATE app.api_keys SET last_used_at = now() WHERE creator_id = $1 AND id = $2",
                principal.creator_id,
                principal.key_id,
            )


async def get_principal(
    request: Request,
    runtime: RuntimeDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Principal:
    """Authenticate the call and count it against its creator's rate limit."""
    if any(name.lower() in _KEY_NAMES for name in request.query_params):
        # Addresses end up in logs and histories; a key in one is as good as published.
        raise Unauthorized("Send the API key in the Authorization header, never in an address.")
    if credentials is None:
        raise Unauthorized("Send an API key as `Authorization: Bearer …`.")
    api_keys: ApiKeys = request.app.state.api_keys
    principal = await api_keys.authenticate(credentials.credentials)
    rate = runtime.settings.limits.api_per_second
    decision = await runtime.limiter.allow(
        keys.rate(principal.creator_id, "api"), rate_per_second=rate, burst=max(1, int(rate * 2))
    )
    if not decision.allowed:
        raise QuotaExceeded(retry_after=decision.retry_after)
    await api_keys.touch(principal)
    return principal


PrincipalDep = Annotated[Principal, Depends(get_principal)]


async def get_current_creator_id(principal: PrincipalDep) -> UUID:
    """The tenant of this request: from its API key only, never from a path or body."""
    return principal.creator_id


CreatorId = Annotated[UUID, Depends(get_current_creator_id)]


async def get_tenant_db(runtime: RuntimeDep, creator_id: CreatorId) -> AsyncIterator[AsyncSession]:
    """A session bound to the caller's creator, committed before the response is sent."""
    async with runtime.database.get_session(creator_id) as session:
        yield session


# scope="function": the commit must have happened when the client reads a 2xx.
TenantDb = Annotated[AsyncSession, Depends(get_tenant_db, scope="function")]
