"""The state of an install: signed, short-lived, for one channel and one browser, good once.

The browser keeps the same state in a cookie, so that nobody can be led into somebody else's
install (RFC 6749 §10.12).
"""

import hmac
import re
import secrets
import time
from collections import OrderedDict
from hashlib import sha256

from slack_sdk.oauth import OAuthStateUtils
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore

from core.channels import Account

STATE_SECONDS = 600
COOKIE = "cairn-slack-install"
_MAX_USED = 10_000
_STATE = re.compile(r"([0-9a-f]{32})\.([0-9]{1,12})\.([0-9a-f]{64})")


class Used:
    """States that came back already, until they are too old anyway.

    Kept in this process only: behind several gateways Slack's own refusal of a used code, and the
    cookie that a callback takes away, stand in for it.
    """

    def __init__(self) -> None:
        self._expires_at: OrderedDict[str, int] = OrderedDict()

    def add(self, nonce: str, expires_at: int) -> bool:
        """False when it was used before."""
        if nonce in self._expires_at:
            return False
        self._expires_at[nonce] = expires_at
        if len(self._expires_at) > _MAX_USED:
            self._expires_at.popitem(last=False)
        return True


class SignedStates(AsyncOAuthStateStore):
    """bolt's state store, without a store: a state proves itself."""

    def __init__(self, account: Account, used: Used) -> None:
        self._key = _key(account)
        self._bound_to = f"{account.creator_id}:{account.channel_id}"
        self._used = used

    async def async_issue(self, *args: object, **kwargs: object) -> str:
        nonce, expires_at = secrets.token_hex(16), str(int(time.time()) + STATE_SECONDS)
        return f"{nonce}.{expires_at}.{self._signature(nonce, expires_at)}"

    async def async_consume(self, state: str) -> bool:
        """Whether it is ours, of this channel, fresh and unused."""
        match = _STATE.fullmatch(state)
        if match is None:
            return False
        nonce, expires_at, signature = match.groups()
        if not hmac.compare_digest(signature, self._signature(nonce, expires_at)):
            return False
        return time.time() < int(expires_at) and self._used.add(nonce, int(expires_at))

    def _signature(self, nonce: str, expires_at: str) -> str:
        signed = f"{self._bound_to}:{nonce}:{expires_at}".encode()
        return hmac.new(self._key, signed, sha256).hexdigest()


class BrowserCookie(OAuthStateUtils):
    """The cookie, for the channel's own install addresses only."""

    def __init__(self, path: str, *, is_https: bool) -> None:
        super().__init__(cookie_name=COOKIE, expiration_seconds=STATE_SECONDS)
        # Lax: the callback is a navigation that comes from Slack's site.
        secure = "; Secure" if is_https else ""
        self._attributes = f"Path={path}; HttpOnly; SameSite=Lax{secure}"

    def build_set_cookie_for_new_state(self, state: str) -> str:
        return f"{COOKIE}={state}; Max-Age={STATE_SECONDS}; {self._attributes}"

    def build_set_cookie_for_deletion(self) -> str:
        return f"{COOKIE}=; Max-Age=0; {self._attributes}"


def _key(account: Account) -> bytes:
    """Never the secrets themselves: what signs here can't verify or ask for anything there."""
    secret = account.credentials["client_secret"] + account.credentials["signing_secret"]
    return hmac.new(secret.encode(), b"cairn:slack-install", sha256).digest()
