"""/api/v1/conversations: read them, reply as a coach, hand one back to the bot."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Header
from pydantic import BaseModel, ConfigDict, Field

from core import tickets
from core.api.deps import PrincipalDep, RuntimeDep, TenantDb
from core.api.paging import Cursor, Cursors, Limit, Page, to_moment
from core.api.resources.shown import MessageShown, show_message
from core.api.strict import Body, StrictRoute
from core.live import CHANGED
from shared.errors import InvalidInput
from shared.models import audit
from shared.models.conversations import Conversations
from shared.models.messages import Messages
from shared.utils.text import is_blank

router = APIRouter(prefix="/api/v1/conversations", tags=["conversations"], route_class=StrictRoute)

MAX_TEXT = 8000


class ConversationShown(BaseModel):
    """`status` tells who answers: `bot`; `queued`, a person was called and the bot answers until
    one comes; `human`, a person, and the bot is silent; `returned`, the bot again."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    channel_id: UUID
    contact_id: UUID
    status: str
    last_seq: int
    created_at: datetime
    last_message_at: datetime


class CoachMessage(Body):
    text: str = Field(max_length=MAX_TEXT, description="Markdown")


class CoachMessageAccepted(BaseModel):
    id: UUID


@router.get("")
async def list_conversations(
    principal: PrincipalDep,
    db: TenantDb,
    limit: Limit = 50,
    cursor: Cursor = None,
    contact_id: UUID | None = None,
    status: Literal["bot", "queued", "human", "returned"] | None = None,
) -> Page[ConversationShown]:
    """The ones written in last come first."""
    cursors = Cursors("conversations", principal.creator_id)
    position = cursors.read(cursor, to_moment, UUID)
    before = (position[0], position[1]) if position else None
    rows = await Conversations(db).latest(limit + 1, before, contact_id=contact_id, status=status)
    return cursors.page(
        rows,
        limit,
        ConversationShown.model_validate,
        lambda row: [row.last_message_at.isoformat(), row.id],
    )


@router.get("/{conversation_id}")
async def read_conversation(conversation_id: UUID, db: TenantDb) -> ConversationShown:
    return ConversationShown.model_validate(await Conversations(db).get(conversation_id))


@router.get("/{conversation_id}/messages")
async def list_conversation_messages(
    conversation_id: UUID,
    principal: PrincipalDep,
    db: TenantDb,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[MessageShown]:
    """In the order they were written."""
    await Conversations(db).get(conversation_id)
    cursors = Cursors(f"messages:{conversation_id}", principal.creator_id)
    position = cursors.read(cursor, _seq)
    after = position[0] if position else 0
    rows = await Messages(db).of_conversation(conversation_id, limit + 1, after)
    return cursors.page(rows, limit, show_message, lambda row: [row.seq])


@router.post("/{conversation_id}/messages", status_code=202)
async def send_coach_message(
    conversation_id: UUID,
    body: CoachMessage,
    principal: PrincipalDep,
    runtime: RuntimeDep,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> CoachMessageAccepted:
    """Write to the contact as a person; with an Idempotency-Key a repeat writes nothing."""
    if is_blank(body.text):
        raise InvalidInput("the message is empty", code="empty_text")
    creator_id = principal.creator_id
    message_id = await runtime.desk.say(
        creator_id, conversation_id, body.text, idempotency_key, actor=principal.actor
    )
    async with runtime.database.get_session(creator_id) as session:
        await _refuse_other_text(Messages(session), message_id, body.text)
        _audit(session, principal, "conversation.coach_wrote", conversation_id)
    await runtime.live.publish(creator_id, conversation_id, CHANGED)
    return CoachMessageAccepted(id=message_id)


@router.post("/{conversation_id}/return")
async def return_conversation(
    conversation_id: UUID, principal: PrincipalDep, runtime: RuntimeDep
) -> ConversationShown:
    """Hand the conversation back to the bot; its open ticket, if there is one, is closed by it."""
    where = (principal.creator_id, conversation_id)
    async with runtime.database.transaction(principal.creator_id) as connection:
        await tickets.give_back_conversation(
            connection, *where, principal.actor, runtime.clock.now()
        )
    async with runtime.database.get_session(principal.creator_id) as session:
        conversation = await Conversations(session).get(conversation_id, for_update=True)
        _audit(session, principal, "conversation.returned", conversation_id)
        return ConversationShown.model_validate(conversation)


async def _refuse_other_text(messages: Messages, message_id: UUID, text: str) -> None:
    if (await messages.get(message_id)).text != text:
        raise InvalidInput(
            "this Idempotency-Key came with another text before", code="idempotency_key_reused"
        )


def _audit(db: TenantDb, principal: PrincipalDep, action: str, target: UUID) -> None:
    audit.record(db, principal.creator_id, actor=principal.actor, action=action, target=target)


def _seq(text: str) -> int:
    number = int(text)
    if not 0 <= number < 2**62:
        raise ValueError("out of range")
    return number
