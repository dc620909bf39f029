"""Every Redis key and channel, made in one place. The tenant always comes first.

One kind has no tenant: a breaker is about a model on a host that all tenants share, and its value
holds counts and times only.
"""

import hashlib
from uuid import UUID

# Keeps a pub/sub connection subscribed while nobody reads; carries nothing.
IDLE = "cairn:idle"


def live(creator_id: UUID, conversation_id: UUID) -> str:
    """The channel on which a conversation's wake-ups and deltas travel."""
    return f"{creator_id}:live:{conversation_id}"


def rate(creator_id: UUID, subject: str) -> str:
    """The rate limit state of a subject (a visitor, an address, a channel) of a creator."""
    return f"{creator_id}:rate:{subject}"


def pace(creator_id: UUID, channel_id: UUID, *place: str) -> str:
    """How fast a channel may send: as a whole, in one space of it, or to one chat."""
    return ":".join((str(creator_id), "pace", str(channel_id), *place))


def breaker(host: str, model: str) -> str:
    """How a model on a host fares; hashed, since an address is nobody's business here."""
    digest = hashlib.sha256(f"{host}\n{model}".encode()).hexdigest()
    return f"cairn:breaker:{digest[:32]}"
