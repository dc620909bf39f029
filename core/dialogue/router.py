"""Decide what a message is, form answer, command, choice, pattern or question, and run it."""

import copy
import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from core.accounts import ChannelRecord
from core.bots import Bot, Handler, InboundAttachment, Place, Records, Turn
from core.dialogue import forms, records
from core.dialogue.answering import Answering, Spoken
from core.dialogue.memory import Thought, Work
from core.dialogue.reply_stream import ReplyStream
from core.leases import Lease
from shared.database import DatabaseManager
from shared.errors import ConfigurationError
from shared.markdown import escape
from shared.messages import Message
from shared.utils.text import clean_text, is_blank

_COMMAND = re.compile(r"^/([A-Za-z][A-Za-z0-9_]{0,31})(?:@\w+)?(?:\s+(.*))?$", re.DOTALL)
# How a channel whose buttons carry few bytes names a choice: its message, and which of them.
_CHOICE = re.compile(r"^choice:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):([0-9]{1,3})$")
# Buttons can be forged: only choices offered in this very conversation count.
_OFFERED = """
SELECT payload -> 'choices' FROM app.messages
WHERE creator_id = $1 AND conversation_id = $2 AND id = $3 AND direction = 'out'
"""

ONLY_TEXT = "I can only read text so far. Could you write it in words?"
CANCELLED = "All right, I've put that aside."
NOTHING_TO_CANCEL = "There is nothing to cancel."


class Router:
    """Turns one message into a Thought by the bot's declaration."""

    def __init__(
        self, *, database: DatabaseManager, bots: Mapping[str, Bot], answering: Answering
    ) -> None:
        self._database = database
        self._bots = bots
        self._answering = answering

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
        turn = self._turn(lease, work, record)
        session = copy.deepcopy(work.session)
        if work.kind == "action":
            turn.text = await self._resolve_choice(lease, work.text)
        await _run(bot, work, turn, session)
        return await self._conclude(lease, work, record, turn, session, stream)

    def _turn(self, lease: Lease, work: Work, record: ChannelRecord) -> Turn:
        async def read_topic(topic: str) -> Records:
            async with self._database.transaction(lease.creator_id) as connection:
                return await records.read_topic(connection, lease.creator_id, record.bot, topic)

        place = Place.model_validate(work.address)
        origin = work.payload.get("origin")
        return Turn(
            text=work.text,
            contact_name=escape(work.contact_name),
            locale=work.locale,
            timezone=work.timezone,
            channel=record.account.type,
            place=place,
            origin=Place.model_validate(origin) if origin else place,
            attachments=tuple(
                InboundAttachment.model_validate(one) for one in work.payload.get("attachments", ())
            ),
            memory=copy.deepcopy(work.memory),
            read_topic=read_topic,
        )

    async def _conclude(
        self,
        lease: Lease,
        work: Work,
        record: ChannelRecord,
        turn: Turn,
        session: dict[str, Any],
        stream: ReplyStream | None,
    ) -> Thought:
        """Gather what was said, the form's first question and the answer into one Thought."""
        if turn.asked is not None:
            state = forms.begin(turn.asked)
            session["form"] = state.dump()
            turn.said.append(forms.question(turn.asked, state))
        spoken = Spoken()
        if turn.question is not None:
            spoken = await self._answering.answer(
                lease,
                work,
                self._bots[record.bot],
                turn.question,
                None if turn.said else stream,
            )
        return Thought(
            replies=[_storable(m) for m in (*turn.said, *spoken.messages) if _is_seen(m)],
            posts=[post for post in turn.posted if _is_seen(post.message)],
            bot=record.bot,
            kept=turn.kept,
            memory=turn.memory,
            session=session,
            human_wanted=turn.human_wanted,
            rung=spoken.rung,
            model=spoken.model,
            prompt=spoken.prompt,
        )

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


async def _run(bot: Bot, work: Work, turn: Turn, session: dict[str, Any]) -> None:
    """Run the handler this message is for. An open form comes before patterns and questions."""
    if command := _command_of(work, turn.text):
        await _command(bot, turn, session, *command)
    elif action := _action(bot, work, turn):
        session.pop("form", None)
        await action(turn)
    elif not turn.text.strip():
        turn.say(ONLY_TEXT)
    elif model := bot.forms.get(session.get("form", {}).get("form", "")):
        await _fill(bot, model, turn, session)
    else:
        await _converse(bot, turn)


def _command_of(work: Work, text: str) -> tuple[str, str] | None:
    """(name, arguments) of a command, however the channel told it; opening the bot is one too."""
    if work.kind == "start":
        return "start", str(work.payload.get("payload", ""))
    match = _COMMAND.match(text)
    return (match[1].lower(), (match[2] or "").strip()) if match else None


async def _start(bot: Bot, turn: Turn, payload: str) -> None:
    turn.payload = payload
    if bot.start_handler is None:
        turn.say(bot.greeting, choices=list(bot.suggestions))
    else:
        await bot.start_handler(turn)


async def _command(
    bot: Bot, turn: Turn, session: dict[str, Any], name: str, arguments: str
) -> None:
    turn.arguments = arguments
    open_form = session.pop("form", None)
    if name == "start":
        await _start(bot, turn, arguments)
    elif name == "cancel":
        turn.say(CANCELLED if open_form else NOTHING_TO_CANCEL)
    elif name in bot.commands:
        await bot.commands[name].handler(turn)
    elif name == "help":
        turn.say(help_text(bot))
    else:
        if open_form:
            session["form"] = open_form  # a typing slip doesn't end a form
        turn.say(f"I don't know `/{name}`.\n\n{help_text(bot)}")


def _action(bot: Bot, work: Work, turn: Turn) -> Handler | None:
    if work.kind != "action":
        return None
    name, _, turn.arguments = turn.text.partition(":")
    return bot.actions.get(turn.text) or bot.actions.get(name)


async def _fill(bot: Bot, model: Any, turn: Turn, session: dict[str, Any]) -> None:
    step = forms.take(model, forms.load(model, session["form"]), turn.text)
    if step.state is not None:
        session["form"] = step.state.dump()
        turn.said.append(forms.question(model, step.state, step.reason))
    else:
        session.pop("form")
        await bot.form_handlers[model.__name__](turn, step.result)


async def _converse(bot: Bot, turn: Turn) -> None:
    for pattern in bot.patterns:
        if pattern.regex.search(turn.text):
            await pattern.handler(turn)
            return
    turn.answer()


def _is_seen(message: Message) -> bool:
    return bool(message.choices) or not is_blank(message.text)


def _storable(message: Message) -> Message:
    """A bot or a model may write what no database holds (NUL, half a character)."""
    return message.model_copy(update={"text": clean_text(message.text)})


def help_text(bot: Bot) -> str:
    """The commands a bot understands, as a list."""
    lines = [f"- `/{c.name}` {c.help}".rstrip() for c in bot.commands.values()]
    return "Here is what I understand:\n\n" + "\n".join([*lines, "- `/cancel` put a form aside"])
