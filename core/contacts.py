"""Who wrote, and where: the conversation under a key and the contact behind a sender.

Both are made when they are new. In a room several people share a conversation; each message still
belongs to the contact who wrote it.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core.channels import Address, Sender
from shared.database import PgConnection, Record
from shared.utils.ids import new_id
from shared.utils.zones import is_language_tag, is_zone

_FIND = """
SELECT v.id, i.contact_id, i.agreed_at IS NULL AS is_new, c.name, c.locale, c.timezone
FROM app.ai_conversations v
LEFT JOIN app.contact_identities i
  ON i.creator_id = $1 AND i.channel_id = $2 AND i.address = $4
LEFT JOIN app.contacts c ON c.creator_id = $1 AND c.id = i.contact_id
WHERE v.creator_id = $1 AND v.channel_id = $2 AND v.key = $3
"""
# Who opted out stays out, should they be made anew.
_ADD_CONTACT = """
WITH identity AS (
  SELECT contact_id FROM app.contact_identities
  WHERE creator_id = $1 AND channel_id = $2 AND address = $3
), contact AS (
  INSERT INTO app.contacts (creator_id, id, name, locale, timezone)
  SELECT $1, $4, $5, $6, $9 WHERE NOT EXISTS (SELECT FROM identity) RETURNING id
), added AS (
  INSERT INTO app.contact_identities
    (creator_id, id, contact_id, channel_id, address, username, opted_out_at)
  SELECT $1, $7, id, $2, $3, $8, (
    SELECT now() FROM app.channels c JOIN app.opt_outs o ON o.creator_id = $1
      AND o.scope = c.type || '/' || c.bot AND o.purpose = '*'
      AND o.address_hash =
        sha256(convert_to(concat_ws('/', c.creator_id, c.type, c.bot, $3::text), 'UTF8'))
    WHERE c.creator_id = $1 AND c.id = $2)
  FROM contact RETURNING contact_id
)
SELECT contact_id FROM identity UNION ALL SELECT contact_id FROM added
"""
_ADD_CONVERSATION = """
INSERT INTO app.ai_conversations (creator_id, id, channel_id, contact_id, key, address)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (creator_id, channel_id, key) DO UPDATE SET address = excluded.address
RETURNING id
"""
# What a person, a coach or the person's own command has set is never overwritten.
_FILL = """
UPDATE app.contacts
SET name = CASE WHEN name = '' THEN $3 ELSE name END, locale = coalesce(locale, $4),
    timezone = coalesce(timezone, $5), updated_at = now()
WHERE creator_id = $1 AND id = $2
"""
_INTRODUCED = """
UPDATE app.contacts SET introduced_at = now() WHERE creator_id = $1 AND id = $2
"""


async def is_open(connection: PgConnection, creator_id: UUID, channel_id: UUID, key: str) -> bool:
    """Whether there is a conversation under this key."""
    return bool(
        await connection.fetchval(
            "SELECT true FROM app.ai_conversations"
            " WHERE creator_id = $1 AND channel_id = $2 AND key = $3",
            creator_id,
            channel_id,
            key,
        )
    )


@dataclass(frozen=True, kw_only=True)
class Met:
    """Where an event belongs. `is_new`: what their first message agrees to isn't noted yet."""

    conversation_id: UUID
    contact_id: UUID
    is_new: bool


async def find_or_add(
    connection: PgConnection,
    creator_id: UUID,
    channel_id: UUID,
    key: str,
    address: Address,
    sender: Sender,
) -> Met:
    """The conversation and the contact of an event's key and sender."""
    row = await connection.fetchrow(_FIND, creator_id, channel_id, key, sender.address)
    if row is not None and row["contact_id"] is not None:
        if _tells_more(sender, row):
            await fill(connection, creator_id, row["contact_id"], sender)
        return Met(conversation_id=row["id"], contact_id=row["contact_id"], is_new=row["is_new"])
    contact_id = await _add_contact(connection, creator_id, channel_id, sender)
    if row is not None:
        return Met(conversation_id=row["id"], contact_id=contact_id, is_new=True)
    conversation_id: UUID = await connection.fetchval(
        _ADD_CONVERSATION,
        creator_id,
        new_id(),
        channel_id,
        contact_id,
        key,
        address.model_dump(),
    )
    return Met(conversation_id=conversation_id, contact_id=contact_id, is_new=True)


async def _add_contact(
    connection: PgConnection, creator_id: UUID, channel_id: UUID, sender: Sender
) -> UUID:
    # Two first messages at once: the second waits here and then finds the first one's contact.
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"{channel_id}:{sender.address}"
    )
    contact_id: UUID = await connection.fetchval(
        _ADD_CONTACT,
        creator_id,
        channel_id,
        sender.address,
        new_id(),
        sender.name,
        locale_of(sender),
        new_id(),
        sender.username,
        timezone_of(sender),
    )
    return contact_id


async def fill(
    connection: PgConnection, creator_id: UUID, contact_id: UUID, sender: Sender
) -> None:
    """Give a contact what the platform tells and nobody has said otherwise."""
    await connection.execute(
        _FILL, creator_id, contact_id, sender.name, locale_of(sender), timezone_of(sender)
    )


async def introduce(
    connection: PgConnection, creator_id: UUID, contact_id: UUID, sender: Sender | None
) -> None:
    """Remember that the platform was asked about a contact, and what it said."""
    await connection.execute(_INTRODUCED, creator_id, contact_id)
    if sender is not None:
        await fill(connection, creator_id, contact_id, sender)


def locale_of(sender: Sender) -> str | None:
    """A language tag that is one; platforms write what people's devices claim."""
    tag = (sender.locale or "").replace("_", "-")
    return tag if is_language_tag(tag) else None


def timezone_of(sender: Sender) -> str | None:
    return sender.timezone if sender.timezone and is_zone(sender.timezone) else None


def _tells_more(sender: Sender, row: Record | dict[str, Any]) -> bool:
    return bool(
        (not row["name"] and sender.name)
        or (row["locale"] is None and locale_of(sender))
        or (row["timezone"] is None and timezone_of(sender))
    )
