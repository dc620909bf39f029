"""The rows of answers that grow on a channel: written ahead, named, forgotten; and their pauses."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from core import leases
from core.channels import Address
from core.leases import Lease
from shared.database import DatabaseManager

Standing = Literal["new", "unnamed", "not_now"]

# Not while earlier messages still wait: what grows would stand before them.
_WRITE_AHEAD = """
INSERT INTO app.reply_streams (creator_id, message_id, conversation_id)
SELECT $1, $3, v.id FROM app.ai_conversations v
JOIN app.channels h ON h.creator_id = v.creator_id AND h.id = v.channel_id
WHERE v.creator_id = $1 AND v.id = $2 AND h.status = 'active'
  AND (h.blocked_until IS NULL OR h.blocked_until <= now())
  AND (v.outbound_due_at IS NULL OR v.outbound_due_at <= now())
  AND NOT EXISTS (
    SELECT FROM app.messages m WHERE m.creator_id = $1 AND m.conversation_id = $2
    AND m.direction = 'out' AND m.status IN ('queued', 'sending'))
  AND NOT EXISTS (
    SELECT FROM app.contact_identities i WHERE i.creator_id = $1 AND i.channel_id = v.channel_id
    AND i.address = $4 AND i.reachable <> 'yes')
ON CONFLICT (creator_id, message_id) DO NOTHING RETURNING 1
"""
_STANDING = "SELECT external_id FROM app.reply_streams WHERE creator_id = $1 AND message_id = $2"
_NAME = """
UPDATE app.reply_streams SET external_id = $3 WHERE creator_id = $1 AND message_id = $2
"""
_FORGET = """
DELETE FROM app.reply_streams WHERE creator_id = $1 AND message_id = $2 AND external_id IS NULL
"""
_MAY_CALL = """
SELECT EXISTS (
  SELECT FROM app.ai_conversations v
  JOIN app.channels h ON h.creator_id = v.creator_id AND h.id = v.channel_id
  WHERE v.creator_id = $1 AND v.id = $2 AND h.status = 'active'
    AND (h.blocked_until IS NULL OR h.blocked_until <= now())
    AND (v.outbound_due_at IS NULL OR v.outbound_due_at <= now()))
"""
_REST = """
UPDATE app.ai_conversations SET outbound_due_at = greatest(outbound_due_at, $3)
WHERE creator_id = $1 AND id = $2
"""
_BLOCK = """
UPDATE app.channels SET blocked_until = greatest(blocked_until, $3)
WHERE creator_id = $1 AND id = $2
"""


async def write_ahead(
    database: DatabaseManager, lease: Lease, message_id: UUID, to: Address
) -> tuple[Standing | None, str]:
    """Claim the right to show a reply's first words, or (None, the name of what already grows).

    "unnamed": a call went out whose answer nobody heard. Raises LeaseLost.
    """
    async with database.transaction(lease.creator_id) as connection:
        await leases.fence(connection, lease)
        row = await connection.fetchrow(_STANDING, lease.creator_id, message_id)
        if row is not None:
            name: str | None = row["external_id"]
            return (None, name) if name else ("unnamed", "")
        written = await connection.fetchval(
            _WRITE_AHEAD,
            lease.creator_id,
            lease.conversation_id,
            message_id,
            to.person if to.is_private else None,
        )
    return ("new" if written else "not_now"), ""


async def name(
    database: DatabaseManager, creator_id: UUID, message_id: UUID, external_id: str
) -> None:
    # Not fenced: it stands there, and only whoever began it knows its name.
    async with database.transaction(creator_id) as connection:
        await connection.execute(_NAME, creator_id, message_id, external_id)


async def forget(database: DatabaseManager, creator_id: UUID, message_id: UUID) -> None:
    """Of a first call that was surely refused: the next one may begin again."""
    async with database.transaction(creator_id) as connection:
        await connection.execute(_FORGET, creator_id, message_id)


async def may_call(database: DatabaseManager, lease: Lease) -> bool:
    """False while the channel is switched off, or while it or this conversation has to rest."""
    async with database.transaction(lease.creator_id) as connection:
        allowed: bool = await connection.fetchval(
            _MAY_CALL, lease.creator_id, lease.conversation_id
        )
    return allowed


async def rest(
    database: DatabaseManager, lease: Lease, channel_id: UUID | None, until: datetime
) -> None:
    """Let the outbox wait too: in this conversation, or with `channel_id` on the whole channel."""
    async with database.transaction(lease.creator_id) as connection:
        await leases.fence(connection, lease)
        await connection.execute(_REST, lease.creator_id, lease.conversation_id, until)
        if channel_id is not None:
            await connection.execute(_BLOCK, lease.creator_id, channel_id, until)
