"""/api/v1/contacts: the people a creator's bots talk with."""

from datetime import datetime
from typing import Annotated
from uuid import UUID
from zoneinfo import available_timezones

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from core.api.deps import PrincipalDep, TenantDb
from core.api.etags import IfMatch, check_unchanged, set_etag
from core.api.paging import Cursor, Cursors, Limit, Page
from core.api.strict import Body, StrictRoute
from shared.models import audit
from shared.models.contacts import Contact, Contacts

router = APIRouter(prefix="/api/v1/contacts", tags=["contacts"], route_class=StrictRoute)

# The shape of a BCP 47 tag: a language, then subtags.
Locale = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,4}$")]


class IdentityShown(BaseModel):
    """Who a contact is on one channel."""

    model_config = ConfigDict(from_attributes=True)

    channel_id: UUID
    address: str
    username: str | None
    reachable: str


class ContactShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    locale: str | None
    timezone: str | None
    created_at: datetime
    updated_at: datetime


class ContactDetails(ContactShown):
    identities: list[IdentityShown]


class ContactPatch(Body):
    name: str | None = Field(None, max_length=200)
    locale: Locale | None = None
    timezone: str | None = Field(None, max_length=64, examples=["Europe/Lisbon"])

    @field_validator("timezone")
    @classmethod
    def _is_zone(cls, value: str | None) -> str | None:
        if value is not None and value not in available_timezones():
            raise ValueError("no such time zone; use a name like Europe/Lisbon")
        return value


@router.get("")
async def list_contacts(
    principal: PrincipalDep, db: TenantDb, limit: Limit = 50, cursor: Cursor = None
) -> Page[ContactShown]:
    """Newest first."""
    cursors = Cursors("contacts", principal.creator_id)
    rows = await Contacts(db).newest(limit + 1, cursors.read_id(cursor))
    return cursors.page(rows, limit, ContactShown.model_validate, lambda row: [row.id])


@router.get("/{contact_id}")
async def read_contact(contact_id: UUID, db: TenantDb, response: Response) -> ContactDetails:
    contacts = Contacts(db)
    contact = await contacts.get(contact_id)
    set_etag(response, contact.updated_at)
    return await _details(contacts, contact)


@router.patch("/{contact_id}")
async def change_contact(
    contact_id: UUID,
    body: ContactPatch,
    principal: PrincipalDep,
    db: TenantDb,
    response: Response,
    if_match: IfMatch = None,
) -> ContactDetails:
    """Change name, locale or time zone; `null` forgets a locale or time zone."""
    contacts = Contacts(db)
    contact = await contacts.get(contact_id, for_update=True)
    check_unchanged(if_match, contact.updated_at)
    for name in body.model_fields_set:
        value = getattr(body, name)
        setattr(contact, name, (value or "") if name == "name" else value)
    await contacts.touch(contact)
    audit.record(
        db,
        principal.creator_id,
        actor=principal.actor,
        action="contact.changed",
        target=contact_id,
        changed=sorted(body.model_fields_set),
    )
    set_etag(response, contact.updated_at)
    return await _details(contacts, contact)


async def _details(contacts: Contacts, contact: Contact) -> ContactDetails:
    identities = await contacts.identities(contact.id)
    return ContactDetails(
        **ContactShown.model_validate(contact).model_dump(),
        identities=[IdentityShown.model_validate(identity) for identity in identities],
    )
