"""/api/v1/contacts: the people a creator's bots talk with."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from core.api.deps import PrincipalDep, RuntimeDep, TenantDb
from core.api.etags import IfMatch, check_unchanged, set_etag
from core.api.paging import Cursor, Cursors, Limit, Page
from core.api.strict import Body, StrictRoute
from core.linking import unlink
from shared.models import audit
from shared.models.contacts import Contact, Contacts
from shared.utils.zones import MAX_TAG, is_language_tag, is_zone

router = APIRouter(prefix="/api/v1/contacts", tags=["contacts"], route_class=StrictRoute)


def _check_locale(tag: str) -> str:
    if not is_language_tag(tag):
        raise ValueError("not a language tag of BCP 47; use one like pt-BR")
    return tag


def _check_zone(name: str) -> str:
    if not is_zone(name):
        raise ValueError("no such time zone; use a name like Europe/Lisbon")
    return name


Locale = Annotated[str, StringConstraints(max_length=MAX_TAG), AfterValidator(_check_locale)]
Zone = Annotated[str, StringConstraints(max_length=64), AfterValidator(_check_zone)]


class IdentityShown(BaseModel):
    """Who a contact is on one channel. Who opted out is answered, and not written to first."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    channel_id: UUID
    address: str
    username: str | None
    reachable: str
    opted_out_at: datetime | None


class LinkShown(BaseModel):
    """An identity that moved from one contact to another; standing while `undone_at` is null.

    `set_aside` is what stood back against the older contact's memory.
    """

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    identity_id: UUID
    from_contact: UUID
    to_contact: UUID
    linked_at: datetime
    undone_at: datetime | None
    set_aside: dict[str, Any]


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
    links: list[LinkShown]


class ContactPatch(Body):
    name: str | None = Field(None, max_length=200)
    locale: Locale | None = Field(None, examples=["pt-BR"])
    timezone: Zone | None = Field(None, examples=["Europe/Lisbon"])


class Unlink(Body):
    link_id: UUID


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
    if "locale" in body.model_fields_set:
        contact.language = body.locale  # chosen, where a device only has one
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


@router.post("/{contact_id}/unlink")
async def unlink_contact(
    contact_id: UUID, body: Unlink, principal: PrincipalDep, runtime: RuntimeDep
) -> ContactDetails:
    """Take a link back: its identity moves to the contact it came from, with its conversations.

    What both know stays with both.
    """
    creator_id = principal.creator_id
    async with runtime.database.transaction(creator_id) as connection:
        await unlink(connection, creator_id, contact_id, body.link_id, actor=principal.actor)
    async with runtime.database.get_session(creator_id) as session:
        contacts = Contacts(session)
        return await _details(contacts, await contacts.get(contact_id))


async def _details(contacts: Contacts, contact: Contact) -> ContactDetails:
    identities = await contacts.identities(contact.id)
    return ContactDetails(
        **ContactShown.model_validate(contact).model_dump(),
        identities=[IdentityShown.model_validate(identity) for identity in identities],
        links=[LinkShown.model_validate(link) for link in await contacts.links(contact.id)],
    )
