"""Whether somebody may be written to first: what they agreed to, and what they took back.

A wish counts for one kind of channel with one bot. STOP refuses everything there; START brings
back what had been agreed to, and nothing else.
"""

from collections.abc import Sequence
from typing import Literal

from core.policies import Policy
from shared.database import PgConnection
from shared.models.consents import (
    ALL,
    Asked,
    Person,
    Said,
    Standing,
    address_hash,
    agree,
    refuse,
    standing,
    unrefuse,
)

COACHING, REMINDER, BROADCAST = "coaching", "reminder", "broadcast"

# Who opens a bot there asked for it. A phone number is only written to after an explicit yes.
EXPLICIT_TYPES = frozenset({"sms"})
GRANTED_BY_START = (COACHING, REMINDER)

Refusal = Literal["opted_out", "no_consent"]


def scope_of(type_: str, bot: str) -> str:
    """What a wish counts for: channels of one type with one bot."""
    return f"{type_}/{bot}"


def grants_by_start(type_: str) -> tuple[str, ...]:
    """What writing first agrees to on a type of channel."""
    return () if type_ in EXPLICIT_TYPES else GRANTED_BY_START


def refusal(found: Standing, *, type_: str, purpose: str, policy: Policy) -> Refusal | None:
    """Why this may not be sent; None when it may."""
    if found.is_out:
        return "opted_out"
    is_implied = (
        purpose == BROADCAST
        and policy.broadcast_consent == "implied"
        and type_ not in EXPLICIT_TYPES
    )
    return None if found.is_granted or is_implied else "no_consent"


async def grant(
    connection: PgConnection, person: Person, purposes: Sequence[str], said: Said
) -> None:
    """Note that somebody agrees to these purposes. Who said STOP stays out until START."""
    await agree(connection, person, purposes, said)


async def withdraw(
    connection: PgConnection, person: Person, purposes: Sequence[str], said: Said
) -> None:
    """Note that somebody takes these back; `*` is everything, as STOP means it."""
    await refuse(connection, person, purposes, said)


async def resume(connection: PgConnection, person: Person, said: Said) -> None:
    """Note that somebody ended their STOP."""
    await unrefuse(connection, person, said)


__all__ = [
    "ALL",
    "Asked",
    "Person",
    "Refusal",
    "Said",
    "Standing",
    "address_hash",
    "grant",
    "grants_by_start",
    "refusal",
    "resume",
    "scope_of",
    "standing",
    "withdraw",
]
