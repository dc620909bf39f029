"""/api/v1/creator: the account itself: its name, its language, its clock."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from core.api.deps import PrincipalDep, RuntimeDep
from core.api.resources.contacts import Locale, Zone
from core.api.strict import Body, StrictRoute
from core.audit import note
from core.creators import NAME_LENGTH
from shared.database import PgConnection, Record

router = APIRouter(prefix="/api/v1/creator", tags=["creator"], route_class=StrictRoute)

_READ = "SELECT name, locale, timezone, created_at FROM app.creators WHERE creator_id = $1"
_CHANGE = """
UPDATE app.creators SET name = coalesce($2, name), locale = coalesce($3, locale),
                        timezone = coalesce($4, timezone)
WHERE creator_id = $1
"""


class CreatorShown(BaseModel):
    """`timezone` is the clock of contacts and programs that have none."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    locale: str
    timezone: str
    created_at: datetime


class CreatorPatch(Body):
    name: str | None = Field(None, min_length=1, max_length=NAME_LENGTH)
    locale: Locale | None = None
    timezone: Zone | None = None


@router.get("")
async def read_creator(principal: PrincipalDep, runtime: RuntimeDep) -> CreatorShown:
    async with runtime.database.transaction(principal.creator_id) as connection:
        return _shown(await connection.fetchrow(_READ, principal.creator_id))


@router.patch("")
async def change_creator(
    body: CreatorPatch, principal: PrincipalDep, runtime: RuntimeDep
) -> CreatorShown:
    """Change what is given. Another time zone holds for slots that are planned from now on."""
    async with runtime.database.transaction(principal.creator_id) as connection:
        await _change(connection, body, principal)
        return _shown(await connection.fetchrow(_READ, principal.creator_id))


async def _change(connection: PgConnection, body: CreatorPatch, principal: PrincipalDep) -> None:
    creator_id = principal.creator_id
    await connection.execute(_CHANGE, creator_id, body.name, body.locale, body.timezone)
    await note(
        connection,
        creator_id,
        actor=principal.actor,
        action="creator.changed",
        target=creator_id,
        changed=sorted(body.model_fields_set),
    )


def _shown(row: Record | None) -> CreatorShown:
    assert row is not None  # noqa: S101 - who has a key of it is there
    return CreatorShown(**row)
