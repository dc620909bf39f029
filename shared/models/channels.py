"""A creator's channels. Credentials are stored encrypted and leave only through the key ring."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import FetchedValue, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from shared.errors import NotFound
from shared.models.base import TenantRow


class Channel(TenantRow):
    __tablename__ = "channels"

    type: Mapped[str]
    name: Mapped[str]
    bot: Mapped[str]
    route_key: Mapped[str]
    credentials: Mapped[str]
    settings: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(server_default=FetchedValue())
    status_reason: Mapped[str | None]
    blocked_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


class Channels:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def newest(self, limit: int, before: UUID | None) -> list[Channel]:
        query = select(Channel).order_by(Channel.id.desc()).limit(limit)
        if before is not None:
            query = query.where(Channel.id < before)
        return list(await self._session.scalars(query))

    async def get(self, channel_id: UUID, *, for_update: bool = False) -> Channel:
        """Raises NotFound, for another creator's channel too."""
        query = select(Channel).where(Channel.id == channel_id)
        if for_update:
            query = query.with_for_update()
        channel: Channel | None = await self._session.scalar(query)
        if channel is None:
            raise NotFound
        return channel

    async def touch(self, channel: Channel) -> None:
        """Write what was changed, with a new `updated_at`."""
        channel.updated_at = (await self._session.scalars(select(func.clock_timestamp()))).one()
        await self._session.flush()

    async def delete(self, channel: Channel) -> None:
        """With its conversations and messages."""
        await self._session.delete(channel)
        await self._session.flush()
