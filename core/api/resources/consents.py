"""/api/v1/contacts/{id}/consents: what a contact agreed to and took back, with the evidence."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field, model_validator

from core import consent
from core.api.deps import Principal, PrincipalDep, RuntimeDep
from core.api.paging import Cursor, Cursors, Limit, Page
from core.api.strict import Body, Moment, StrictRoute
from core.programs.definition import Slug
from shared.database import PgConnection
from shared.errors import Conflict, InvalidInput, NotFound
from shared.models import consents
from shared.models.consents import ALL, Person, Said

router = APIRouter(
    prefix="/api/v1/contacts/{contact_id}/consents", tags=["contacts"], route_class=StrictRoute
)

# The person's own ways: only they take back what was said so.
OWN_WAYS = ("word", "command", "button", "link", "platform")
CLOCKS_DIFFER = timedelta(minutes=5)


class ConsentShown(BaseModel):
    """What stands for one purpose on one kind of channel; `*` stands for all of them."""

    scope: str = Field(description="channel type and bot")
    channel_id: UUID
    purpose: str
    state: Literal["granted", "refused"]
    at: datetime
    event_id: UUID


class ConsentEvent(BaseModel):
    """One thing that was said: by which way, when, and what shows it."""

    id: UUID
    scope: str
    channel_id: UUID | None
    purpose: str
    action: str
    source: str
    evidence: dict[str, Any]
    actor: str
    at: datetime


class ConsentsShown(BaseModel):
    current: list[ConsentShown]
    events: Page[ConsentEvent]


class Evidence(Body):
    """What shows that they said so: a form, a call, a signed sheet."""

    text: str = Field(min_length=3, max_length=1000)
    url: str = Field("", max_length=2000)
    at: Moment | None = Field(None, description="when it was said; now if not given")


class ConsentChange(Body):
    """`*` withdraws everything, as STOP does; it can't be granted."""

    channel_id: UUID
    address: str | None = Field(None, max_length=200, description="if they have several there")
    action: Literal["granted", "withdrawn"]
    purposes: Annotated[list[Slug | Literal["*"]], Field(min_length=1, max_length=20)]
    evidence: Evidence

    @model_validator(mode="after")
    def _names_what_is_granted(self) -> "ConsentChange":
        if self.action == "granted" and ALL in self.purposes:
            raise ValueError("name the purposes that are granted")
        return self


@router.get("")
async def read_consents(
    contact_id: UUID,
    principal: PrincipalDep,
    runtime: RuntimeDep,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ConsentsShown:
    """What stands now, and how it came about, newest first."""
    cursors = Cursors(f"consents:{contact_id}", principal.creator_id)
    async with runtime.database.transaction(principal.creator_id) as connection:
        return await _shown(connection, principal, contact_id, cursors, limit, cursor)


@router.post("", status_code=201)
async def change_consent(
    contact_id: UUID, body: ConsentChange, principal: PrincipalDep, runtime: RuntimeDep
) -> ConsentsShown:
    """Note that a contact agreed, or took it back, outside of a chat.

    409 for what the contact has refused themselves: only they can take that back.
    """
    cursors = Cursors(f"consents:{contact_id}", principal.creator_id)
    now = runtime.clock.now()
    said = Said(
        source="api",
        actor=principal.actor,
        at=_moment(body, now),
        evidence=body.evidence.model_dump(mode="json", exclude_defaults=True),
        noted_at=now,
    )
    async with runtime.database.transaction(principal.creator_id) as connection:
        person = await _person(connection, principal, contact_id, body)
        await _change(connection, person, body, said)
        return await _shown(connection, principal, contact_id, cursors, 50, None)


def _moment(body: ConsentChange, now: datetime) -> datetime:
    at = body.evidence.at or now
    if at > now + CLOCKS_DIFFER:
        raise InvalidInput("nobody has said anything in the future", code="in_the_future")
    return at


async def _person(
    connection: PgConnection, principal: Principal, contact_id: UUID, body: ConsentChange
) -> Person:
    found = await consents.people(connection, principal.creator_id, contact_id)
    theirs = [
        one
        for one in found
        if one.channel_id == body.channel_id and body.address in (None, one.address)
    ]
    if not theirs:
        raise NotFound("this contact is not on this channel")
    if len(theirs) > 1:
        raise InvalidInput("name one of their addresses there", code="several_addresses")
    return theirs[0]


async def _change(
    connection: PgConnection, person: Person, body: ConsentChange, said: Said
) -> None:
    purposes = list(dict.fromkeys(body.purposes))
    if body.action == "withdrawn":
        await consent.withdraw(connection, person, purposes, said)
        return
    refused = await consents.refusals(connection, person, [ALL, *purposes])
    if any(source in OWN_WAYS for source in refused.values()):
        raise Conflict("they refused that themselves; only they can take it back, with START")
    if ALL in refused:
        await consent.resume(connection, person, said)
    await consent.grant(connection, person, purposes, said)


async def _shown(
    connection: PgConnection,
    principal: Principal,
    contact_id: UUID,
    cursors: Cursors,
    limit: int,
    cursor: str | None,
) -> ConsentsShown:
    creator_id = principal.creator_id
    found = await consents.people(connection, creator_id, contact_id)
    if not found and not await consents.is_contact(connection, creator_id, contact_id):
        raise NotFound
    current = [
        ConsentShown(channel_id=channel_id, **row)
        for channel_id, row in await consents.current(connection, found)
    ]
    rows = await consents.events(
        connection, creator_id, contact_id, found, limit + 1, cursors.read_id(cursor)
    )
    page = cursors.page(rows, limit, lambda row: ConsentEvent(**dict(row)), lambda row: [row["id"]])
    return ConsentsShown(current=current, events=page)
