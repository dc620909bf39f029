"""Conversations that a person should take: opened, taken, answered, given back, closed.

A conversation has at most one open ticket, and its `status` tells who answers: `bot`, `queued` (the
bot until somebody comes), `human` (a person alone), `returned` (the bot again).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from core.audit import note
from shared.database import PgConnection, Record
from shared.errors import Conflict, NotFound
from shared.utils.ids import new_id

Reason = Literal["asked", "crisis", "step", "reply", "silence", "rule", "coach"]
State = Literal["queued", "human", "returned", "closed"]

MAX_DETAIL = 300

# One that is raised and was late already has its time anew, and may be late once more.
_OPEN = """
WITH opened AS (
  INSERT INTO app.tickets (creator_id, id, conversation_id, contact_id, reason, detail, is_urgent,
                           message_id, opened_at, respond_by)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
  ON CONFLICT (creator_id, conversation_id) WHERE state IN ('queued', 'human') DO UPDATE
  SET is_urgent = tickets.is_urgent OR excluded.is_urgent,
      reason = CASE WHEN excluded.is_urgent THEN excluded.reason ELSE tickets.reason END,
      detail = CASE WHEN excluded.is_urgent THEN excluded.detail ELSE tickets.detail END,
      message_id = CASE WHEN excluded.is_urgent THEN excluded.message_id
                        ELSE tickets.message_id END,
      respond_by = CASE WHEN excluded.is_urgent > tickets.is_urgent
                         AND tickets.overdue_at IS NOT NULL THEN excluded.respond_by
                        ELSE least(tickets.respond_by, excluded.respond_by) END,
      overdue_at = CASE WHEN excluded.is_urgent > tickets.is_urgent THEN NULL
                        ELSE tickets.overdue_at END,
      updated_at = now()
  RETURNING id, state
), queued AS (
  UPDATE app.ai_conversations SET status = 'queued'
  WHERE creator_id = $1 AND id = $3 AND status IN ('bot', 'returned')
    AND (SELECT state FROM opened) = 'queued'
)
SELECT id FROM opened
"""
# Of two causes at once, the second waits here and sees what the first has opened.
_STANDING = """
SELECT is_urgent FROM app.tickets
WHERE creator_id = $1 AND conversation_id = $2 AND state IN ('queued', 'human') FOR UPDATE
"""
_LOCK = "SELECT * FROM app.tickets WHERE creator_id = $1 AND id = $2 FOR UPDATE"
_TAKE = """
UPDATE app.tickets SET state = 'human', taken_by = $3, updated_at = now()
WHERE creator_id = $1 AND id = $2
"""
_END = """
UPDATE app.tickets SET state = $3, closed_at = $4, updated_at = now()
WHERE creator_id = $1 AND id = $2
"""
_OWNER = """
UPDATE app.ai_conversations SET status = $3 WHERE creator_id = $1 AND id = $2 RETURNING contact_id
"""
# What waited for a person to end the talk is due at once. After `_OWNER`: a scheduler that puts
# something off at this moment holds the conversation, or sees that it was given back.
_WAKE = """
UPDATE app.scheduled_sends SET due_at = $3
WHERE creator_id = $1 AND id IN (
  SELECT id FROM app.scheduled_sends WHERE creator_id = $1 AND contact_id = $2
    AND state = 'waiting' AND defer_reason = 'human' AND due_at > $3 FOR UPDATE SKIP LOCKED)
"""
_NOTE = """
INSERT INTO app.ticket_notes (creator_id, id, ticket_id, actor, text, at)
VALUES ($1, $2, $3, $4, $5, $6)
"""
# Whoever writes to the contact has the conversation from then on.
_ANSWERED = """
WITH answered AS (
  UPDATE app.tickets SET answered_at = coalesce(answered_at, $4), state = 'human',
         taken_by = coalesce(taken_by, $3), updated_at = now()
  WHERE creator_id = $1 AND conversation_id = $2 AND state IN ('queued', 'human')
  RETURNING conversation_id
)
UPDATE app.ai_conversations SET status = 'human'
WHERE creator_id = $1 AND id = (SELECT conversation_id FROM answered)
"""
_OF_CONVERSATION = """
SELECT id FROM app.tickets
WHERE creator_id = $1 AND conversation_id = $2 AND state IN ('queued', 'human')
"""
_OVERDUE = """
UPDATE app.tickets SET overdue_at = $3, updated_at = now()
WHERE creator_id = $1 AND id = $2 AND state = 'queued' AND overdue_at IS NULL AND respond_by <= $3
RETURNING *
"""


class TicketTaken(Conflict):
    """Somebody else has this ticket."""

    code = "ticket_taken"


class TicketClosed(Conflict):
    """This ticket is closed."""

    code = "ticket_closed"


@dataclass(frozen=True, kw_only=True)
class Opening:
    """Why a person is needed in a conversation, and how soon."""

    conversation_id: UUID
    contact_id: UUID
    reason: Reason
    detail: str = ""
    is_urgent: bool = False
    message_id: UUID | None = None
    respond_within: timedelta | None = None


@dataclass(frozen=True, kw_only=True)
class Ticket:
    id: UUID
    conversation_id: UUID
    contact_id: UUID
    state: State
    reason: Reason
    detail: str
    is_urgent: bool
    taken_by: str | None
    respond_by: datetime | None


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A conversation's open ticket: a new one, or one that an urgent cause has made urgent."""

    id: UUID
    is_new: bool
    is_raised: bool = False


async def open_ticket(
    connection: PgConnection, creator_id: UUID, opening: Opening, now: datetime
) -> Opened:
    """Open a ticket, or find the open one; an urgent cause makes that urgent."""
    standing = await connection.fetchval(_STANDING, creator_id, opening.conversation_id)
    ticket_id = new_id()
    respond_by = now + opening.respond_within if opening.respond_within else None
    found: UUID = await connection.fetchval(
        _OPEN,
        creator_id,
        ticket_id,
        opening.conversation_id,
        opening.contact_id,
        opening.reason,
        opening.detail[:MAX_DETAIL],
        opening.is_urgent,
        opening.message_id,
        now,
        respond_by,
    )
    is_raised = opening.is_urgent and standing is False
    return Opened(id=found, is_new=found == ticket_id, is_raised=is_raised)


async def take(connection: PgConnection, creator_id: UUID, ticket_id: UUID, actor: str) -> Ticket:
    """Give a ticket to a person: the bot is silent until it is given back.

    Raises TicketTaken or TicketClosed.
    """
    ticket = await _open(connection, creator_id, ticket_id)
    if ticket.state == "human" and ticket.taken_by != actor:
        raise TicketTaken(f"Somebody else has this ticket: {ticket.taken_by}.")
    await connection.execute(_TAKE, creator_id, ticket_id, actor)
    await connection.execute(_OWNER, creator_id, ticket.conversation_id, "human")
    await note(connection, creator_id, actor=actor, action="ticket.taken", target=ticket_id)
    return await get(connection, creator_id, ticket_id)


async def give_back(
    connection: PgConnection, creator_id: UUID, ticket_id: UUID, actor: str, now: datetime
) -> Ticket:
    """Let the bot answer again. Raises TicketClosed."""
    return await _end(connection, creator_id, ticket_id, actor, now, "returned", "returned")


async def close(
    connection: PgConnection, creator_id: UUID, ticket_id: UUID, actor: str, now: datetime
) -> Ticket:
    """Nothing more to do, for a person or about this cause. Raises TicketClosed."""
    return await _end(connection, creator_id, ticket_id, actor, now, "closed", "bot")


async def give_back_conversation(
    connection: PgConnection, creator_id: UUID, conversation_id: UUID, actor: str, now: datetime
) -> None:
    """Let the bot answer again, whether or not there was a ticket."""
    ticket_id = await connection.fetchval(_OF_CONVERSATION, creator_id, conversation_id)
    if ticket_id is not None:
        await give_back(connection, creator_id, ticket_id, actor, now)
    else:
        await _give_to_bot(connection, creator_id, conversation_id, now, "returned")


async def add_note(
    connection: PgConnection,
    creator_id: UUID,
    ticket_id: UUID,
    *,
    actor: str,
    text: str,
    now: datetime,
) -> UUID:
    """Write something down for the team; the contact never sees it. Raises NotFound."""
    await get(connection, creator_id, ticket_id)
    note_id = new_id()
    await connection.execute(_NOTE, creator_id, note_id, ticket_id, actor, text, now)
    return note_id


async def answered(
    connection: PgConnection, creator_id: UUID, conversation_id: UUID, actor: str, now: datetime
) -> None:
    """A person wrote to the contact: the ticket, if there is one, is theirs."""
    await connection.execute(_ANSWERED, creator_id, conversation_id, actor, now)


async def mark_overdue(
    connection: PgConnection, creator_id: UUID, ticket_id: UUID, now: datetime
) -> Ticket | None:
    """Note once that nobody came in time; None when somebody did."""
    row = await connection.fetchrow(_OVERDUE, creator_id, ticket_id, now)
    if row is None:
        return None
    await note(connection, creator_id, actor="system", action="ticket.overdue", target=ticket_id)
    return _ticket(row)


async def get(connection: PgConnection, creator_id: UUID, ticket_id: UUID) -> Ticket:
    """Raises NotFound, for another creator's too. The row stays locked."""
    row = await connection.fetchrow(_LOCK, creator_id, ticket_id)
    if row is None:
        raise NotFound("no such ticket")
    return _ticket(row)


async def _open(connection: PgConnection, creator_id: UUID, ticket_id: UUID) -> Ticket:
    ticket = await get(connection, creator_id, ticket_id)
    if ticket.state in ("returned", "closed"):
        raise TicketClosed
    return ticket


async def _end(
    connection: PgConnection,
    creator_id: UUID,
    ticket_id: UUID,
    actor: str,
    now: datetime,
    state: State,
    owner: str,
) -> Ticket:
    ticket = await _open(connection, creator_id, ticket_id)
    await connection.execute(_END, creator_id, ticket_id, state, now)
    await _give_to_bot(connection, creator_id, ticket.conversation_id, now, owner)
    await note(connection, creator_id, actor=actor, action=f"ticket.{state}", target=ticket_id)
    return await get(connection, creator_id, ticket_id)


async def _give_to_bot(
    connection: PgConnection, creator_id: UUID, conversation_id: UUID, now: datetime, owner: str
) -> None:
    contact_id = await connection.fetchval(_OWNER, creator_id, conversation_id, owner)
    await connection.execute(_WAKE, creator_id, contact_id, now)


def _ticket(row: Record | dict[str, Any]) -> Ticket:
    return Ticket(**{name: row[name] for name in Ticket.__dataclass_fields__})
