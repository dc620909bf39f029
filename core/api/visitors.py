"""Visitors of a web chat: who a token says they are, and a new token for them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from fastapi import Request

from core.channels import Account
from shared.errors import Unauthorized
from shared.security import KeyRing
from shared.security import Visitor as Claims
from shared.security import read_visitor, sign_visitor
from shared.utils.clock import utc_now

TOKEN_LIFE = timedelta(hours=12)
# An expired token opens nothing but a new session; within this time it is the same visitor's.
RENEWABLE_FOR = timedelta(days=30)
# What a token is bound to when the page is our own; a GET of it carries no Origin to compare.
OWN_PAGE = "self"
_TOKEN_NAMES = frozenset(("token", "access_token", "authorization", "jwt", "key"))


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """Who writes, and the conversation that is theirs."""

    id: str
    conversation_id: UUID
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class SignedIn:
    token: str
    expires_at: datetime


def sign_in(
    keys: KeyRing, account: Account, origin: str, visitor_id: str, conversation_id: UUID
) -> SignedIn:
    """A token for this visitor on this channel, for pages of this origin only."""
    expires_at = (utc_now() + TOKEN_LIFE).replace(microsecond=0)
    claims = Claims(
        creator_id=account.creator_id,
        channel_id=account.channel_id,
        address=visitor_id,
        origin=origin,
        expires_at=expires_at,
        conversation_id=conversation_id,
    )
    return SignedIn(token=sign_visitor(keys, claims), expires_at=expires_at)


def read_token(keys: KeyRing, account: Account, origin: str, token: str) -> Visitor:
    """Raises Unauthorized unless the token is ours, fresh, and of this channel and origin."""
    return _visitor(keys, account, origin, token, utc_now())


def read_old_token(keys: KeyRing, account: Account, origin: str, token: str) -> Visitor | None:
    """Whose session this token may renew; None when it may not, and a new visitor begins."""
    try:
        return _visitor(keys, account, origin, token, utc_now() - RENEWABLE_FOR)
    except Unauthorized:
        return None


def refuse_token_in_query(request: Request) -> None:
    """Addresses end up in logs and histories, so a token in one is not accepted."""
    if any(name.lower() in _TOKEN_NAMES for name in request.query_params):
        raise Unauthorized("Send the token in the Authorization header, never in an address.")


def bearer_token(request: Request) -> str:
    """The token of the Authorization header; empty without one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _visitor(keys: KeyRing, account: Account, origin: str, token: str, now: datetime) -> Visitor:
    claims = read_visitor(keys, token, channel_id=account.channel_id, origin=origin, now=now)
    if claims.creator_id != account.creator_id or claims.conversation_id is None:
        raise Unauthorized
    return Visitor(
        id=claims.address,
        conversation_id=claims.conversation_id,
        expires_at=claims.expires_at,
    )
