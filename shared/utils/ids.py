"""Identifiers: time-ordered UUIDs, and ones derived from another so that a repeat is the same."""

import hashlib
import secrets
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

_TIMESTAMP_BITS = 80  # below the 48 bits of Unix milliseconds of a version 7 UUID (RFC 9562)


def new_id() -> UUID:
    """A version 7 UUID: sorts by time, so it is also the partition key of messages."""
    return uuid7()


def derived_id(parent: UUID, label: str) -> UUID:
    """The same version 7 UUID for the same parent and label, in the parent's month.

    A turn that is thought twice writes its replies under the same ids, so the primary key
    refuses the second copy.
    """
    digest = int.from_bytes(hashlib.sha256(parent.bytes + label.encode()).digest()[:10])
    value = (parent.int >> _TIMESTAMP_BITS << _TIMESTAMP_BITS) | digest
    value = value & ~(0xF << 76) | (0x7 << 76)  # version 7
    value = value & ~(0x3 << 62) | (0x2 << 62)  # RFC 9562 variant
    return UUID(int=value)


def new_token(bytes_count: int = 24) -> str:
    """An unguessable URL-safe name (route keys, API keys)."""
    return secrets.token_urlsafe(bytes_count)


def first_id(moment: datetime) -> UUID:
    """The smallest id of a moment: what was made earlier sorts before it."""
    return UUID(int=int(moment.timestamp() * 1000) << _TIMESTAMP_BITS)
