"""Where a channel's app is installed: one row a space. Credentials are stored encrypted."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import FetchedValue, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from shared.models.base import Base


class ChannelInstallation(Base):
    __tablename__ = "channel_installations"

    creator_id: Mapped[UUID] = mapped_column(primary_key=True)
    channel_id: Mapped[UUID] = mapped_column(primary_key=True)
    space: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    # Never read for showing: what isn't loaded can't be shown.
    credentials: Mapped[str] = mapped_column(deferred=True, deferred_raiseload=True)
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


class ChannelInstallations:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def of(self, channel_ids: Collection[UUID]) -> dict[UUID, list[ChannelInstallation]]:
        """The installations of each of these channels, by space."""
        query = (
            select(ChannelInstallation)
            .where(ChannelInstallation.channel_id.in_(channel_ids))
            .order_by(ChannelInstallation.channel_id, ChannelInstallation.space)
        )
        found: dict[UUID, list[ChannelInstallation]] = {id_: [] for id_ in channel_ids}
        for row in await self._session.scalars(query):
            found[row.channel_id].append(row)
        return found
