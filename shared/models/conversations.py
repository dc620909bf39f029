"""Conversations: a contact on a channel, and whether the bot or a person answers."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import FetchedValue, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from shared.errors import NotFound
from shared.models.base import TenantRow


class Conversation(TenantRow):
    __tablename__ = "ai_conversations"

    channel_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    key: Mapped[str]
    address: Mapped[dict[str, Any]]
    status: Mapped[str]
    last_seq: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    last_message_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


class Conversations:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def latest(
        self,
        limit: int,
        before: tuple[datetime, UUID] | None,
        *,
        contact_id: UUID | None = None,
        status: str | None = None,
    ) -> list[Conversation]:
        """The ones written in last come first."""
        position = tuple_(Conversation.last_message_at, Conversation.id)
        query = select(Conversation).limit(limit)
        query = query.order_by(Conversation.last_message_at.desc(), Conversation.id.desc())
        if before is not None:
            query = query.where(position < before)
        if contact_id is not None:
            query = query.where(Conversation.contact_id == contact_id)
        if status is not None:
            query = query.where(Conversation.status == status)
        return list(await self._session.scalars(query))

    async def get(self, conversation_id: UUID, *, for_update: bool = False) -> Conversation:
        """Raises NotFound, for another creator's conversation too."""
        query = select(Conversation).where(Conversation.id == conversation_id)
        if for_update:
            query = query.with_for_update()
        conversation: Conversation | None = await self._session.scalar(query)
        if conversation is None:
            raise NotFound
        return conversation
