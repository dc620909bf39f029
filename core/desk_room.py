"""The team's room: tickets are told there, and what is answered in a ticket's thread goes out.

The room is a chat of one of the creator's own channels, such as a channel in Slack.
"""

from uuid import UUID

from core.audit import note
from core.bots import Place, Post
from core.dialogue import posts
from core.policies import Room
from core.tickets import Opened
from shared.database import PgConnection, Record
from shared.markdown import escape
from shared.messages import Message
from shared.utils.ids import derived_id

_SHOWN = 300  # characters of what the contact said

_TICKET = """
SELECT t.id, t.reason, t.detail, t.is_urgent, t.contact_id, c.name, m.text, h.type AS channel
FROM app.tickets t
JOIN app.contacts c ON c.creator_id = t.creator_id AND c.id = t.contact_id
JOIN app.ai_conversations v ON v.creator_id = t.creator_id AND v.id = t.conversation_id
JOIN app.channels h ON h.creator_id = v.creator_id AND h.id = v.channel_id
LEFT JOIN app.messages m ON m.creator_id = t.creator_id AND m.id = t.message_id
WHERE t.creator_id = $1 AND t.id = $2
"""
_TOLD = "UPDATE app.tickets SET desk_message_id = $3 WHERE creator_id = $1 AND id = $2"
_IS_THERE = """
SELECT EXISTS (SELECT FROM app.channels WHERE creator_id = $1 AND id = $2 AND status = 'active')
"""
# A thread is named by the message that began it; its name came back when the message was sent.
_OF_THREAD = """
SELECT t.id FROM app.send_attempts a
JOIN app.tickets t ON t.creator_id = a.creator_id AND t.desk_message_id = a.message_id
WHERE a.creator_id = $1 AND a.channel_id = $2 AND a.provider_id = $3 LIMIT 1
"""
WHY = {
    "asked": "asked for a person",
    "crisis": "may be in danger",
    "step": "reached a step that needs a person",
    "reply": "answered a step that a person should see",
    "silence": "has been silent for long",
    "rule": "said something you want to see",
    "coach": "was put on the list",
}
HOW = (
    "Answer in this thread and it goes to them. `take`, `return`, `close` and `note …` are for "
    "the ticket alone."
)


async def tell_room(
    connection: PgConnection, creator_id: UUID, room: Room, ticket_id: UUID
) -> None:
    """Post a ticket in the team's room; nothing when its channel is gone."""
    row = await connection.fetchrow(_TICKET, creator_id, ticket_id)
    if row is None or not await connection.fetchval(_IS_THERE, creator_id, room.channel_id):
        return
    await _post(connection, creator_id, room, row, _announcement(row))
    await connection.execute(_TOLD, creator_id, ticket_id, derived_id(ticket_id, "post:1"))
    await note(connection, creator_id, actor="system", action="ticket.told", target=ticket_id)


async def tell_opened(
    connection: PgConnection, creator_id: UUID, room: Room | None, opened: Opened
) -> None:
    """Tell the room what is new: a ticket, or that one has become urgent."""
    if room is None:
        return
    if opened.is_new:
        await tell_room(connection, creator_id, room, opened.id)
    elif opened.is_raised:
        await _again(connection, creator_id, room, opened.id, repeat=2)


async def remind_room(
    connection: PgConnection, creator_id: UUID, room: Room, ticket_id: UUID
) -> None:
    """Say in the room that nobody came in time."""
    await _again(connection, creator_id, room, ticket_id)


async def _again(
    connection: PgConnection,
    creator_id: UUID,
    room: Room,
    ticket_id: UUID,
    *,
    repeat: int | None = None,
) -> None:
    """Speak of a ticket once more, each time under a number of its own; a reminder without one.

    A ticket that was raised may be late twice: as it was, and as an urgent one.
    """
    row = await connection.fetchrow(_TICKET, creator_id, ticket_id)
    if row is None or not await connection.fetchval(_IS_THERE, creator_id, room.channel_id):
        return
    name = escape(row["name"]) or "Somebody"
    late = f"⏰ **{name}** still waits for a person ({row['channel']})."
    if repeat is not None:
        await _post(connection, creator_id, room, row, _announcement(row), repeat=repeat)
    else:
        await _post(connection, creator_id, room, row, late, repeat=3 if row["is_urgent"] else 1)


async def ticket_of_thread(
    connection: PgConnection, creator_id: UUID, channel_id: UUID, place: Place
) -> UUID | None:
    """The ticket whose announcement began this thread."""
    if place.is_private or place.thread is None:
        return None
    provider_id = f"{place.chat}:{place.thread}"
    found: UUID | None = await connection.fetchval(_OF_THREAD, creator_id, channel_id, provider_id)
    return found


def _announcement(row: Record) -> str:
    sign = "🚨 " if row["is_urgent"] else ""
    name = escape(row["name"]) or "Somebody"
    detail = f" ({escape(row['detail'])})" if row["detail"] else ""
    said = " ".join((row["text"] or "").split())
    shown = said if len(said) <= _SHOWN else said[: _SHOWN - 1] + "…"
    quoted = f"\n\n> {escape(shown)}" if shown else ""
    return f"{sign}**{name}** on {row['channel']} {WHY[row['reason']]}{detail}.{quoted}\n\n{HOW}"


async def _post(
    connection: PgConnection,
    creator_id: UUID,
    room: Room,
    row: Record,
    text: str,
    repeat: int = 0,
) -> None:
    author = posts.Author(
        creator_id=creator_id,
        message_id=row["id"],
        channel_id=room.channel_id,
        contact_id=row["contact_id"],
        retries=repeat,
    )
    place = Place(chat=room.chat, space=room.space)
    post = Post(place=place, message=Message(text=text))
    await posts.write_posts(connection, author, [post], push=True)
