"""Every Redis key and channel, made in one place. The tenant always comes first."""

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
