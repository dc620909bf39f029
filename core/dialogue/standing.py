"""Apply events that need no turn: receipts, edits, blocks, opt-outs, moved chats."""

from uuid import UUID

from core.channels import (
    Account,
    ChannelEvent,
    ConversationMigrated,
    MembershipEvent,
    MessageDeleted,
    MessageEdited,
    OptEvent,
    ReactionEvent,
    ReceiptEvent,
)
from core.installations import UNINSTALLED, revoke
from core.optout import set_opted_out
from core.receipts import settle
from shared.database import PgConnection

# An edit or a reaction is looked for in this many latest messages of its conversation.
RECENT_MESSAGES = 200

_REACHABLE = """
UPDATE app.contact_identities SET reachable = $4
WHERE creator_id = $1 AND channel_id = $2 AND address = $3 AND reachable <> 'opted_out'
"""
_MOVE = """
UPDATE app.ai_conversations
SET address = jsonb_set(address, '{chat}', to_jsonb($5::text)),
    key = CASE WHEN EXISTS (SELECT FROM app.ai_conversations o
                            WHERE o.creator_id = $1 AND o.channel_id = $2 AND o.key = $4)
          THEN key ELSE $4 END
WHERE creator_id = $1 AND channel_id = $2 AND key = $3
"""
_RECENT = """
WITH recent AS (
  SELECT m.id FROM app.messages m JOIN app.ai_conversations c
    ON c.creator_id = m.creator_id AND c.id = m.conversation_id
  WHERE c.creator_id = $1 AND c.channel_id = $2 AND c.key = $3 AND m.seq > c.last_seq - $4
    AND (m.payload ->> 'message_external_id' = $5 OR $5 = ANY (m.provider_ids))
)
"""
_EDIT = _RECENT + """
UPDATE app.messages SET text = $6, payload = payload || jsonb_build_object('edited', true)
WHERE creator_id = $1 AND id IN (SELECT id FROM recent) AND direction = 'in'
"""  # noqa: S608 - constants only
_DELETE = _RECENT + """
UPDATE app.messages
SET text = '', payload = payload || jsonb_build_object('deleted', true),
    status = CASE status WHEN 'pending' THEN 'ignored' ELSE status END
WHERE creator_id = $1 AND id IN (SELECT id FROM recent) AND direction = 'in'
"""  # noqa: S608 - constants only
_REACT = _RECENT + """
UPDATE app.messages
SET payload = payload || jsonb_build_object('reaction', $6::text)
WHERE creator_id = $1 AND id IN (SELECT id FROM recent)
"""  # noqa: S608 - constants only


async def apply_event(
    connection: PgConnection, event: ChannelEvent, key: str, account: Account
) -> None:
    """Change what is stored; an event about something unknown changes nothing."""
    where = (event.creator_id, event.channel_id)
    match event:
        case ReceiptEvent():
            await settle(connection, event)
        case MembershipEvent(change="blocked"):
            await set_reachable(connection, *where, event.sender.address, "blocked")
        case MembershipEvent(change="unblocked" | "joined"):
            await set_reachable(connection, *where, event.sender.address, "yes")
        case MembershipEvent(change="uninstalled"):
            await revoke(connection, account, event.address.space, UNINSTALLED)
        case OptEvent(choice="out" | "in"):
            person, out = event.sender.address, event.choice == "out"
            await set_opted_out(connection, *where, person, out=out, by="platform")
        case ConversationMigrated():
            await move(connection, *where, key, event.new_chat)
        case MessageEdited():
            message = event.message_external_id
            await connection.execute(_EDIT, *where, key, RECENT_MESSAGES, message, event.text)
        case MessageDeleted():
            message = event.message_external_id
            await connection.execute(_DELETE, *where, key, RECENT_MESSAGES, message)
        case ReactionEvent():
            message = event.message_external_id
            await connection.execute(_REACT, *where, key, RECENT_MESSAGES, message, event.emoji)


async def set_reachable(
    connection: PgConnection, creator_id: UUID, channel_id: UUID, address: str, state: str
) -> None:
    """Remember whether this person can be written to; only they end an opt-out."""
    if state == "opted_out":
        await set_opted_out(connection, creator_id, channel_id, address, out=True, by="platform")
    else:
        await connection.execute(_REACHABLE, creator_id, channel_id, address, state)


async def move(
    connection: PgConnection, creator_id: UUID, channel_id: UUID, key: str, new_chat: str
) -> None:
    """Give a conversation its platform's new address; its key too, unless another has that."""
    new_key = key.replace(key.split(":", 1)[0], new_chat, 1)
    await connection.execute(_MOVE, creator_id, channel_id, key, new_key, new_chat)
