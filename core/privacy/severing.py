"""Take a person out of what goes on: nothing more is sent, and who writes again is somebody new."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core.privacy.inventory import PRIVATE
from shared.database import PgConnection
from shared.markdown import escape
from shared.models import broadcasts

# Shorter ones stand in too many words by chance.
SHORTEST_NEEDLE = 4

_NAMES = """
SELECT name FROM app.contacts WHERE creator_id = $1 AND id = ANY ($2::uuid[]) ORDER BY id FOR UPDATE
"""
_ADDRESSES = """
SELECT channel_id, address FROM app.contact_identities
WHERE creator_id = $1 AND contact_id = ANY ($2::uuid[]) ORDER BY id
"""
# Their conversations' locks come first: whoever accepts a message has committed it, or finds
# nobody. With the epochs, what is being thought or sent can't be written any more.
_CONVERSATIONS = f"""
WITH own AS (
  SELECT v.id, v.channel_id, v.address FROM app.ai_conversations v
  WHERE v.creator_id = $1 AND v.contact_id = ANY ($2::uuid[]) AND {PRIVATE}
  ORDER BY v.id FOR UPDATE
)
UPDATE app.ai_conversations v
SET key = 'erased:' || v.id, address = '{{"chat": "erased"}}', status = 'bot',
    inbound_due_at = NULL, lease_owner = NULL, lease_until = NULL, epoch = v.epoch + 1,
    outbound_due_at = NULL, delivery_owner = NULL, delivery_until = NULL,
    delivery_epoch = v.delivery_epoch + 1
FROM own WHERE v.creator_id = $1 AND v.id = own.id
RETURNING v.id, own.channel_id, own.address
"""  # noqa: S608 - constants of ours
_STOP_MESSAGES = """
UPDATE app.messages
SET status = CASE direction WHEN 'in' THEN 'ignored' ELSE 'canceled' END,
    error_code = 'contact_erased'
WHERE creator_id = $1 AND conversation_id = $2
  AND (direction = 'in' AND status = 'pending' OR direction = 'out' AND status = 'queued')
"""
_STOP_SENDS = """
UPDATE app.scheduled_sends SET state = 'cancelled', skip_reason = 'stopped', settled_at = now()
WHERE creator_id = $1 AND contact_id = ANY ($2::uuid[]) AND state IN ('waiting', 'claimed')
"""
_STOP_ENROLMENTS = """
UPDATE app.enrolments SET status = 'cancelled', reason = 'erased', ended_at = now(),
       updated_at = now()
WHERE creator_id = $1 AND contact_id = ANY ($2::uuid[]) AND status IN ('active', 'paused')
"""
_FORGET = """
DELETE FROM app.{table} WHERE creator_id = $1 AND {column} = ANY ($2::uuid[])
"""
_BLANK = """
UPDATE app.contacts SET name = '', memory = '{}', attributes = '{}', tags = '{}', locale = NULL,
       language = NULL, timezone = NULL, quiet_hours = NULL, preferred_channel_id = NULL,
       updated_at = now()
WHERE creator_id = $1 AND id = ANY ($2::uuid[])
"""
_LINKS = """
DELETE FROM app.contact_links
WHERE creator_id = $1 AND (from_contact = ANY ($2::uuid[]) OR to_contact = ANY ($2::uuid[]))
"""


@dataclass(frozen=True, kw_only=True)
class Severed:
    """What a person was known by: to be looked for, and to be forgotten with the erasure's end."""

    names: list[str]
    addresses: list[str]
    places: list[list[str]]  # (channel, space?, chat), as paces are kept

    @property
    def needles(self) -> list[str]:
        """What names the person in a text, as we would write it."""
        names = [name for name in self.names if len(name) >= SHORTEST_NEEDLE]
        written = {*names, *map(escape, names), *self.addresses}
        return sorted(word for word in written if len(word) >= SHORTEST_NEEDLE)


async def sever(
    db: PgConnection, creator_id: UUID, people: list[UUID]
) -> tuple[Severed, dict[str, int]]:
    """All of it with the caller's transaction; what went already, by table."""
    who = (creator_id, people)
    names = [row["name"] for row in await db.fetch(_NAMES, *who)]
    identities = await db.fetch(_ADDRESSES, *who)
    conversations = await db.fetch(_CONVERSATIONS, *who)
    for row in conversations:
        await db.execute(_STOP_MESSAGES, creator_id, row["id"])
    await db.execute(_STOP_SENDS, *who)
    await broadcasts.finish(db, creator_id)
    await db.execute(_STOP_ENROLMENTS, *who)
    counts = {"contact_links": number(await db.execute(_LINKS, *who))}
    for table in ("link_codes", "contact_identities"):
        sql = _FORGET.format(table=table, column="contact_id")
        counts[table] = number(await db.execute(sql, *who))
    await db.execute(_BLANK, *who)
    severed = Severed(
        names=[name for name in names if name],
        addresses=sorted({row["address"] for row in identities}),
        places=[_place(row) for row in conversations],
    )
    return severed, counts


def _place(row: Any) -> list[str]:
    address = row["address"]
    space = (address["space"],) if address.get("space") else ()
    return [str(row["channel_id"]), *space, address["chat"]]


def number(tag: str) -> int:
    """How many rows a statement's tag tells of."""
    return int(tag.rsplit(" ", 1)[-1])
