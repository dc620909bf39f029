"""Messages of both directions, and the attempts that were made to send one."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, FetchedValue, Text, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from shared.errors import NotFound
from shared.models.base import TenantRow


class Message(TenantRow):
    __tablename__ = "messages"

    conversation_id: Mapped[UUID]
    channel_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    seq: Mapped[int]
    direction: Mapped[str]
    kind: Mapped[str]
    author: Mapped[str]
    external_id: Mapped[str | None]
    text: Mapped[str]
    payload: Mapped[dict[str, Any]]
    status: Mapped[str]
    error_code: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    occurred_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    failures: Mapped[int]
    answered_at: Mapped[datetime | None]
    in_reply_to: Mapped[UUID | None]
    attempts: Mapped[int]
    provider_ids: Mapped[list[str]] = mapped_column(ARRAY(Text))
    sent_at: Mapped[datetime | None]
    rung: Mapped[str | None]
    model: Mapped[str | None]
    prompt: Mapped[str | None]


class SendAttempt(TenantRow):
    __tablename__ = "send_attempts"

    channel_id: Mapped[UUID]
    message_id: Mapped[UUID]
    part: Mapped[int]
    started_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    finished_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    error_code: Mapped[str | None]
    provider_id: Mapped[str | None]


class Messages:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def of_conversation(
        self, conversation_id: UUID, limit: int, after_seq: int
    ) -> list[Message]:
        """In the order they were written."""
        query = (
            select(Message)
            .where(Message.conversation_id == conversation_id, Message.seq > after_seq)
            .order_by(Message.seq)
            .limit(limit)
        )
        return list(await self._session.scalars(query))

    async def with_status(
        self, statuses: Sequence[str], limit: int, before: UUID | None
    ) -> list[Message]:
        """What needs a person's attention, newest first."""
        query = select(Message).where(Message.status.in_(statuses))
        if before is not None:
            query = query.where(Message.id < before)
        return list(await self._session.scalars(query.order_by(Message.id.desc()).limit(limit)))

    async def get(self, message_id: UUID) -> Message:
        """Raises NotFound, for another creator's message too."""
        message: Message | None = await self._session.scalar(
            select(Message).where(Message.id == message_id)
        )
        if message is None:
            raise NotFound
        return message

    async def attempts(self, message_id: UUID) -> list[SendAttempt]:
        query = select(SendAttempt).where(SendAttempt.message_id == message_id)
        return list(await self._session.scalars(query.order_by(SendAttempt.id)))
