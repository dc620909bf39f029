"""The web chat: sessions, messages, a live stream. Accepting is as durable as for webhooks."""

from functools import partial
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, BackgroundTasks, Header, Query, Request, Response
from pydantic import AwareDatetime, Field

from core.api.chat_access import Chat, ChatDep, VisitorDep, open_chat
from core.api.deps import RuntimeDep
from core.api.events import MAX_SEQ, EventResponse, EventStream, read_last_event_id
from core.api.streams import StreamSlots
from core.api.strict import Body, StrictRoute
from core.api.transcript import ChatMessage, messages_after
from core.api.visitors import bearer_token, read_old_token, sign_in
from core.channels import Address, InboundRequest, Sender
from core.inbox import Accepted
from core.live import CHANGED
from core.runtime import Runtime
from shared.errors import InvalidInput, NotFound, PayloadTooLarge, Unauthorized
from shared.failpoints import failpoint
from shared.utils.clock import utc_now
from shared.utils.ids import new_id
from shared.utils.text import is_blank

router = APIRouter(tags=["web chat"], route_class=StrictRoute)

MAX_TEXT = 8000


class VisitorDetails(Body):
    """What the page knows of its visitor; all of it optional, none of it trusted."""

    name: str = Field("", max_length=200)
    locale: str | None = Field(None, max_length=35)


class NewSession(Body):
    visitor: VisitorDetails = VisitorDetails()
    start: str = Field("", max_length=200, description="what a deep link carried")


class Session(Body):
    """`token` goes into the Authorization header of every other request."""

    token: str
    conversation_id: UUID
    expires_at: AwareDatetime


class NewMessage(Body):
    """A message, or with `action` a tapped choice of message `message_id`."""

    id: UUID = Field(description="made by the page; sending it again repeats nothing")
    text: str = ""
    action: str | None = Field(None, min_length=1, max_length=2000)
    message_id: UUID | None = None


class AcceptedMessage(Body):
    id: UUID
    seq: int


class ChatMessages(Body):
    items: list[ChatMessage]


class ChatConfig(Body):
    """What a page needs before it opens a session."""

    route_key: str
    name: str
    bot: str
    greeting: str
    suggestions: list[str]
    max_text: int = MAX_TEXT


class PassageText(Body):
    """A cited passage with what stands around it."""

    title: str
    heading: str
    text: str
    before: str
    after: str
    page: int | None = None


@router.get("/chat/config")
async def read_chat_config(
    request: Request,
    runtime: RuntimeDep,
    channel: Annotated[str | None, Query(max_length=200)] = None,
) -> ChatConfig:
    """Name and first questions of a web channel; without `channel`, of this server's own."""
    route_key = channel or runtime.settings.default_channel
    if not route_key:
        raise NotFound("this server has no web channel of its own; name one with ?channel=")
    record = (await open_chat(request, runtime, route_key)).record
    bot = runtime.bots.get(record.bot)
    return ChatConfig(
        route_key=route_key,
        name=record.name,
        bot=record.bot,
        greeting=bot.greeting if bot else "",
        suggestions=list(bot.suggestions) if bot else [],
    )


@router.options("/chat/{route_key}/{rest:path}", include_in_schema=False)
async def answer_preflight(chat: ChatDep) -> Response:
    """Browsers ask before they send a token from another origin."""
    return Response(status_code=204)


@router.post("/chat/{route_key}/sessions", status_code=201)
async def create_chat_session(
    chat: ChatDep, runtime: RuntimeDep, request: Request, body: NewSession | None = None
) -> Session:
    """Begin as a new visitor, whom the bot greets; or with a valid token go on as the same one."""
    account, token = chat.record.account, bearer_token(request)
    visitor = read_old_token(runtime.keys, account, chat.origin, token)
    if visitor is None:
        await chat.limit_sessions(runtime, request)
    visitor_id = visitor.id if visitor else str(new_id())
    details = (body or NewSession()).visitor
    conversation_id = await runtime.inbox.open_conversation(
        account,
        address=Address(chat=visitor_id, person=visitor_id),
        sender=Sender(address=visitor_id, name=details.name, locale=details.locale),
        key=visitor_id,
    )
    if visitor is None:
        await _accept(runtime, chat, visitor_id, {"start": (body or NewSession()).start})
    signed = sign_in(runtime.keys, account, chat.origin, visitor_id, conversation_id)
    return Session(
        token=signed.token, conversation_id=conversation_id, expires_at=signed.expires_at
    )


@router.post("/chat/{route_key}/messages", status_code=202)
async def send_chat_message(
    chat: ChatDep,
    visitor: VisitorDep,
    runtime: RuntimeDep,
    body: NewMessage,
    background: BackgroundTasks,
) -> AcceptedMessage:
    """Take a message in, once for each `id`. 202 means: it is stored and will be answered."""
    _check_text(body)
    await chat.limit_messages(runtime, visitor)
    await failpoint("after-verify")
    background.add_task(failpoint, "after-2xx")
    shape = body.model_dump(mode="json", exclude_none=True)
    accepted = await _accept(runtime, chat, visitor.id, shape)
    if accepted.conversation_id != visitor.conversation_id:
        # Its visitor was erased since: stored for somebody new, whom another token shows it.
        raise Unauthorized("This session has ended; begin a new one.")
    return AcceptedMessage(id=body.id, seq=accepted.seq)


@router.get("/chat/{route_key}/messages")
async def list_chat_messages(
    chat: ChatDep,
    visitor: VisitorDep,
    runtime: RuntimeDep,
    after: Annotated[int, Query(ge=0, le=MAX_SEQ)] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
) -> ChatMessages:
    """The conversation after message number `after`, oldest first."""
    creator_id = chat.record.account.creator_id
    items = await messages_after(
        runtime.database, creator_id, visitor.conversation_id, after, limit
    )
    return ChatMessages(items=items)


@router.get(
    "/chat/{route_key}/events",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Server-sent events."}},
)
async def stream_chat_events(
    chat: ChatDep,
    visitor: VisitorDep,
    runtime: RuntimeDep,
    request: Request,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """`message` events carry ids to resume after; `delta`, `restart` and `typing` are live only."""
    slots: StreamSlots = request.app.state.streams
    slots.check(str(visitor.conversation_id))
    stream = EventStream(
        database=runtime.database,
        live=runtime.live,
        slots=slots,
        creator_id=chat.record.account.creator_id,
        conversation_id=visitor.conversation_id,
        after=read_last_event_id(last_event_id),
        expires_at=visitor.expires_at,
        is_open=partial(chat.is_open, runtime),
    )
    return EventResponse(aiter(stream))


@router.get("/chat/{route_key}/passages/{chunk_id}")
async def read_chat_passage(
    chat: ChatDep, visitor: VisitorDep, runtime: RuntimeDep, chunk_id: UUID
) -> PassageText:
    """What a citation quotes, with its surroundings."""
    found = await runtime.knowledge.passage(chat.record.account.creator_id, chunk_id)
    return PassageText(
        title=found.title,
        heading=found.heading,
        text=found.text,
        before=found.before,
        after=found.after,
        page=found.page,
    )


def _check_text(body: NewMessage) -> None:
    if len(body.text) > MAX_TEXT:
        raise PayloadTooLarge(f"a message has at most {MAX_TEXT} characters")
    if body.action is None and is_blank(body.text):
        raise InvalidInput("the message is empty", code="empty_text")


async def _accept(
    runtime: Runtime, chat: Chat, visitor_id: str, shape: dict[str, object]
) -> Accepted:
    """Hand the page's JSON to the channel's parser and store the event."""
    inbound = InboundRequest(
        method="POST",
        url="",
        headers={"cairn-visitor": visitor_id},
        body=orjson.dumps(shape),
        received_at=utc_now(),
    )
    event = chat.adapter.parse(inbound, chat.record.account).events[0]
    accepted = await runtime.inbox.accept(event, conversation_key=visitor_id)
    # Other pages of the same visitor show it at once.
    creator_id = chat.record.account.creator_id
    await runtime.live.publish(creator_id, accepted.conversation_id, CHANGED)
    return accepted
