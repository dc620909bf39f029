"""/api/v1/messages: what became of each, what needs a person, and another try for it."""

import re
from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict
from starlette.background import BackgroundTask
from starlette.responses import StreamingResponse

from core.api.deps import PrincipalDep, RuntimeDep, TenantDb
from core.api.paging import Cursor, Cursors, Limit, Page
from core.api.resources.shown import MessageShown, show_message
from core.api.strict import StrictRoute
from core.runtime import Runtime
from shared.models import audit
from shared.models.messages import Message, Messages

router = APIRouter(prefix="/api/v1/messages", tags=["messages"], route_class=StrictRoute)

Attention = Literal["uncertain", "dead", "failed", "undelivered"]
ALL_ATTENTION: tuple[Attention, ...] = ("uncertain", "dead", "failed", "undelivered")


class AttemptShown(BaseModel):
    """One attempt to send one part; without `outcome` it is under way or was cut off."""

    model_config = ConfigDict(from_attributes=True)

    part: int
    started_at: datetime
    finished_at: datetime | None
    outcome: str | None
    error_code: str | None
    provider_id: str | None


class MessageDetails(MessageShown):
    provider_ids: list[str]
    send_attempts: list[AttemptShown]


@router.get("")
async def list_messages(
    principal: PrincipalDep,
    db: TenantDb,
    status: Annotated[Attention | None, Query(description="all four if not given")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[MessageShown]:
    """Messages that need attention, newest first: none of them is ever dropped silently."""
    cursors = Cursors(f"messages:{status}", principal.creator_id)
    statuses = [status] if status else ALL_ATTENTION
    rows = await Messages(db).with_status(statuses, limit + 1, cursors.read_id(cursor))
    return cursors.page(rows, limit, show_message, lambda row: [row.id])


@router.get("/{message_id}")
async def read_message(message_id: UUID, db: TenantDb) -> MessageDetails:
    messages = Messages(db)
    return await _details(messages, await messages.get(message_id))


@router.get(
    "/{message_id}/attachments/{index}",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "The file."}},
)
async def read_attachment(
    message_id: UUID,
    index: Annotated[int, Path(ge=0, le=100, description="counted from 0")],
    principal: PrincipalDep,
    runtime: RuntimeDep,
) -> StreamingResponse:
    """The file a person sent, fetched from its platform now. Its type is what it really is.

    Errors: `too_large` 413, `gone` 410, `not_fetchable` 409.
    """
    fetched = await runtime.attachments.fetch(principal.creator_id, message_id, index)
    return StreamingResponse(
        fetched.pieces(),
        media_type=fetched.media_type,
        headers={
            "Content-Length": str(fetched.size),
            # A file of a stranger: kept, never shown by the browser in our own origin.
            "Content-Disposition": _as_download(fetched.name),
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "Cache-Control": "private, no-store",
        },
        background=BackgroundTask(fetched.close),
    )


@router.post("/{message_id}/resend", status_code=202)
async def resend_message(
    message_id: UUID, principal: PrincipalDep, runtime: RuntimeDep
) -> MessageDetails:
    """Send again what is uncertain or failed. The contact may get an uncertain one twice."""
    await runtime.desk.resend(principal.creator_id, message_id)
    return await _noted(runtime, principal, "message.resent", message_id)


@router.post("/{message_id}/retry", status_code=202)
async def retry_message(
    message_id: UUID, principal: PrincipalDep, runtime: RuntimeDep
) -> MessageDetails:
    """Give a dead inbound message another chance to be answered."""
    await runtime.inbox.retry(principal.creator_id, message_id)
    return await _noted(runtime, principal, "message.retried", message_id)


def _as_download(name: str) -> str:
    """A Content-Disposition with the name whole, and in plain letters for old clients.

    https://www.rfc-editor.org/rfc/rfc6266#section-4.3
    """
    name = "".join(char for char in name if char.isprintable())
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:100]
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name[:200], safe='')}"


async def _noted(
    runtime: Runtime, principal: PrincipalDep, action: str, message_id: UUID
) -> MessageDetails:
    creator_id = principal.creator_id
    async with runtime.database.get_session(creator_id) as session:
        audit.record(session, creator_id, actor=principal.actor, action=action, target=message_id)
        messages = Messages(session)
        return await _details(messages, await messages.get(message_id))


async def _details(messages: Messages, row: Message) -> MessageDetails:
    attempts = await messages.attempts(row.id)
    return MessageDetails(
        **show_message(row).model_dump(),
        provider_ids=row.provider_ids,
        send_attempts=[AttemptShown.model_validate(attempt) for attempt in attempts],
    )
