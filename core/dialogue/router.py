"""Turn one message into a Thought: give the bot its turn, and gather what came of it."""

import asyncio
import copy
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from uuid import UUID

from core import tickets
from core.accounts import ChannelRecord
from core.bots import Bot, Goal, InboundAttachment, Place, Records, Turn
from core.channels import ChannelAdapter, Introduces, Sender
from core.contacts import locale_of, timezone_of
from core.desk_room import ticket_of_thread
from core.dialogue import forms, handoff, over_limit, records, wishes
from core.dialogue.answering import Answering, Spoken
from core.dialogue.choosing import is_numbered
from core.dialogue.commands import Commands
from core.dialogue.desk_thread import Thread
from core.dialogue.dispatch import Hearing, run
from core.dialogue.memory import Effect, Thought, Work
from core.dialogue.reply_stream import ReplyStream
from core.leases import Lease
from core.linking import Linking
from core.programs import joining
from core.programs.check_ins import goals
from core.programs.check_ins.answering import Asking
from core.programs.check_ins.showing import Showing
from core.programs.sends.due_turns import DUE, DueTurns, Said, unsaid
from core.programs.sends.saying import Saying, Words
from core.usage import Meter
from shared.database import DatabaseManager, PgConnection
from shared.errors import ConfigurationError
from shared.markdown import escape
from shared.messages import Message
from shared.utils.clock import Clock
from shared.utils.text import clean_text, is_blank

# How a channel whose buttons carry few bytes names a choice: its message, and which of them.
_CHOICE = re.compile(r"^choice:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):([0-9]{1,3})$")
# Buttons can be forged: only choices offered in this very conversation count, or posted here.
_OFFERED = """
SELECT m.payload -> 'choices' FROM app.messages m
JOIN app.ai_conversations o ON o.creator_id = $1 AND o.id = m.conversation_id
JOIN app.ai_conversations v ON v.creator_id = $1 AND v.id = $2
WHERE m.creator_id = $1 AND m.id = $3 AND m.direction = 'out'
  AND (o.id = v.id OR m.kind = 'post' AND o.channel_id = v.channel_id
       AND o.address ->> 'chat' = v.address ->> 'chat')
"""
INTRODUCTION_SECONDS = 2.0


class Router:
    """Turns one message into a Thought by the bot's declaration."""

    def __init__(
        self,
        *,
        database: DatabaseManager,
        bots: Mapping[str, Bot],
        channels: Mapping[str, ChannelAdapter],
        answering: Answering,
        linking: Linking,
        asking: Asking,
        showing: Showing,
        clock: Clock,
        meter: Meter,
        due_turns: DueTurns,
        saying: Saying,
    ) -> None:
        self._database = database
        self._bots = bots
        self._channels = channels
        self._answering = answering
        self._commands = Commands(linking, {**wishes.COMMANDS, "progress": showing.progress})
        self._asking = asking
        self._clock = clock
        self._meter = meter
        self._due_turns = due_turns
        self._saying = saying

    async def think(
        self,
        lease: Lease,
        work: Work,
        record: ChannelRecord,
        stream: ReplyStream | None = None,
    ) -> Thought:
        """What to reply; `stream` shows the first reply while it is written, if it is an answer."""
        bot = self._bots.get(record.bot)
        if bot is None:
            raise ConfigurationError(f"the bot {record.bot!r} is not installed")
        adapter = self._channels[record.account.type]
        introduction = await _introduction(work, record, adapter)
        heard = Hearing(
            creator_id=lease.creator_id,
            bot=bot,
            work=work,
            turn=self._turn(lease, work, record, introduction),
            session=copy.deepcopy(work.session),
            builtin=self._commands,
            asking=self._asking,
            now=self._clock.now(),
            sender=record.name,
            is_numbered=work.offer is not None and is_numbered(work.offer, adapter.capabilities),
        )
        if work.kind == DUE:
            return await self._take_due(lease, heard, record)
        if work.kind == "action":
            heard.turn.text = await self._resolve_choice(lease, work.text)
        thread = await self._desk_thread(lease.creator_id, work, heard.turn.place)
        if thread is not None:
            thread.heard(heard.call)
        elif await self._meter.is_over(lease.creator_id, work.quotas, "messages"):
            await over_limit.hear(heard)
        else:
            await run(heard)
        thought = await self._conclude(lease, heard, record, stream)
        thought.asked_channel = _is_to_be_asked(work, adapter)
        thought.introduction = introduction
        return thought

    async def _take_due(self, lease: Lease, heard: Hearing, record: ChannelRecord) -> Thought:
        """Find the words of a send, if it may still be said, and settle it with the turn."""
        work = heard.work
        due = await self._due_turns.begin(lease.creator_id, work)
        if due is None:
            return unsaid(work)
        if not due.is_to_be_said:
            return unsaid(work, self._due_turns.settle(lease.creator_id, due, work, ""))
        step = due.subject.source.step
        action = heard.bot.actions.get(step.action) if step and step.action else None
        words = Words(message=None)
        if action is not None:
            await action(heard.turn)
        else:
            words = await self._saying.words(work, heard.bot, record.account, due)
            heard.turn.said.extend([words.message] if words.message else [])
        thought = await self._conclude(lease, heard, record, None)
        if words.model is not None:
            thought.rung, thought.model, thought.prompt = "ollama", words.model, words.prompt
        said: Said = "here" if thought.replies else "elsewhere" if thought.posts else ""
        thought.effects.append(self._due_turns.settle(lease.creator_id, due, work, said))
        return thought

    def _turn(
        self, lease: Lease, work: Work, record: ChannelRecord, introduction: Sender | None
    ) -> Turn:
        async def read_topic(topic: str) -> Records:
            async with self._database.transaction(lease.creator_id) as connection:
                return await records.read_topic(connection, lease.creator_id, record.bot, topic)

        async def read_goals() -> list[Goal]:
            async with self._database.transaction(lease.creator_id) as connection:
                return await goals.read(connection, lease.creator_id, work.contact_id)

        told = introduction or Sender(address="")
        place = place_of(work)
        origin = work.payload.get("origin")
        return Turn(
            text=work.text,
            contact_name=escape(work.contact_name or told.name),
            locale=work.locale or locale_of(told),
            timezone=work.timezone or timezone_of(told),
            channel=record.account.type,
            place=place,
            origin=Place.model_validate(origin) if origin else place,
            attachments=tuple(
                InboundAttachment.model_validate(one) for one in work.payload.get("attachments", ())
            ),
            memory=copy.deepcopy(work.memory),
            moment=self._clock.now(),
            read_topic=read_topic,
            read_goals=read_goals,
        )

    async def _conclude(
        self, lease: Lease, heard: Hearing, record: ChannelRecord, stream: ReplyStream | None
    ) -> Thought:
        """Gather what was said, the form's first question and the answer into one Thought."""
        turn = heard.turn
        heard.effects.extend(_asked_for(heard))
        if turn.asked is not None:
            state = forms.begin(turn.asked)
            heard.keep_form(state)
            turn.said.append(forms.question(turn.asked, state))
        spoken = Spoken()
        if turn.question is not None:
            spoken = await self._answering.answer(
                lease, heard.work, heard.bot, turn.question, None if turn.said else stream
            )
        return Thought(
            replies=[_storable(m) for m in (*turn.said, *spoken.messages) if _is_seen(m)],
            posts=[post for post in turn.posted if _is_seen(post.message)],
            effects=heard.effects,
            bot=record.bot,
            kept=turn.kept,
            memory=turn.memory,
            session=heard.session,
            rung=spoken.rung,
            model=spoken.model,
            prompt=spoken.prompt,
            tokens_in=spoken.tokens_in,
            tokens_out=spoken.tokens_out,
        )

    async def _desk_thread(self, creator_id: UUID, work: Work, place: Place) -> Thread | None:
        """The ticket that is talked about, in a thread of the team's room."""
        room = work.handoff.room
        if room is None or (room.channel_id, room.chat) != (work.channel_id, place.chat):
            return None
        async with self._database.transaction(creator_id) as connection:
            ticket_id = await ticket_of_thread(connection, creator_id, work.channel_id, place)
            if ticket_id is None:
                return None
            ticket = await tickets.get(connection, creator_id, ticket_id)
        return Thread(ticket=ticket, channels=self._channels)

    async def _resolve_choice(self, lease: Lease, value: str) -> str:
        match = _CHOICE.match(value)
        if match is None:
            return value
        async with self._database.transaction(lease.creator_id) as connection:
            choices = await connection.fetchval(
                _OFFERED, lease.creator_id, lease.conversation_id, UUID(match[1])
            )
        index = int(match[2])
        if not choices or index >= len(choices):
            return value
        return str(choices[index]["value"])


def _asked_for(heard: Hearing) -> Iterator[Effect]:
    """What a handler wants to happen together with its turn."""
    turn, work = heard.turn, heard.work
    if turn.human_wanted:
        yield handoff.opens(heard.call, "asked", heard.now)
    if turn.goals_set:
        ids = heard.creator_id, work.contact_id, work.message_id
        yield goals.keeps(*ids, turn.goals_set, heard.now)
    if turn.joined or turn.left:
        yield _moves_between_programs(heard)


def _moves_between_programs(heard: Hearing) -> Effect:
    turn, who = heard.turn, (heard.creator_id, heard.work.contact_id)

    async def move(connection: PgConnection) -> None:
        for slug in turn.left:
            await joining.leave(connection, *who, slug, now=heard.now)
        for slug, anew in turn.joined.items():
            await joining.join(connection, *who, slug, anew=anew, now=heard.now)

    return move


def place_of(work: Work) -> Place:
    """Where this message's answer goes; in a room, with the person who wrote it."""
    place = Place.model_validate(work.address)
    return place.model_copy(update={"person": work.person}) if work.person else place


def _is_to_be_asked(work: Work, adapter: ChannelAdapter) -> bool:
    return not work.introduced and work.person is not None and isinstance(adapter, Introduces)


async def _introduction(
    work: Work, record: ChannelRecord, adapter: ChannelAdapter
) -> Sender | None:
    """What the platform tells of a contact, asked once; a turn never fails or waits for it."""
    if not isinstance(adapter, Introduces) or not _is_to_be_asked(work, adapter):
        return None
    with suppress(Exception):
        async with asyncio.timeout(INTRODUCTION_SECONDS):
            return await adapter.describe(place_of(work), record.account)
    return None


def _is_seen(message: Message) -> bool:
    return bool(message.choices or message.attachments) or not is_blank(message.text)


def _storable(message: Message) -> Message:
    """A bot or a model may write what no database holds (NUL, half a character)."""
    return message.model_copy(update={"text": clean_text(message.text)})
