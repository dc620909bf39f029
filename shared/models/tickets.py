"""Tickets as the team reads them, with the notes written on them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped

from shared.errors import NotFound
from shared.models.base import TenantRow


class Ticket(TenantRow):
    __tablename__ = "tickets"

    conversation_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    state: Mapped[str]
    reason: Mapped[str]
    detail: Mapped[str]
    is_urgent: Mapped[bool]
    message_id: Mapped[UUID | None]
    taken_by: Mapped[str | None]
    opened_at: Mapped[datetime]
    respond_by: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    overdue_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]


class TicketNote(TenantRow):
    __tablename__ = "ticket_notes"

    ticket_id: Mapped[UUID]
    actor: Mapped[str]
    text: Mapped[str]
    at: Mapped[datetime]


class Tickets:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def newest(
        self,
        states: Sequence[str],
        limit: int,
        before: UUID | None,
        *,
        contact_id: UUID | None = None,
        is_urgent: bool | None = None,
    ) -> list[Ticket]:
        query = select(Ticket).where(Ticket.state.in_(states))
        if before is not None:
            query = query.where(Ticket.id < before)
        if contact_id is not None:
            query = query.where(Ticket.contact_id == contact_id)
        if is_urgent is not None:
            query = query.where(Ticket.is_urgent == is_urgent)
        return list(await self._session.scalars(query.order_by(Ticket.id.desc()).limit(limit)))

    async def get(self, ticket_id: UUID) -> Ticket:
        """Raises NotFound, for another creator's ticket too."""
        ticket: Ticket | None = await self._session.scalar(
            select(Ticket).where(Ticket.id == ticket_id)
        )
        if ticket is None:
            raise NotFound
        return ticket

    async def notes(self, ticket_id: UUID) -> list[TicketNote]:
        """In the order they were written."""
        query = select(TicketNote).where(TicketNote.ticket_id == ticket_id)
        return list(await self._session.scalars(query.order_by(TicketNote.id)))
