"""Which people belong to a share of all: the same ones every time, in every process."""

import hashlib
from uuid import UUID


def in_share(contact_id: UUID | None, percent: int, *names: str) -> bool:
    """Whether a contact is among `percent` of all; other `names` draw other contacts.

    A growing share keeps whom it has. Nobody in particular (None) belongs to the whole only.
    """
    if percent >= 100 or contact_id is None:
        return percent >= 100
    digest = hashlib.sha256("\n".join((str(contact_id), *names)).encode()).digest()
    return int.from_bytes(digest[:8], "big") % 10_000 < percent * 100
