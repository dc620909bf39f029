"""/api/v1/erasures: contacts that are or were erased, with counts of what went."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from core.api.deps import PrincipalDep, RuntimeDep
from core.api.paging import Cursor, Cursors, Limit, Page
from core.api.strict import Body, StrictRoute
from shared.models import exports
from shared.models.exports import ErasureRow, ErasureState

router = APIRouter(prefix="/api/v1", tags=["contacts"], route_class=StrictRoute)


class EraseBody(Body):
    confirm: str = Field(
        min_length=1, max_length=200, description="the contact's id or name, for there is no undo"
    )


class ErasureShown(BaseModel):
    """`counts` are rows that went, by table; `left` what a last look still found: nothing."""

    id: UUID
    contact_id: UUID
    state: ErasureState
    counts: dict[str, int]
    left: dict[str, int]
    error_code: str | None
    created_at: datetime
    finished_at: datetime | None


def _shown(row: ErasureRow) -> ErasureShown:
    counts: dict[str, Any] = {**row.counts}
    left = counts.pop("left", {})
    return ErasureShown(
        id=row.id,
        contact_id=row.contact_id,
        state=row.state,
        counts=counts,
        left=left,
        error_code=row.error_code,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )


@router.post("/contacts/{contact_id}/erase", status_code=202)
async def erase_contact(
    contact_id: UUID, body: EraseBody, principal: PrincipalDep, runtime: RuntimeDep
) -> ErasureShown:
    """Erase a person from everything. Who writes again afterwards is a new contact.

    That they wished not to be written to, and what they agreed to, is kept without a name.
    """
    row = await runtime.privacy.ask_erasure(
        principal.creator_id, contact_id, actor=principal.actor, confirm=body.confirm
    )
    return _shown(row)


@router.delete("/contacts/{contact_id}", status_code=202)
async def delete_contact(
    contact_id: UUID, principal: PrincipalDep, runtime: RuntimeDep
) -> ErasureShown:
    """The same as erasing, without a word of confirmation."""
    row = await runtime.privacy.ask_erasure(principal.creator_id, contact_id, actor=principal.actor)
    return _shown(row)


@router.get("/erasures")
async def list_erasures(
    principal: PrincipalDep, runtime: RuntimeDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[ErasureShown]:
    """Newest first."""
    cursors = Cursors("erasures", principal.creator_id)
    before = cursors.read_id(cursor)
    async with runtime.database.transaction(principal.creator_id) as db:
        rows = await exports.list_erasures(db, principal.creator_id, limit=limit + 1, before=before)
    return cursors.page(rows, limit, _shown, lambda row: [row.id])


@router.get("/erasures/{erasure_id}")
async def read_erasure(
    erasure_id: UUID, principal: PrincipalDep, runtime: RuntimeDep
) -> ErasureShown:
    return _shown(await runtime.privacy.get_erasure(principal.creator_id, erasure_id))
