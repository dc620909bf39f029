"""Links that end messages of one purpose with a click, also for who is no contact any more.

A link's token names a person by the hash that their wish is kept under: it tells nobody who they
are, works as long as one of the keys that it may be signed with is known, and never runs out.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass
from uuid import UUID

from core.consent import find_person
from shared.database import PgConnection
from shared.errors import NotFound
from shared.models.consents import Person, find_by_hash
from shared.security import KeyRing

_PURPOSE = "unsubscribe-link"
_MAC_BYTES = 16
_HASH_BYTES = 32
MAX_CHARACTERS = 600


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a link is for: whose messages about what end with it."""

    creator_id: UUID
    scope: str
    address_hash: bytes
    purpose: str


def link(keys: KeyRing, base_url: str, person: Person, purpose: str) -> str:
    """The address of the page that ends messages of this purpose."""
    creator_id, scope, hashed = person.key
    wish = Wish(creator_id=creator_id, scope=scope, address_hash=hashed, purpose=purpose)
    return f"{base_url.rstrip('/')}/u/{sign(keys, wish)}"


def sign(keys: KeyRing, wish: Wish) -> str:
    names = f"{wish.scope}\n{wish.purpose}".encode()
    body = wish.creator_id.bytes + wish.address_hash + names
    return base64.urlsafe_b64encode(_mac(keys.derive(_PURPOSE), body) + body).rstrip(b"=").decode()


def read(keys: KeyRing, token: str) -> Wish:
    """Raises NotFound for what we didn't sign."""
    try:
        if len(token) > MAX_CHARACTERS:
            raise ValueError
        data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise NotFound from None
    mac, body = data[:_MAC_BYTES], data[_MAC_BYTES:]
    if not any(hmac.compare_digest(_mac(key, body), mac) for key in keys.derive_all(_PURPOSE)):
        raise NotFound
    scope, _, purpose = body[16 + _HASH_BYTES :].decode().partition("\n")
    return Wish(
        creator_id=UUID(bytes=body[:16]),
        scope=scope,
        address_hash=body[16 : 16 + _HASH_BYTES],
        purpose=purpose,
    )


def _mac(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, body, "sha256")[:_MAC_BYTES]


async def find(connection: PgConnection, wish: Wish) -> Person:
    """Who clicked, with their contact if there still is one."""
    found = await find_by_hash(connection, wish.creator_id, wish.scope, wish.address_hash)
    if found is not None:
        channel_id, address = found
        person = await find_person(connection, wish.creator_id, channel_id, address)
        if person is not None:
            return person
    return Person(
        creator_id=wish.creator_id, scope=wish.scope, address="", hashed=wish.address_hash
    )
