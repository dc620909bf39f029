"""How messages are shown over REST, by themselves and inside a conversation."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from shared.models.messages import Message


class MessageShown(BaseModel):
    """A message of either direction. `rung` says how an answer was made."""

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
    choices: list[dict[str, Any]] = []
    citations: list[dict[str, Any]] = []


def show_message(row: Message) -> MessageShown:
    shown = MessageShown.model_validate(row)
    if row.direction == "out":
        shown.choices = list(row.payload.get("choices") or [])
        shown.citations = list(row.payload.get("citations") or [])
    return shown
