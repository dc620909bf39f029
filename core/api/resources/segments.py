"""/api/v1/segments: filters of contacts under a name, and who matches one now."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from core.api.deps import PrincipalDep, RuntimeDep, TenantDb
from core.api.etags import IfMatch, check_unchanged, set_etag
from core.api.paging import Cursor, Cursors, Limit, Page
from core.api.strict import Body, StrictRoute
from core.programs.segments.filters import check_filter, preview
from shared.models import audit
from shared.models.segments import Segment, Segments
from shared.utils.ids import new_id

router = APIRouter(prefix="/api/v1/segments", tags=["segments"], route_class=StrictRoute)

Filter = dict[str, Any]
EXAMPLE: Filter = {
    "all": [
        {"field": "tags", "op": "has", "value": "spring"},
        {"not": {"field": "silent", "op": "for", "value": "30 days"}},
    ]
}


class NewSegment(Body):
    """`filter`: `{all: […]}`, `{any: […]}`, `{not: …}` or a condition `{field, op, value}`."""

    name: str = Field(min_length=1, max_length=200)
    filter: Filter = Field(examples=[EXAMPLE])


class SegmentPatch(Body):
    name: str | None = Field(None, min_length=1, max_length=200)
    filter: Filter | None = Field(None, examples=[EXAMPLE])


class SegmentShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    filter: Filter
    created_at: datetime
    updated_at: datetime


class PreviewWanted(Body):
    """A filter, or a segment's."""

    filter: Filter | None = Field(None, examples=[EXAMPLE])
    segment_id: UUID | None = None
    limit: int = Field(10, ge=1, le=100, description="contacts to show")

    @model_validator(mode="after")
    def _one_of_them(self) -> "PreviewWanted":
        if (self.filter is None) == (self.segment_id is None):
            raise ValueError("give a filter or a segment_id")
        return self


class MatchShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    locale: str | None
    timezone: str | None


class PreviewShown(BaseModel):
    """How many contacts match now, and the first of them."""

    count: int
    contacts: list[MatchShown]


@router.post("", status_code=201)
async def add_segment(
    body: NewSegment, principal: PrincipalDep, db: TenantDb, response: Response
) -> SegmentShown:
    """Keep a filter under a name; 422 `bad_filter` says which part of it can't be read."""
    check_filter(body.filter)
    segments = Segments(db)
    await segments.check_name(body.name)
    segment = await segments.add(
        Segment(creator_id=principal.creator_id, id=new_id(), name=body.name, filter=body.filter)
    )
    _note(db, principal, "segment.added", segment)
    set_etag(response, segment.updated_at)
    return SegmentShown.model_validate(segment)


@router.post("/preview")
async def preview_segment(
    body: PreviewWanted, principal: PrincipalDep, runtime: RuntimeDep
) -> PreviewShown:
    """Who matches at this moment; nothing is kept."""
    creator_id, filter = principal.creator_id, body.filter
    if body.segment_id is not None:
        async with runtime.database.get_session(creator_id) as session:
            filter = (await Segments(session).get(body.segment_id)).filter
    async with runtime.database.transaction(creator_id) as connection:
        count, rows = await preview(
            connection, creator_id, filter or {}, now=runtime.clock.now(), limit=body.limit
        )
    return PreviewShown(count=count, contacts=[MatchShown(**row) for row in rows])


@router.get("")
async def list_segments(
    principal: PrincipalDep, db: TenantDb, limit: Limit = 50, cursor: Cursor = None
) -> Page[SegmentShown]:
    """Newest first."""
    cursors = Cursors("segments", principal.creator_id)
    rows = await Segments(db).newest(limit + 1, cursors.read_id(cursor))
    return cursors.page(rows, limit, SegmentShown.model_validate, lambda row: [row.id])


@router.get("/{segment_id}")
async def read_segment(segment_id: UUID, db: TenantDb, response: Response) -> SegmentShown:
    segment = await Segments(db).get(segment_id)
    set_etag(response, segment.updated_at)
    return SegmentShown.model_validate(segment)


@router.patch("/{segment_id}")
async def change_segment(
    segment_id: UUID,
    body: SegmentPatch,
    principal: PrincipalDep,
    db: TenantDb,
    response: Response,
    if_match: IfMatch = None,
) -> SegmentShown:
    """Change the name or the filter; broadcasts that were started keep what they had."""
    segments = Segments(db)
    segment = await segments.get(segment_id, for_update=True)
    check_unchanged(if_match, segment.updated_at)
    if body.filter is not None:
        check_filter(body.filter)
        segment.filter = body.filter
    if body.name is not None:
        await segments.check_name(body.name, besides=segment_id)
        segment.name = body.name
    await segments.touch(segment)
    _note(db, principal, "segment.changed", segment)
    set_etag(response, segment.updated_at)
    return SegmentShown.model_validate(segment)


@router.delete("/{segment_id}", status_code=204)
async def delete_segment(segment_id: UUID, principal: PrincipalDep, db: TenantDb) -> None:
    """Drafts that name it keep its filter as it was."""
    segments = Segments(db)
    segment = await segments.get(segment_id, for_update=True)
    await segments.delete(segment)
    _note(db, principal, "segment.deleted", segment)


def _note(db: TenantDb, principal: PrincipalDep, action: str, segment: Segment) -> None:
    audit.record(db, principal.creator_id, actor=principal.actor, action=action, target=segment.id)
