"""How fast a channel takes messages: before a send, tokens for the account and the chat.

A wait of up to a second is waited in place: that costs nothing, where letting go of the lease and
taking it again costs two transactions and the sweeper's second. Only some of a worker's places may
be spent so; whoever finds none left, or has longer to wait, comes back when it is worth it.
"""

import asyncio
import math
import random
import time
from collections.abc import Mapping
from typing import Any

from core.channels import Account, Address, Capabilities, Rate
from shared.cache import keys
from shared.cache.limits import RateLimiter
from shared.errors import ChannelError, InvalidInput

PATIENCE_SECONDS = 1.0
# Of many that wait for one account, each is told another time to come back, but none a late one:
# a person's answer may stand behind a broadcast.
MAX_RETURN_SECONDS = 15.0
MAX_ACCOUNTS = 10_000
MAX_PER_SECOND = 10_000.0

_NAMES = ("account", "conversation", "group")

Limits = list[tuple[str, Rate]]


class Pace:
    """Admits sends of one worker at the pace their platform allows; shared through Redis."""

    def __init__(self, limiter: RateLimiter, *, places: int) -> None:
        self._limiter = limiter
        self._places = places
        self._waiting = 0
        self._returns: dict[str, float] = {}

    async def admit(self, account: Account, capabilities: Capabilities, to: Address) -> float:
        """0.0 when the next send may begin; else in how many seconds to ask again."""
        limits = limits_of(account, capabilities, to)
        if not limits:
            return 0.0
        self._waiting += 1
        try:
            patience = PATIENCE_SECONDS if self._waiting <= self._places else 0.0
            decision = await self._limiter.allow_all(limits, patience_seconds=patience)
            if not decision.allowed:
                if decision.slowest != _account_key(account, to):
                    return decision.retry_after
                return self._return_in(*limits[0], decision.retry_after)
            if decision.retry_after:
                await asyncio.sleep(decision.retry_after)
        finally:
            self._waiting -= 1
        return 0.0

    async def rest(
        self, account: Account, capabilities: Capabilities, to: Address, error: ChannelError
    ) -> None:
        """Tell all workers that the platform wants a pause, of the account or of this chat."""
        limits = limits_of(account, capabilities, to)
        wanted = _account_key(account, to) if error.scope == "channel" else _chat_key(account, to)
        for key, rate in limits:
            if key == wanted and error.retry_after:
                await self._limiter.rest(key, rate, error.retry_after)

    def _return_in(self, key: str, rate: Rate, wait: float) -> float:
        now = time.monotonic()
        at = max(now + wait, self._returns.get(key, 0.0))
        if at > now + wait + MAX_RETURN_SECONDS:
            return wait + random.uniform(0, MAX_RETURN_SECONDS)  # noqa: S311
        if len(self._returns) >= MAX_ACCOUNTS:
            self._returns = {k: t for k, t in self._returns.items() if t > now}
        self._returns[key] = at + 1 / rate.per_second
        return at - now


def limits_of(account: Account, capabilities: Capabilities, to: Address) -> Limits:
    """What a send to this address needs a token of; the account's own limit comes first."""
    name = "conversation" if to.is_private else "group"
    rates = rates_of(account.settings, capabilities)
    wanted = ((_account_key(account, to), rates["account"]), (_chat_key(account, to), rates[name]))
    return [(key, rate) for key, rate in wanted if rate is not None and rate.per_second > 0]


def rates_of(settings: Mapping[str, Any], capabilities: Capabilities) -> dict[str, Rate | None]:
    """The channel's rates, each as its creator set it, else as the platform has it."""
    own: Mapping[str, Any] = settings.get("rates") or {}
    rates: dict[str, Rate | None] = {
        "account": capabilities.account_rate,
        "conversation": capabilities.conversation_rate,
        "group": capabilities.group_rate,
    }
    for name, rate in rates.items():
        if name in own:
            rates[name] = Rate(per_second=float(own[name]), burst=rate.burst if rate else 1)
    return rates


def check_rates(settings: Mapping[str, Any]) -> None:
    """Raise InvalidInput unless `rates`, where given, are sends a second by name; 0: no limit."""
    rates = settings.get("rates", {})
    if not isinstance(rates, Mapping) or not set(rates) <= set(_NAMES):
        raise InvalidInput(f"rates may hold {', '.join(_NAMES)}.")
    for name, rate in rates.items():
        is_number = isinstance(rate, int | float) and not isinstance(rate, bool)
        if not is_number or not math.isfinite(rate) or not 0 <= rate <= MAX_PER_SECOND:
            raise InvalidInput(f"rates.{name} must be sends a second, 0 to {MAX_PER_SECOND:.0f}.")


def _account_key(account: Account, to: Address) -> str:
    space = (to.space,) if to.space else ()
    return keys.pace(account.creator_id, account.channel_id, "account", *space)


def _chat_key(account: Account, to: Address) -> str:
    space = (to.space,) if to.space else ()
    return keys.pace(account.creator_id, account.channel_id, "chat", *space, to.chat)
