"""Links that end messages of one purpose with a click, also for who is no contact any more.

A link's token names a person by the hash that their wish is kept under: it tells nobody who they
are, works as long as one of the keys that it may be signed with is known, and never runs out.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass
from uuid import UUID

from core.consent import EXPLICIT_TYPES, find_person
from core.languages import in_language
from core.optout_texts import TEXTS
from shared.database import PgConnection
from shared.errors import NotFound
from shared.messages import Message
from shared.models.consents import Person, find_by_hash
from shared.security import KeyRing

_PURPOSE = "unsubscribe-link"
_MAC_BYTES = 16
_HASH_BYTES = 32
MAX_CHARACTERS = 600
_LANGUAGES = "SELECT language, locale FROM app.contacts WHERE creator_id = $1 AND id = $2"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a link is for: whose messages about what end with it."""

    creator_id: UUID
    scope: str
    address_hash: bytes
    purpose: str


class Links:
    """Ends messages with the link that ends them, where this installation has an address."""

    def __init__(self, keys: KeyRing, base_url: str) -> None:
        self._keys = keys
        self._base_url = base_url.rstrip("/")

    def of(self, person: Person, purpose: str) -> str:
        """The address of the page that ends messages of this purpose."""
        creator_id, scope, hashed = person.key
        wish = Wish(creator_id=creator_id, scope=scope, address_hash=hashed, purpose=purpose)
        return f"{self._base_url}/u/{sign(self._keys, wish)}"

    def ended(
        self, message: Message, person: Person, purpose: str, *locales: str | None
    ) -> Message:
        """The message with the link under it; as it is where a text says STOP instead."""
        if not self._base_url or person.channel_type in EXPLICIT_TYPES:
            return message
        label = in_language(TEXTS, *locales).link
        text = f"{message.text}\n\n[{label}]({self.of(person, purpose)})"
        return message.model_copy(update={"text": text})


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


async def languages_of(connection: PgConnection, person: Person) -> tuple[str | None, ...]:
    """Their own language, then their device's; none of who is no contact any more."""
    if person.contact_id is None:
        return ()
    row = await connection.fetchrow(_LANGUAGES, person.creator_id, person.contact_id)
    return (row["language"], row["locale"]) if row else ()
