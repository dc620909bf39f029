"""Apply events that need no turn: receipts, edits, blocks, opt-outs, moved chats."""

from datetime import datetime
from uuid import UUID

from core import consent, optout
from core.audit import contact_actor
from core.channels import (
    Account,
    ChannelEvent,
    ConversationMigrated,
    MembershipEvent,
    MessageDeleted,
    MessageEdited,
    MessageEvent,
    OptEvent,
    ReactionEvent,
    ReceiptEvent,
)
from core.installations import UNINSTALLED, revoke
from core.receipts import settle
from shared.database import PgConnection
from shared.models import consents
from shared.models.consents import ALL, Person, Said
from shared.utils.clock import utc_now

# An edit or a reaction is looked for in this many latest messages of its conversation.
RECENT_MESSAGES = 200

_REACHABLE = """
UPDATE app.contact_identities SET reachable = $4
WHERE creator_id = $1 AND channel_id = $2 AND address = $3
  AND reachable NOT IN ('opted_out', $4::text)
RETURNING true
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
    connection: PgConnection, event: ChannelEvent, key: str, account: Account, now: datetime
) -> None:
    """Change what is stored; an event about something unknown changes nothing."""
    where = (event.creator_id, event.channel_id)
    match event:
        case ReceiptEvent():
            await settle(connection, event)
        case MembershipEvent(change="blocked"):
            await _blocked(connection, event, "blocked", "withdrawn")
        case MembershipEvent(change="unblocked" | "joined"):
            await _blocked(connection, event, "yes", "granted")
        case MembershipEvent(change="uninstalled"):
            await revoke(connection, account, event.address.space, UNINSTALLED)
        case OptEvent(choice="out" | "in"):
            await _opt(connection, event, now)
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


async def note_first(connection: PgConnection, event: ChannelEvent, message_id: UUID) -> None:
    """Note what a person's first message to the bot agrees to; what it overhears, and a STOP,
    agree to nothing."""
    if isinstance(event, MessageEvent) and (event.overheard or optout.is_stop(event.text)):
        return
    person = await _person(connection, event)
    if person is not None:
        said = Said(
            source="start",
            actor=_actor(person),
            at=event.occurred_at,
            evidence={"message_id": str(message_id)},
        )
        await consent.begin(connection, person, said)


async def _opt(connection: PgConnection, event: OptEvent, now: datetime) -> None:
    """The platform's own STOP and START, also of somebody who is no contact (yet).

    A START of who had never left agrees to texts, where that takes an explicit yes.
    """
    person = await _person(connection, event)
    if person is None:
        return
    said = _by_platform(person, event, event.choice, now)
    if event.choice == "out":
        await consent.withdraw(connection, person, [ALL], said)
        return
    was_out = ALL in await consents.refused(connection, person)
    await consent.resume(connection, person, said)
    if not was_out:
        await consent.offer(connection, person, consent.grants_by_word(person.channel_type), said)


async def _blocked(
    connection: PgConnection, event: MembershipEvent, state: str, action: consents.Action
) -> None:
    """Who blocks us isn't reached; what they agreed to stands for when they let us in again."""
    where = (event.creator_id, event.channel_id, event.sender.address)
    if not await connection.fetchval(_REACHABLE, *where, state):
        return
    person = await _person(connection, event)
    if person is not None:
        said = _by_platform(person, event, event.change, event.occurred_at)
        await consents.add_events(connection, person, [ALL], action, said)


async def _person(connection: PgConnection, event: ChannelEvent) -> Person | None:
    return await consent.find_person(
        connection, event.creator_id, event.channel_id, event.sender.address
    )


def _by_platform(person: Person, event: ChannelEvent, change: str, now: datetime) -> Said:
    return Said(
        source="platform",
        actor=_actor(person),
        at=event.occurred_at,
        evidence={"event": event.external_id, "change": change},
        noted_at=now,
    )


def _actor(person: Person) -> str:
    return contact_actor(person.contact_id) if person.contact_id else "platform"


async def set_reachable(
    connection: PgConnection, creator_id: UUID, channel_id: UUID, address: str, state: str
) -> None:
    """Remember whether this person can be written to; only they end an opt-out."""
    if state != "opted_out":
        await connection.execute(_REACHABLE, creator_id, channel_id, address, state)
        return
    person = await consent.find_person(connection, creator_id, channel_id, address)
    if person is not None:
        said = _refused_by_platform(person, utc_now())
        await consent.withdraw(connection, person, [ALL], said)


def _refused_by_platform(person: Person, at: datetime) -> Said:
    """A send was refused because they had opted out there: when and how isn't told."""
    return Said(source="platform", actor=_actor(person), at=at, evidence={"change": "refused"})


async def move(
    connection: PgConnection, creator_id: UUID, channel_id: UUID, key: str, new_chat: str
) -> None:
    """Give a conversation its platform's new address; its key too, unless another has that."""
    new_key = key.replace(key.split(":", 1)[0], new_chat, 1)
    await connection.execute(_MOVE, creator_id, channel_id, key, new_key, new_chat)
