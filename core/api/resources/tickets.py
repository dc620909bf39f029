"""/api/v1/tickets: conversations that a person should take, and what the team did about them."""

from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from core import tickets
from core.api.deps import PrincipalDep, RuntimeDep, TenantDb
from core.api.paging import Cursor, Cursors, Limit, Page
from core.api.strict import Body, StrictRoute
from core.desk_room import tell_opened
from core.policies import load_policy
from core.runtime import Runtime
from core.tickets import Opening
from shared.errors import InvalidInput
from shared.models.conversations import Conversations
from shared.models.tickets import Tickets
from shared.utils.text import is_blank

router = APIRouter(prefix="/api/v1/tickets", tags=["tickets"], route_class=StrictRoute)

State = Literal["queued", "human", "returned", "closed"]
OPEN: tuple[State, ...] = ("queued", "human")


class TicketShown(BaseModel):
    """`queued`: nobody has it yet, and the bot still answers. `human`: `taken_by` has it, and the
    bot is silent. `overdue_at`: when nobody had come by `respond_by`."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    conversation_id: UUID
    contact_id: UUID
    state: str
    reason: str
    detail: str
    is_urgent: bool
    message_id: UUID | None
    taken_by: str | None
    opened_at: datetime
    respond_by: datetime | None
    answered_at: datetime | None
    overdue_at: datetime | None
    closed_at: datetime | None


class NoteShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    actor: str
    text: str
    at: datetime


class TicketDetails(TicketShown):
    notes: list[NoteShown]


class NewTicket(Body):
    conversation_id: UUID
    detail: str = Field("", max_length=tickets.MAX_DETAIL)
    is_urgent: bool = False


class NewNote(Body):
    text: str = Field(min_length=1, max_length=5000)


class Reply(Body):
    text: str = Field(max_length=8000, description="Markdown")


class ReplyAccepted(BaseModel):
    id: UUID


@router.get("")
async def list_tickets(
    principal: PrincipalDep,
    db: TenantDb,
    state: Annotated[State | None, Query(description="queued and human if not given")] = None,
    contact_id: UUID | None = None,
    urgent: bool | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[TicketShown]:
    """Newest first."""
    cursors = Cursors(f"tickets:{state}", principal.creator_id)
    states = (state,) if state else OPEN
    rows = await Tickets(db).newest(
        states, limit + 1, cursors.read_id(cursor), contact_id=contact_id, is_urgent=urgent
    )
    return cursors.page(rows, limit, TicketShown.model_validate, lambda row: [row.id])


@router.post("", status_code=201)
async def open_ticket(
    body: NewTicket, principal: PrincipalDep, runtime: RuntimeDep
) -> TicketDetails:
    """Put a conversation on the list. One that is open already is returned as it is."""
    creator_id, now = principal.creator_id, runtime.clock.now()
    async with runtime.database.get_session(creator_id) as session:
        contact_id = (await Conversations(session).get(body.conversation_id)).contact_id
    async with runtime.database.transaction(creator_id) as connection:
        handoff = (await load_policy(connection, creator_id)).handoff
        opening = Opening(
            conversation_id=body.conversation_id,
            contact_id=contact_id,
            reason="coach",
            detail=body.detail,
            is_urgent=body.is_urgent,
            respond_within=timedelta(minutes=handoff.sla_minutes),
        )
        opened = await tickets.open_ticket(connection, creator_id, opening, now)
        await tell_opened(connection, creator_id, handoff.room, opened)
    return await _details(runtime, creator_id, opened.id)


@router.get("/{ticket_id}")
async def read_ticket(
    ticket_id: UUID, principal: PrincipalDep, runtime: RuntimeDep
) -> TicketDetails:
    return await _details(runtime, principal.creator_id, ticket_id)


@router.post("/{ticket_id}/take")
async def take_ticket(
    ticket_id: UUID, principal: PrincipalDep, runtime: RuntimeDep
) -> TicketDetails:
    """Answer it yourself: the bot is silent, and programs wait, until it is given back.

    Errors: `ticket_taken` 409, `ticket_closed` 409.
    """
    async with runtime.database.transaction(principal.creator_id) as connection:
        await tickets.take(connection, principal.creator_id, ticket_id, principal.actor)
    return await _details(runtime, principal.creator_id, ticket_id)


@router.post("/{ticket_id}/reply", status_code=202)
async def reply_to_ticket(
    ticket_id: UUID, body: Reply, principal: PrincipalDep, runtime: RuntimeDep
) -> ReplyAccepted:
    """Write to the contact; the ticket is yours from then on."""
    if is_blank(body.text):
        raise InvalidInput("the message is empty", code="empty_text")
    creator_id = principal.creator_id
    async with runtime.database.get_session(creator_id) as session:
        conversation_id = (await Tickets(session).get(ticket_id)).conversation_id
    message_id = await runtime.desk.say(
        creator_id, conversation_id, body.text, actor=principal.actor
    )
    return ReplyAccepted(id=message_id)


@router.post("/{ticket_id}/return")
async def return_ticket(
    ticket_id: UUID, principal: PrincipalDep, runtime: RuntimeDep
) -> TicketDetails:
    """Let the bot answer again; what a program held back goes on. Error: `ticket_closed` 409."""
    async with runtime.database.transaction(principal.creator_id) as connection:
        where = (principal.creator_id, ticket_id)
        await tickets.give_back(connection, *where, principal.actor, runtime.clock.now())
    return await _details(runtime, principal.creator_id, ticket_id)


@router.post("/{ticket_id}/close")
async def close_ticket(
    ticket_id: UUID, principal: PrincipalDep, runtime: RuntimeDep
) -> TicketDetails:
    """Nothing more to do; the bot answers. Error: `ticket_closed` 409."""
    async with runtime.database.transaction(principal.creator_id) as connection:
        where = (principal.creator_id, ticket_id)
        await tickets.close(connection, *where, principal.actor, runtime.clock.now())
    return await _details(runtime, principal.creator_id, ticket_id)


@router.post("/{ticket_id}/notes", status_code=201)
async def add_note(
    ticket_id: UUID, body: NewNote, principal: PrincipalDep, runtime: RuntimeDep
) -> TicketDetails:
    """Write something down for the team; the contact never sees it."""
    creator_id = principal.creator_id
    async with runtime.database.transaction(creator_id) as connection:
        await tickets.add_note(
            connection,
            creator_id,
            ticket_id,
            actor=principal.actor,
            text=body.text,
            now=runtime.clock.now(),
        )
    return await _details(runtime, creator_id, ticket_id)


async def _details(runtime: Runtime, creator_id: UUID, ticket_id: UUID) -> TicketDetails:
    async with runtime.database.get_session(creator_id) as session:
        found = Tickets(session)
        ticket = TicketShown.model_validate(await found.get(ticket_id))
        notes = [NoteShown.model_validate(note) for note in await found.notes(ticket_id)]
    return TicketDetails(**ticket.model_dump(), notes=notes)
