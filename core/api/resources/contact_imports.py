"""/api/v1/contacts/import: files of contacts in; how far each has come, and what was refused."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict
from starlette.datastructures import UploadFile

from core.api.deps import PrincipalDep, RuntimeDep
from core.api.paging import Cursor, Cursors, Limit, Page
from core.api.strict import StrictRoute
from shared.database import Record
from shared.errors import InvalidInput, NotFound, UnsupportedEncoding
from shared.models import imports

router = APIRouter(prefix="/api/v1/contacts/import", tags=["contacts"], route_class=StrictRoute)

_FIELDS = {"file", "channel_id"}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "channel_id"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "channel_id": {"type": "string", "format": "uuid"},
                    },
                }
            }
        },
    }
}


class ImportAccepted(BaseModel):
    id: UUID
    status: str


class RefusedLine(BaseModel):
    line: int
    reason: str


class ImportShown(BaseModel):
    """`status` goes from `waiting` over `running` to `done`, or `failed` with its `error_code`.

    `done` of `total` lines are handled; the first refused ones are named, all are counted.
    """

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    channel_id: UUID
    status: str
    total: int
    done: int
    added: int
    updated: int
    refused_count: int
    refused: list[RefusedLine]
    error_code: str | None
    created_at: datetime
    updated_at: datetime


@router.post("", status_code=202, openapi_extra=_BODY)
async def import_contacts(
    request: Request, principal: PrincipalDep, runtime: RuntimeDep
) -> ImportAccepted:
    """Take in a CSV file whose first line names the columns; the work is done in the background.

    `phone` or `address` says who; `name`, `locale`, `timezone`, `tags`, `consent_purposes`,
    `consent_source`, `consent_at` and `consent_evidence` are known, every other column becomes an
    attribute. Texts need `consent_evidence`. Who opted out stays out.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise UnsupportedEncoding("send multipart/form-data")
    async with request.form(max_files=1, max_fields=len(_FIELDS)) as form:
        file, channel = form.get("file"), form.get("channel_id")
        if unknown := set(form) - _FIELDS:
            raise InvalidInput(f"{len(unknown)} unknown fields", code="unknown_field")
        if not isinstance(file, UploadFile) or not isinstance(channel, str):
            raise InvalidInput("the form needs a `file` and a `channel_id`", code="no_file")
        import_id = await runtime.contact_imports.add(
            principal.creator_id, _uuid(channel), await file.read(), actor=principal.actor
        )
    return ImportAccepted(id=import_id, status="waiting")


@router.get("")
async def list_imports(
    principal: PrincipalDep, runtime: RuntimeDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[ImportShown]:
    """Newest first."""
    cursors = Cursors("contact-imports", principal.creator_id)
    async with runtime.database.transaction(principal.creator_id) as connection:
        rows = await imports.newest(
            connection, principal.creator_id, cursors.read_id(cursor), limit + 1
        )
    return cursors.page(rows, limit, _show, lambda row: [row["id"]])


@router.get("/{import_id}")
async def read_import(import_id: UUID, principal: PrincipalDep, runtime: RuntimeDep) -> ImportShown:
    async with runtime.database.transaction(principal.creator_id) as connection:
        row = await imports.get(connection, principal.creator_id, import_id)
    if row is None:
        raise NotFound
    return _show(row)


def _show(row: Record) -> ImportShown:
    fields = dict(row)
    return ImportShown(status=fields.pop("state"), **fields)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidInput("channel_id is no UUID", code="bad_channel_id") from None
