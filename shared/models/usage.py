"""What a creator used, counted by day and metric in shards that don't block each other."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from shared.models.base import Base


class UsageCounter(Base):
    __tablename__ = "usage_counters"

    creator_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    metric: Mapped[str] = mapped_column(primary_key=True)
    shard: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int]


class Usage:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def by_day(self, first: date, last: date) -> Sequence[tuple[date, str, int]]:
        """(day, metric, value) from `first` to `last`, both included."""
        query = (
            select(UsageCounter.day, UsageCounter.metric, func.sum(UsageCounter.value))
            .where(UsageCounter.day.between(first, last))
            .group_by(UsageCounter.day, UsageCounter.metric)
            .order_by(UsageCounter.day, UsageCounter.metric)
        )
        rows = await self._session.execute(query)
        return [(day, metric, int(value)) for day, metric, value in rows]
