"""/api/v1/api-keys: make, list and revoke the keys of a creator. A key is shown once."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, StringConstraints

from core.api.deps import PrincipalDep, TenantDb
from core.api.paging import Cursor, Cursors, Limit, Page
from core.api.strict import Body, StrictRoute
from shared.models import audit
from shared.models.api_keys import ApiKey, ApiKeys
from shared.security import new_api_key
from shared.utils.ids import new_id

router = APIRouter(prefix="/api/v1/api-keys", tags=["API keys"], route_class=StrictRoute)

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class NewKey(Body):
    name: Name


class KeyShown(BaseModel):
    """A key as far as it may be shown: `prefix` is the part between its underscores."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    prefix: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class KeyCreated(KeyShown):
    key: str


@router.post("", status_code=201)
async def create_api_key(body: NewKey, principal: PrincipalDep, db: TenantDb) -> KeyCreated:
    """The answer is the only place where the key itself is shown."""
    made = new_api_key()
    row = ApiKey(
        creator_id=principal.creator_id,
        id=new_id(),
        name=body.name,
        prefix=made.prefix,
        hash=made.hash,
    )
    row = await ApiKeys(db).add(row)
    _audit(db, principal, "api_key.created", row.id)
    return KeyCreated(key=made.plaintext, **KeyShown.model_validate(row).model_dump())


@router.get("")
async def list_api_keys(
    principal: PrincipalDep, db: TenantDb, limit: Limit = 50, cursor: Cursor = None
) -> Page[KeyShown]:
    cursors = Cursors("api-keys", principal.creator_id)
    rows = await ApiKeys(db).newest(limit + 1, cursors.read_id(cursor))
    return cursors.page(rows, limit, KeyShown.model_validate, lambda row: [row.id])


@router.delete("/{key_id}", status_code=204)
async def revoke_api_key(key_id: UUID, principal: PrincipalDep, db: TenantDb) -> None:
    """The key stops working within a second. One may revoke the key one calls with."""
    await ApiKeys(db).revoke(key_id)
    _audit(db, principal, "api_key.revoked", key_id)


def _audit(db: TenantDb, principal: PrincipalDep, action: str, target: UUID) -> None:
    audit.record(db, principal.creator_id, actor=principal.actor, action=action, target=target)
