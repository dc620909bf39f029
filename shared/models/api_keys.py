"""API keys of a creator: a prefix to find each by, and a hash; never the key itself."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import FetchedValue, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from shared.errors import NotFound
from shared.models.base import TenantRow


class ApiKey(TenantRow):
    __tablename__ = "api_keys"

    name: Mapped[str]
    prefix: Mapped[str]
    hash: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class ApiKeys:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def newest(self, limit: int, before: UUID | None) -> list[ApiKey]:
        """Revoked ones too: what a key did stays explainable."""
        query = select(ApiKey).order_by(ApiKey.id.desc()).limit(limit)
        if before is not None:
            query = query.where(ApiKey.id < before)
        return list(await self._session.scalars(query))

    async def add(self, key: ApiKey) -> ApiKey:
        self._session.add(key)
        await self._session.flush()
        await self._session.refresh(key)
        return key

    async def revoke(self, key_id: UUID) -> ApiKey:
        """Revoking twice keeps the first time. Raises NotFound."""
        key = await self._session.scalar(select(ApiKey).where(ApiKey.id == key_id))
        if key is None:
            raise NotFound
        if key.revoked_at is None:
            key.revoked_at = await self._session.scalar(select(func.now()))
        return key
