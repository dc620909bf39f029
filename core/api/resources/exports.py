"""/api/v1/exports: everything that is held of a contact, as files with digests."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from core.api.deps import PrincipalDep, RuntimeDep
from core.api.paging import Cursor, Cursors, Limit, Page
from core.api.strict import StrictRoute
from core.privacy.jobs import check_file
from core.runtime import Runtime
from shared.models import exports
from shared.models.exports import ExportRow, ExportState

router = APIRouter(prefix="/api/v1", tags=["contacts"], route_class=StrictRoute)


class FileShown(BaseModel):
    """`sha256` is of the file's bytes, in hex; of a CSV, `rows` leaves its first line out."""

    name: str
    rows: int
    bytes: int
    sha256: str


class ExportShown(BaseModel):
    """`rows` by table, so far or in all. The files are deleted at `expires_at`."""

    id: UUID
    contact_id: UUID
    state: ExportState
    rows: dict[str, int]
    files: list[FileShown]
    error_code: str | None
    created_at: datetime
    expires_at: datetime | None


def _shown(row: ExportRow) -> ExportShown:
    manifest: dict[str, Any] = row.manifest or row.progress
    return ExportShown(
        id=row.id,
        contact_id=row.contact_id,
        state=row.state,
        rows=manifest.get("rows", {}),
        files=[FileShown(**file) for file in row.manifest.get("files", ())],
        error_code=row.error_code,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )


@router.post("/contacts/{contact_id}/export", status_code=202)
async def ask_export(contact_id: UUID, principal: PrincipalDep, runtime: RuntimeDep) -> ExportShown:
    """Begin an export; the one under way when there is one."""
    creator_id, actor = principal.creator_id, principal.actor
    return _shown(await runtime.privacy.ask_export(creator_id, contact_id, actor=actor))


@router.get("/exports")
async def list_exports(
    principal: PrincipalDep, runtime: RuntimeDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[ExportShown]:
    """Newest first."""
    cursors = Cursors("exports", principal.creator_id)
    before = cursors.read_id(cursor)
    async with runtime.database.transaction(principal.creator_id) as db:
        rows = await exports.list_exports(db, principal.creator_id, limit=limit + 1, before=before)
    return cursors.page(rows, limit, _shown, lambda row: [row.id])


@router.get("/exports/{export_id}")
async def read_export(export_id: UUID, principal: PrincipalDep, runtime: RuntimeDep) -> ExportShown:
    return _shown(await runtime.privacy.get_export(principal.creator_id, export_id))


@router.get(
    "/exports/{export_id}/files/{name}",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "The file."}},
)
async def read_export_file(
    export_id: UUID, name: str, principal: PrincipalDep, runtime: RuntimeDep
) -> StreamingResponse:
    """One file, as the manifest tells it."""
    creator_id = principal.creator_id
    size = check_file(await runtime.privacy.get_export(creator_id, export_id), name)
    media_type = "application/json" if name.endswith(".json") else "text/csv; charset=utf-8"
    headers = {
        "Content-Length": str(size),
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    pieces = _pieces(runtime, creator_id, export_id, name)
    return StreamingResponse(pieces, media_type=media_type, headers=headers)


async def _pieces(
    runtime: Runtime, creator_id: UUID, export_id: UUID, name: str
) -> AsyncIterator[bytes]:
    """Part after part, each read by itself: a slow reader holds no connection."""
    part = -1
    while found := await runtime.privacy.next_part(creator_id, export_id, name, part):
        part, data = found
        yield data
