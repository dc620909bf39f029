"""How messages are shown over REST, by themselves and inside a conversation."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from shared.models.messages import Message


class AttachmentShown(BaseModel):
    """What came with a message, or is shown with ours. `url` is where its bytes are, if anywhere.

    Of an inbound one it is a path of this API; size and type are what the platform claims.
    """

    kind: str
    name: str = ""
    media_type: str = ""
    size: int | None = None
    url: str | None = None


class MessageShown(BaseModel):
    """A message of either direction. `rung` says how an answer was made, with which `model`
    and which version of a `prompt`: `answer@3` is the creator's own, those of others say so."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    conversation_id: UUID
    channel_id: UUID
    contact_id: UUID
    seq: int
    direction: str
    kind: str
    author: str
    text: str
    status: str
    error_code: str | None
    created_at: datetime
    answered_at: datetime | None
    sent_at: datetime | None
    in_reply_to: UUID | None
    attempts: int
    failures: int
    rung: str | None
    model: str | None
    prompt: str | None
    choices: list[dict[str, Any]] = []
    citations: list[dict[str, Any]] = []
    attachments: list[AttachmentShown] = []


def show_message(row: Message) -> MessageShown:
    shown = MessageShown.model_validate(row)
    if row.direction == "out":
        shown.choices = list(row.payload.get("choices") or [])
        shown.citations = list(row.payload.get("citations") or [])
    shown.attachments = [
        _attachment(row, index, one)
        for index, one in enumerate(row.payload.get("attachments") or [])
    ]
    return shown


def _attachment(row: Message, index: int, stored: dict[str, Any]) -> AttachmentShown:
    url = stored.get("url")
    if row.direction == "in" and stored.get("ref"):
        url = f"/api/v1/messages/{row.id}/attachments/{index}"
    fields = {name: stored[name] for name in ("name", "media_type", "size") if name in stored}
    return AttachmentShown(kind=stored["kind"], url=url, **fields)
