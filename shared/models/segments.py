"""Segments: filters of contacts that a creator keeps under a name."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import FetchedValue, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from shared.errors import Conflict, NotFound
from shared.models.base import TenantRow


class Segment(TenantRow):
    __tablename__ = "segments"

    name: Mapped[str]
    filter: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


class Segments:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def newest(self, limit: int, before: UUID | None) -> list[Segment]:
        query = select(Segment).order_by(Segment.id.desc()).limit(limit)
        if before is not None:
            query = query.where(Segment.id < before)
        return list(await self._session.scalars(query))

    async def get(self, segment_id: UUID, *, for_update: bool = False) -> Segment:
        """Raises NotFound, for another creator's segment too."""
        query = select(Segment).where(Segment.id == segment_id)
        if for_update:
            query = query.with_for_update()
        segment: Segment | None = await self._session.scalar(query)
        if segment is None:
            raise NotFound("no segment with this id")
        return segment

    async def check_name(self, name: str, *, besides: UUID | None = None) -> None:
        """Raise Conflict when another segment has it."""
        found = await self._session.scalar(select(Segment.id).where(Segment.name == name))
        if found not in (None, besides):
            raise Conflict("another segment has this name")

    async def add(self, segment: Segment) -> Segment:
        self._session.add(segment)
        await self._session.flush()
        await self._session.refresh(segment)
        return segment

    async def touch(self, segment: Segment) -> None:
        """Write what was changed, with a new `updated_at`."""
        segment.updated_at = (await self._session.scalars(select(func.clock_timestamp()))).one()
        await self._session.flush()

    async def delete(self, segment: Segment) -> None:
        await self._session.delete(segment)
        await self._session.flush()
