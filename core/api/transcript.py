"""A conversation's rows as a chat page reads them, in order, from a sequence number on."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from shared.database import DatabaseManager, Record
from shared.messages import Attachment, Choice, Citation


class ChatMessage(BaseModel):
    """One message. `id` of a contact's message is the one its page gave it."""

    id: str
    seq: int
    role: Literal["contact", "bot", "coach"]
    text: str
    choices: list[Choice] | None = None
    citations: list[Citation] | None = None
    attachments: list[Attachment] | None = None
    in_reply_to: str | None = None
    at: datetime


# A tapped choice is stored by its value; the message that offered it knows the label.
_AFTER = """
SELECT m.id, m.seq, m.direction, m.author, m.external_id, m.text, m.payload, m.created_at,
       i.external_id AS replied_to,
       (SELECT choice ->> 'label'
        FROM app.messages o, jsonb_array_elements(o.payload -> 'choices') AS choice
        WHERE m.kind = 'action' AND o.creator_id = $1 AND o.conversation_id = $2
          AND o.id = (m.payload ->> 'message')::uuid AND choice ->> 'value' = m.text
        LIMIT 1) AS label
FROM app.messages m
LEFT JOIN app.messages i ON i.creator_id = $1 AND i.id = m.in_reply_to AND i.kind <> 'start'
WHERE m.creator_id = $1 AND m.conversation_id = $2 AND m.seq > $3 AND m.kind NOT IN ('start', 'due')
  AND m.status <> 'canceled'
ORDER BY m.seq LIMIT $4
"""


async def messages_after(
    database: DatabaseManager, creator_id: UUID, conversation_id: UUID, seq: int, limit: int
) -> list[ChatMessage]:
    """At most `limit` messages that follow `seq`. Numbers are given in the order of commits."""
    async with database.transaction(creator_id) as connection:
        rows = await connection.fetch(_AFTER, creator_id, conversation_id, seq, limit)
    return [_message(row) for row in rows]


def _page_id(external_id: str) -> str:
    """The id that the page gave a message; the channel keeps it under its visitor."""
    return external_id.rpartition("/")[2]


def _message(row: Record) -> ChatMessage:
    is_ours = row["direction"] == "out"
    payload = row["payload"]
    return ChatMessage(
        id=str(row["id"]) if is_ours else _page_id(row["external_id"]),
        seq=row["seq"],
        role=row["author"],
        text=row["label"] or row["text"],
        choices=(payload.get("choices") or None) if is_ours else None,
        citations=(payload.get("citations") or None) if is_ours else None,
        attachments=(payload.get("attachments") or None) if is_ours else None,
        in_reply_to=_page_id(row["replied_to"]) if row["replied_to"] else None,
        at=row["created_at"],
    )
