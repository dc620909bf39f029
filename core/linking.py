"""One person on several channels: `/link` gives a code on one, `/link CODE` joins the other to it.

The identity that used the code moves to the contact that asked for it, with its conversations;
messages stay as they are, so the cost doesn't grow with history. Both memories are united, and
programs, goals and check-ins go along once nothing is left behind. Every link can be taken back.
"""

import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from core.audit import contact_actor, note
from core.programs.merging import merge_programs
from shared.cache import keys as redis_keys
from shared.cache.limits import RateLimiter
from shared.database import DatabaseManager, PgConnection, Record
from shared.errors import Conflict, NotFound
from shared.security import KeyRing
from shared.utils.clock import utc_now
from shared.utils.ids import derived_id
from shared.utils.merge import united

ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # nothing that looks like something else
CODE_LENGTH = 8  # 31^8 codes, of which a guesser meets at most five each minute
CODE_MINUTES = 15
MAX_OPEN = 5  # codes of one contact
CONTACT_GUESSES = 5  # at once; then one each minute
CREATOR_GUESSES = 100  # at once; then one each second

# The newest stay open; codes that ran out go with them.
_ADD_CODE = """
WITH gone AS (
  DELETE FROM app.link_codes WHERE creator_id = $1 AND contact_id = $3
    AND (expires_at <= now() OR digest NOT IN (
      SELECT digest FROM app.link_codes WHERE creator_id = $1 AND contact_id = $3
      ORDER BY created_at DESC, digest LIMIT $4 - 1))
)
INSERT INTO app.link_codes (creator_id, digest, contact_id, expires_at)
VALUES ($1, $2, $3, now() + make_interval(mins => $5))
"""
# Of two who use one code at once, one finds the row gone.
_TAKE_CODE = """
DELETE FROM app.link_codes
WHERE creator_id = $1 AND digest = $2 AND expires_at > now() AND contact_id <> $3
RETURNING contact_id
"""
_IDENTITY = """
SELECT id FROM app.contact_identities
WHERE creator_id = $1 AND channel_id = $2 AND address = $3 AND contact_id = $4 FOR UPDATE
"""
_MOVE_CONVERSATIONS = """
WITH moved AS (
  UPDATE app.ai_conversations v SET contact_id = $4 FROM app.contact_identities i
  WHERE i.creator_id = $1 AND i.id = $2 AND v.creator_id = $1 AND v.contact_id = $3
    AND v.channel_id = i.channel_id AND v.address ->> 'person' = i.address
  RETURNING v.id
)
-- What waits to be answered is answered with the memory that it now belongs to.
UPDATE app.messages SET contact_id = $4
WHERE creator_id = $1 AND conversation_id IN (SELECT id FROM moved) AND contact_id = $3
  AND direction = 'in' AND status = 'pending'
"""
_MOVE_IDENTITY = """
UPDATE app.contact_identities SET contact_id = $3 WHERE creator_id = $1 AND id = $2
"""
# In one order everywhere, so that two links of the same people never wait for each other.
_CONTACTS = """
SELECT id, name, locale, language, timezone, memory FROM app.contacts
WHERE creator_id = $1 AND id = ANY ($2::uuid[]) ORDER BY id FOR UPDATE
"""
_UNITE = """
UPDATE app.contacts
SET memory = $3, name = $4, locale = $5, language = $6, timezone = $7, updated_at = now()
WHERE creator_id = $1 AND id = $2
"""
_END_EARLIER = """
UPDATE app.contact_links SET undone_at = now()
WHERE creator_id = $1 AND identity_id = $2 AND undone_at IS NULL
"""
_ADD_LINK = """
INSERT INTO app.contact_links (creator_id, id, identity_id, from_contact, to_contact, set_aside)
VALUES ($1, $2, $3, $4, $5, $6)
"""
_LAST_LINK = """
SELECT id FROM app.contact_links WHERE creator_id = $1 AND to_contact = $2 AND undone_at IS NULL
ORDER BY linked_at DESC, id DESC LIMIT 1
"""
_LINK = """
SELECT identity_id, from_contact, undone_at FROM app.contact_links
WHERE creator_id = $1 AND id = $2 AND to_contact = $3 FOR UPDATE
"""
_UNDO = "UPDATE app.contact_links SET undone_at = now() WHERE creator_id = $1 AND id = $2"


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A code as somebody wrote it: who, on which channel, by which message."""

    creator_id: UUID
    contact_id: UUID
    channel_id: UUID
    address: str
    message_id: UUID
    code: str
    at: datetime = field(default_factory=utc_now)  # by the clock that programs go by


def new_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))


class Linking:
    """Gives codes, uses them, takes links back. Everything is bound to one creator."""

    def __init__(self, *, database: DatabaseManager, limiter: RateLimiter, keys: KeyRing) -> None:
        self._database = database
        self._limiter = limiter
        self._keys = keys

    async def add_code(
        self, connection: PgConnection, creator_id: UUID, contact_id: UUID, code: str
    ) -> None:
        """Make a code valid, with the caller's transaction."""
        await connection.execute(
            _ADD_CODE,
            creator_id,
            self._digest(creator_id, code),
            contact_id,
            MAX_OPEN,
            CODE_MINUTES,
        )

    async def redeem(self, attempt: Attempt) -> bool:
        """Join the writer's identity to the code's contact; the same message does it once.

        False for every other code: unknown, used, out of time, one's own, another creator's, or
        one guess too many.
        """
        link_id = derived_id(attempt.message_id, "link")
        async with self._database.transaction(attempt.creator_id) as connection:
            if await _is_made(connection, attempt.creator_id, link_id):
                return True
        if not await self._may_guess(attempt):
            return False
        async with self._database.transaction(attempt.creator_id) as connection:
            to_contact = await connection.fetchval(
                _TAKE_CODE,
                attempt.creator_id,
                self._digest(attempt.creator_id, attempt.code),
                attempt.contact_id,
            )
            return to_contact is not None and await _join(connection, attempt, link_id, to_contact)

    async def last_link(self, creator_id: UUID, contact_id: UUID) -> UUID | None:
        """The newest link that brought an identity to this contact."""
        async with self._database.transaction(creator_id) as connection:
            found: UUID | None = await connection.fetchval(_LAST_LINK, creator_id, contact_id)
        return found

    async def _may_guess(self, attempt: Attempt) -> bool:
        for subject, rate, burst in (
            (f"link:{attempt.contact_id}", 1 / 60, CONTACT_GUESSES),
            ("link", 1.0, CREATOR_GUESSES),
        ):
            key = redis_keys.rate(attempt.creator_id, subject)
            decision = await self._limiter.allow(key, rate_per_second=rate, burst=burst)
            if not decision.allowed:
                return False
        return True

    def _digest(self, creator_id: UUID, code: str) -> bytes:
        # Keyed: so few codes could be tried out against a stolen table.
        plain = re.sub(r"[\s-]", "", code).upper()[: CODE_LENGTH * 2]
        message = creator_id.bytes + plain.encode(errors="replace")
        return hmac.digest(self._keys.derive("link-codes"), message, sha256)


async def _is_made(connection: PgConnection, creator_id: UUID, link_id: UUID) -> bool:
    sql = "SELECT true FROM app.contact_links WHERE creator_id = $1 AND id = $2"
    return bool(await connection.fetchval(sql, creator_id, link_id))


async def _join(
    connection: PgConnection, attempt: Attempt, link_id: UUID, to_contact: UUID
) -> bool:
    creator_id, from_contact = attempt.creator_id, attempt.contact_id
    identity_id = await connection.fetchval(
        _IDENTITY, creator_id, attempt.channel_id, attempt.address, from_contact
    )
    if identity_id is None:
        return False
    await _move(connection, creator_id, identity_id, from_contact, to_contact)
    set_aside = await _unite(connection, creator_id, from_contact, to_contact)
    await merge_programs(connection, creator_id, from_contact, to_contact, attempt.at)
    await connection.execute(_END_EARLIER, creator_id, identity_id)
    await connection.execute(
        _ADD_LINK, creator_id, link_id, identity_id, from_contact, to_contact, set_aside
    )
    await note(
        connection,
        creator_id,
        actor=contact_actor(from_contact),
        action="contact.linked",
        target=to_contact,
        link_id=str(link_id),
        identity_id=str(identity_id),
        from_contact=str(from_contact),
    )
    return True


async def _move(
    connection: PgConnection, creator_id: UUID, identity_id: UUID, old: UUID, new: UUID
) -> None:
    await connection.execute(_MOVE_CONVERSATIONS, creator_id, identity_id, old, new)
    await connection.execute(_MOVE_IDENTITY, creator_id, identity_id, new)


async def _unite(
    connection: PgConnection, creator_id: UUID, from_contact: UUID, to_contact: UUID
) -> dict[str, object]:
    """Give `to_contact` what both know; what stands back against the older one's values.

    The contact that is left keeps its own memory: taking the link back finds it as it was.
    """
    rows = await connection.fetch(_CONTACTS, creator_id, [from_contact, to_contact])
    older, newer = rows  # ids begin with the time at which they were made
    merged, set_aside = united(older["memory"], newer["memory"])
    await connection.execute(
        _UNITE,
        creator_id,
        to_contact,
        merged,
        *(_first(field, older, newer) for field in ("name", "locale", "language", "timezone")),
    )
    return set_aside


def _first(field: str, older: Record, newer: Record) -> str | None:
    value: str | None = older[field] or newer[field]
    return value


async def unlink(
    connection: PgConnection, creator_id: UUID, contact_id: UUID, link_id: UUID, *, actor: str
) -> None:
    """Move an identity back to the contact it came from. What both know stays with both.

    Raises NotFound for a link that isn't this contact's, Conflict for one that was taken back.
    """
    link = await connection.fetchrow(_LINK, creator_id, link_id, contact_id)
    if link is None:
        raise NotFound("no link of this contact with this id")
    if link["undone_at"] is not None:
        raise Conflict("this link was taken back before")
    identity_id, from_contact = link["identity_id"], link["from_contact"]
    await _move(connection, creator_id, identity_id, contact_id, from_contact)
    await connection.execute(_UNDO, creator_id, link_id)
    await note(
        connection,
        creator_id,
        actor=actor,
        action="contact.unlinked",
        target=contact_id,
        link_id=str(link_id),
        identity_id=str(identity_id),
        from_contact=str(from_contact),
    )
