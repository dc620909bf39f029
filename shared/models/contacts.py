"""Contacts and their identities: one person, by the address they have on each channel."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import FetchedValue, Text, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from shared.errors import NotFound
from shared.models.base import TenantRow


class Contact(TenantRow):
    __tablename__ = "contacts"

    name: Mapped[str]
    locale: Mapped[str | None]
    language: Mapped[str | None]
    timezone: Mapped[str | None]
    memory: Mapped[dict[str, Any]] = mapped_column(server_default=FetchedValue())
    quiet_hours: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    preferred_channel_id: Mapped[UUID | None]
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    attributes: Mapped[dict[str, Any]] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


class ContactIdentity(TenantRow):
    __tablename__ = "contact_identities"

    contact_id: Mapped[UUID]
    channel_id: Mapped[UUID]
    address: Mapped[str]
    username: Mapped[str | None]
    reachable: Mapped[str]
    opted_out_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


class ContactLink(TenantRow):
    __tablename__ = "contact_links"

    identity_id: Mapped[UUID]
    from_contact: Mapped[UUID]
    to_contact: Mapped[UUID]
    linked_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    undone_at: Mapped[datetime | None]
    set_aside: Mapped[dict[str, Any]] = mapped_column(server_default=FetchedValue())


class Contacts:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def newest(self, limit: int, before: UUID | None) -> list[Contact]:
        query = select(Contact).order_by(Contact.id.desc()).limit(limit)
        if before is not None:
            query = query.where(Contact.id < before)
        return list(await self._session.scalars(query))

    async def get(self, contact_id: UUID, *, for_update: bool = False) -> Contact:
        """Raises NotFound, for another creator's contact too."""
        query = select(Contact).where(Contact.id == contact_id)
        if for_update:
            query = query.with_for_update()
        contact: Contact | None = await self._session.scalar(query)
        if contact is None:
            raise NotFound
        return contact

    async def identities(self, contact_id: UUID) -> list[ContactIdentity]:
        query = select(ContactIdentity).where(ContactIdentity.contact_id == contact_id)
        return list(await self._session.scalars(query.order_by(ContactIdentity.id)))

    async def links(self, contact_id: UUID, limit: int = 100) -> list[ContactLink]:
        """Links to and from this contact, newest first."""
        is_theirs = or_(
            ContactLink.to_contact == contact_id, ContactLink.from_contact == contact_id
        )
        query = select(ContactLink).where(is_theirs).limit(limit)
        query = query.order_by(ContactLink.linked_at.desc(), ContactLink.id.desc())
        return list(await self._session.scalars(query))

    async def touch(self, contact: Contact) -> None:
        """Write what was changed, with a new `updated_at`."""
        contact.updated_at = (await self._session.scalars(select(func.clock_timestamp()))).one()
        await self._session.flush()
