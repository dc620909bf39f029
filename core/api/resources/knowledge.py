"""/api/v1/knowledge: documents in, passages out."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile

from core.api.deps import PrincipalDep, RuntimeDep
from core.api.paging import Cursor, Cursors, Limit, Page
from core.api.strict import Body, StrictRoute
from core.jobs import enqueue
from core.rag.fetch import MAX_URL
from core.rag.intake import MAX_TITLE, Document
from core.runtime import Runtime
from shared.errors import InvalidInput, UnsupportedEncoding
from shared.models import audit
from shared.utils.json import parse_json

router = APIRouter(prefix="/api/v1/knowledge", tags=["knowledge"], route_class=StrictRoute)

MAX_FIELDS = 4


class NewText(Body):
    """A document as text. A file is uploaded as multipart/form-data instead."""

    title: str = Field(min_length=1, max_length=MAX_TITLE)
    text: str = Field(min_length=1)


class NewPage(Body):
    """A page on the open internet, fetched in the background; posted again, fetched again."""

    url: str = Field(min_length=1, max_length=MAX_URL)
    title: str = Field("", max_length=MAX_TITLE)


class DocumentAccepted(BaseModel):
    """`created` is false when the same content was there already."""

    id: UUID
    status: str
    created: bool


class DocumentShown(BaseModel):
    """`status` goes from `pending` over `reading` and `indexing` to `ready` or `failed`.

    `progress` runs from 0 to 1. `error_code` never changes its meaning, `error` is for people. A
    document that `is_stale` is `ready` with the passages of the version before: what was sent or
    fetched last could not be read, for the reason that they give.
    """

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    title: str
    source_kind: str
    source_uri: str
    media_type: str
    status: str
    is_stale: bool
    error_code: str | None
    error: str | None
    chunk_count: int
    progress: float
    size_bytes: int
    pages: int | None
    created_at: datetime
    updated_at: datetime


class SearchQuery(Body):
    """`history`: the person's earlier questions, oldest first, that a follow-up may lean on."""

    query: str = Field(min_length=1, max_length=8000)
    k: int = Field(5, ge=1, le=50)
    history: list[str] = Field(default_factory=list, max_length=20)


class PassageShown(BaseModel):
    document_id: UUID
    chunk_id: UUID
    title: str
    heading: str
    text: str
    score: float
    page: int | None = None
    context: str
    explain: dict[str, float | int | dict[str, float] | None]


class SearchShown(BaseModel):
    """`answerable`: whether the passages hold the answer; `degraded`: found by words alone.

    `query` is what was searched for; `evidence`, judged by the `calibration` of the `space`, gave
    the `confidence`.
    """

    passages: list[PassageShown]
    answerable: bool
    degraded: bool
    confidence: float
    query: str
    space: str | None
    calibration: str
    evidence: dict[str, float]
    nearest_topics: list[str]


_BODY: Mapping[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"anyOf": [NewText.model_json_schema(), NewPage.model_json_schema()]}
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "title": {"type": "string", "maxLength": MAX_TITLE},
                    },
                }
            },
        },
    }
}


@router.post("/documents", status_code=202, openapi_extra=dict(_BODY))
async def add_document(
    request: Request, principal: PrincipalDep, runtime: RuntimeDep
) -> DocumentAccepted:
    """Take a text, a file or the address of a page in; it is read and indexed in the background.

    What a file is, is decided by its content: Markdown, text, HTML, PDF, DOCX or CSV (a table with
    the columns `question` and `answer` becomes one passage a pair). The same content twice is one.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        document = await _add_file(request, principal.creator_id, runtime)
    elif kind == "application/json":
        document = await _add_json(request, principal.creator_id, runtime)
    else:
        raise UnsupportedEncoding("send application/json or multipart/form-data")
    await _begin(runtime, principal, document)
    return DocumentAccepted(**asdict(document))


@router.get("/documents")
async def list_documents(
    principal: PrincipalDep, runtime: RuntimeDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[DocumentShown]:
    """Newest first, without their texts."""
    cursors = Cursors("documents", principal.creator_id)
    rows = await runtime.knowledge.list_documents(
        principal.creator_id, limit + 1, cursors.read_id(cursor)
    )
    return cursors.page(rows, limit, DocumentShown.model_validate, lambda row: [row.id])


@router.get("/documents/{document_id}")
async def read_document(
    document_id: UUID, principal: PrincipalDep, runtime: RuntimeDep
) -> DocumentShown:
    found = await runtime.knowledge.get_document(principal.creator_id, document_id)
    return DocumentShown.model_validate(found)


@router.delete("/documents/{document_id}", status_code=204)
async def delete_document(document_id: UUID, principal: PrincipalDep, runtime: RuntimeDep) -> None:
    """Remove a document and all that was made of it."""
    await runtime.knowledge.delete_document(principal.creator_id, document_id)
    await _note(runtime, principal, "document.deleted", document_id)


@router.post("/search")
async def search_knowledge(
    body: SearchQuery, principal: PrincipalDep, runtime: RuntimeDep
) -> SearchShown:
    """The best passages for a question, and whether they answer it."""
    result = await runtime.knowledge.search(
        principal.creator_id, body.query, body.k, history=body.history
    )
    return SearchShown.model_validate(asdict(result))


async def _add_json(request: Request, creator_id: UUID, runtime: Runtime) -> Document:
    # Ten megabytes are decoded for longer than other requests should wait.
    value = await asyncio.to_thread(parse_json, await request.body())
    try:
        if isinstance(value, dict) and "url" in value:
            page = NewPage.model_validate(value)
            return await runtime.knowledge.add_url(creator_id, page.url, title=page.title)
        body = NewText.model_validate(value)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_input=False)) from None
    return await runtime.knowledge.add_document(
        creator_id, title=body.title, text=body.text, source_kind="text", source_uri=""
    )


async def _add_file(request: Request, creator_id: UUID, runtime: Runtime) -> Document:
    async with _form(request) as form:
        file, title = form.get("file"), form.get("title", "")
        if unknown := set(form) - {"file", "title"}:
            raise InvalidInput(f"{len(unknown)} unknown fields", code="unknown_field")
        if not isinstance(file, UploadFile) or not isinstance(title, str):
            raise InvalidInput("the form needs a `file`", code="no_file")
        return await runtime.knowledge.add_document(
            creator_id,
            title=title[:MAX_TITLE],
            data=await file.read(),
            filename=(file.filename or "")[:MAX_TITLE],
            source_kind="file",
            source_uri="",
        )


def _form(request: Request) -> Any:
    return request.form(max_files=1, max_fields=MAX_FIELDS)


async def _begin(runtime: Runtime, principal: PrincipalDep, document: Document) -> None:
    """Queue the indexing; should we die before, the worker's sweeper finds the document."""
    creator_id = principal.creator_id
    if document.status != "ready":
        async with runtime.database.transaction(creator_id) as connection:
            await enqueue(connection, "ingest", creator_id, document.id)
    if document.created:
        await _note(runtime, principal, "document.added", document.id)


async def _note(runtime: Runtime, principal: PrincipalDep, action: str, target: UUID) -> None:
    async with runtime.database.get_session(principal.creator_id) as session:
        audit.record(
            session, principal.creator_id, actor=principal.actor, action=action, target=target
        )
