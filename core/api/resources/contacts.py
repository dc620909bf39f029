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
from core.audit import note
from core.linking import unlink
from core.programs.definition import QuietHours
from core.programs.entering import look_soon
from core.programs.replan import replan_contact
from core.runtime import Runtime
from shared.database import PgConnection
from shared.errors import InvalidInput, NotFound
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
Tag = Annotated[str, StringConstraints(min_length=1, max_length=60, strip_whitespace=True)]
AttributeName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Words = Annotated[str, StringConstraints(max_length=1000)]
AttributeValue = Words | bool | int | float | None
# What slots are worked out from.
REPLANS = {"timezone", "attributes"}


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
    tags: list[str]
    attributes: dict[str, Any]
    quiet_hours: dict[str, Any] | None
    preferred_channel_id: UUID | None
    created_at: datetime
    updated_at: datetime


class ContactDetails(ContactShown):
    identities: list[IdentityShown]
    links: list[LinkShown]


class ContactPatch(Body):
    """`attributes` are all of them: dates, groups, plain values that programs and segments use."""

    name: str | None = Field(None, max_length=200)
    locale: Locale | None = Field(None, examples=["pt-BR"])
    timezone: Zone | None = Field(None, examples=["Europe/Lisbon"])
    tags: list[Tag] | None = Field(None, max_length=50)
    attributes: dict[AttributeName, AttributeValue] | None = Field(
        None, max_length=100, examples=[{"appointment_at": "2026-12-01T10:00"}]
    )
    quiet_hours: QuietHours | None = None
    preferred_channel_id: UUID | None = None

    def changes(self) -> dict[str, Any]:
        """What to write, by column."""
        given = self.model_dump(mode="json", exclude_unset=True)
        empty: dict[str, Any] = {"name": "", "tags": [], "attributes": {}}
        values = {name: empty.get(name) if v is None else v for name, v in given.items()}
        if "tags" in values:
            values["tags"] = list(dict.fromkeys(self.tags or ()))
        if "preferred_channel_id" in values:
            values["preferred_channel_id"] = self.preferred_channel_id
        # Chosen, where a device only has one.
        return values | ({"language": self.locale} if "locale" in values else {})


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
    runtime: RuntimeDep,
    response: Response,
    if_match: IfMatch = None,
) -> ContactDetails:
    """Change what is given; `null` forgets it. Another time zone, or other dates among the
    attributes, plan anew what waits for the contact."""
    creator_id = principal.creator_id
    async with runtime.database.transaction(creator_id) as connection:
        await _change(connection, creator_id, contact_id, body, if_match)
        await note(
            connection,
            creator_id,
            actor=principal.actor,
            action="contact.changed",
            target=contact_id,
            changed=sorted(body.model_fields_set),
        )
        if REPLANS & body.model_fields_set:
            await replan_contact(connection, creator_id, contact_id, runtime.clock.now())
        await look_soon(connection, creator_id)
    return await _read(runtime, creator_id, contact_id, response)


async def _change(
    connection: PgConnection,
    creator_id: UUID,
    contact_id: UUID,
    body: ContactPatch,
    if_match: str | None,
) -> None:
    updated_at = await connection.fetchval(
        "SELECT updated_at FROM app.contacts WHERE creator_id = $1 AND id = $2 FOR UPDATE",
        creator_id,
        contact_id,
    )
    if updated_at is None:
        raise NotFound
    check_unchanged(if_match, updated_at)
    if body.preferred_channel_id is not None:
        known = "SELECT true FROM app.channels WHERE creator_id = $1 AND id = $2"
        if not await connection.fetchval(known, creator_id, body.preferred_channel_id):
            raise InvalidInput("preferred_channel_id: there is no such channel")
    values = body.changes()
    # Names of fields of ours, never of a request: unknown ones were refused.
    sets = "".join(f", {name} = ${number}" for number, name in enumerate(values, start=3))
    await connection.execute(
        f"UPDATE app.contacts SET updated_at = clock_timestamp(){sets}"  # noqa: S608
        " WHERE creator_id = $1 AND id = $2",
        creator_id,
        contact_id,
        *values.values(),
    )


@router.post("/{contact_id}/unlink")
async def unlink_contact(
    contact_id: UUID,
    body: Unlink,
    principal: PrincipalDep,
    runtime: RuntimeDep,
    response: Response,
) -> ContactDetails:
    """Take a link back: its identity moves to the contact it came from, with its conversations.

    What both know stays with both.
    """
    creator_id = principal.creator_id
    async with runtime.database.transaction(creator_id) as connection:
        await unlink(connection, creator_id, contact_id, body.link_id, actor=principal.actor)
    return await _read(runtime, creator_id, contact_id, response)


async def _read(
    runtime: Runtime, creator_id: UUID, contact_id: UUID, response: Response
) -> ContactDetails:
    async with runtime.database.get_session(creator_id) as session:
        contacts = Contacts(session)
        contact = await contacts.get(contact_id)
        set_etag(response, contact.updated_at)
        return await _details(contacts, contact)


async def _details(contacts: Contacts, contact: Contact) -> ContactDetails:
    identities = await contacts.identities(contact.id)
    return ContactDetails(
        **ContactShown.model_validate(contact).model_dump(),
        identities=[IdentityShown.model_validate(identity) for identity in identities],
        links=[LinkShown.model_validate(link) for link in await contacts.links(contact.id)],
    )
