"""Run what a message is for: a command, a picked choice, a form's answer, a pattern, a question."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from core import optout
from core.bots import Bot, Handler, Pattern, Turn
from core.dialogue import choosing, forms, handoff, wishes
from core.dialogue.commands import HELP, Call, Commands
from core.dialogue.memory import Effect, Work
from core.programs.check_ins.answering import Asking, hears
from core.programs.check_ins.answers import read_button
from core.programs.enrolling import enrol_starters
from shared.database import PgConnection

_COMMAND = re.compile(r"^/([A-Za-z][A-Za-z0-9_]{0,31})(?:@\w+)?(?:\s+(.*))?$", re.DOTALL)

ONLY_TEXT = "I can only read text so far. Could you write it in words?"
CANCELLED = "All right, I've put that aside."
NOTHING_TO_CANCEL = "There is nothing to cancel."


@dataclass(kw_only=True)
class Hearing:
    """One message on its way to its handler. `session` and `effects` are committed with it."""

    creator_id: UUID
    bot: Bot
    work: Work
    turn: Turn
    session: dict[str, Any]
    builtin: Commands
    asking: Asking
    now: datetime  # by the clock that programs go by
    sender: str = ""  # what the channel is called
    is_numbered: bool = False  # the choices that stand open were shown as a numbered list
    effects: list[Effect] = field(default_factory=list)
    is_picked: bool = False

    @property
    def call(self) -> Call:
        return Call(
            creator_id=self.creator_id,
            work=self.work,
            turn=self.turn,
            effects=self.effects,
            now=self.now,
            sender=self.sender,
        )

    @property
    def form(self) -> type[BaseModel] | None:
        """The form that this person has open; in a room it is whose it is."""
        state = self.session.get("form", {})
        is_theirs = state.get("by") in (None, str(self.work.contact_id))
        return self.bot.forms.get(state.get("form", "")) if is_theirs else None

    def keep_form(self, state: forms.FormState) -> None:
        whose = {} if self.turn.place.is_private else {"by": str(self.work.contact_id)}
        self.session["form"] = state.dump() | whose


async def run(heard: Hearing) -> None:
    """Run the handler a message is for. An open form comes before patterns and questions."""
    if not heard.is_picked and handoff.steps_in(heard.call, heard.now):
        return
    if await _directed(heard):
        return
    if not heard.turn.text.strip():
        await _greet(heard)
    elif form := heard.form:
        await _continue(heard, form)
    elif _picks(heard):
        await run(heard)
    elif not (await _opts(heard) or await _answers(heard)):
        await _converse(heard.bot, heard.turn)


async def _greet(heard: Hearing) -> None:
    """Nothing was written: a picture or the like, or in a room only the bot's name."""
    handler = heard.bot.attachment_handler
    if handler and heard.turn.attachments and not heard.form:
        await handler(heard.turn)
    elif heard.turn.attachments or heard.form or heard.work.opted_out:
        heard.turn.say(ONLY_TEXT)
    else:
        await _start(heard, "")


async def _directed(heard: Hearing) -> bool:
    """Run a command or a choice's action, which a message may be by its text."""
    if command := _command_of(heard):
        await _command(heard, *command)
        return True
    if _is_pick(heard) and await wishes.picked(heard.call, heard.bot.actions):
        return True
    if _is_pick(heard) and (tapped := read_button(heard.turn.text)):
        heard.session.pop("form", None)
        await heard.asking.take_button(heard.call, heard.session, tapped)
        return True
    if action := _action(heard):
        heard.session.pop("form", None)
        hears(heard.call)
        await action(heard.turn)
        return True
    return False


def _command_of(heard: Hearing) -> tuple[str, str] | None:
    """(name, arguments) of a command, however the channel told it; opening the bot is one too."""
    if heard.work.kind == "start" and not heard.is_picked:
        return "start", str(heard.work.payload.get("payload", ""))
    match = _COMMAND.match(heard.turn.text)
    return (match[1].lower(), (match[2] or "").strip()) if match else None


def _action(heard: Hearing) -> Handler | None:
    if not _is_pick(heard):
        return None
    actions = heard.bot.actions
    name, _, arguments = heard.turn.text.partition(":")
    heard.turn.arguments = arguments
    return actions.get(heard.turn.text) or actions.get(name)


def _is_pick(heard: Hearing) -> bool:
    return heard.work.kind == "action" or heard.is_picked


# --- commands


async def _command(heard: Hearing, name: str, arguments: str) -> None:
    bot, turn = heard.bot, heard.turn
    turn.arguments = arguments
    open_form = heard.session.pop("form", None) if heard.form else None
    if name == "start":
        await _start(heard, arguments)
    elif name in bot.commands:
        await bot.commands[name].handler(turn)
    elif name == "cancel":
        turn.say(CANCELLED if open_form else NOTHING_TO_CANCEL)
    elif name == "help":
        turn.say(help_text(bot))
    else:
        if open_form and name != "stop":
            heard.session["form"] = open_form  # a typing slip or a setting doesn't end a form
        await _builtin(heard, name)


async def _builtin(heard: Hearing, name: str) -> None:
    builtin = heard.builtin.by_name.get(name)
    if builtin is not None:
        await builtin(heard.call)
    else:
        heard.turn.say(f"I don't know `/{name}`.\n\n{help_text(heard.bot)}")


async def _start(heard: Hearing, payload: str) -> None:
    bot, turn = heard.bot, heard.turn
    turn.payload = payload
    if turn.place.is_private:
        heard.effects.append(_enrols(heard))
    if heard.work.opted_out:
        await wishes.resume(heard.call)
    if bot.start_handler is None:
        turn.say(bot.greeting, choices=list(bot.suggestions))
    else:
        await bot.start_handler(turn)


def _enrols(heard: Hearing) -> Effect:
    """Let whoever opens the bot enter the programs that are for everybody."""

    async def enrol(connection: PgConnection) -> None:
        who = heard.creator_id, heard.work.contact_id
        await enrol_starters(connection, *who, bot=heard.bot.name, now=heard.now)

    return enrol


async def _opts(heard: Hearing) -> bool:
    """Take a customary word as the wish to be left alone, or to be written to again.

    What a room's people say to each other is not meant for the bot.
    """
    work, turn = heard.work, heard.turn
    if heard.is_picked or work.kind != "message" or work.payload.get("overheard"):
        return False
    if optout.is_stop(turn.text, channel=turn.channel, locale=turn.locale):
        heard.session.pop("form", None)
        await wishes.stop(heard.call)
    elif optout.is_join(turn.text, channel=turn.channel):
        await wishes.join(heard.call)
    elif work.opted_out and optout.is_start(turn.text):
        await wishes.resume(heard.call)
    else:
        return False
    return True


def help_text(bot: Bot) -> str:
    """The commands a bot understands, as a list; those that every bot has in one line."""
    lines = [f"- `/{c.name}` {c.help}".rstrip() for c in bot.commands.values()]
    listed = "\n".join(lines)
    return f"Here is what I understand:\n\n{listed}\n\n{HELP}" if lines else HELP


# --- what is neither command nor action


def _picks(heard: Hearing) -> bool:
    """Take a written number or label as the choice that it names."""
    offer = heard.work.offer
    if heard.is_picked or heard.work.kind != "message" or offer is None:
        return False
    choice = choosing.pick(heard.turn.text, offer, numbered=heard.is_numbered)
    if choice is None:
        return False
    heard.turn.text, heard.is_picked = choice.value, True
    return True


async def _continue(heard: Hearing, form: type[BaseModel]) -> None:
    """Fill an open form. Only what it offers itself comes before the wish to be left alone."""
    state = forms.load(form, heard.session["form"])
    if forms.offers(form, state, heard.turn.text) or not await _opts(heard):
        await _fill(heard, form)


async def _fill(heard: Hearing, form: type[BaseModel]) -> None:
    state = forms.load(form, heard.session["form"])
    step = forms.take(form, state, heard.turn.text, numbered=heard.is_numbered)
    if step.state is not None:
        heard.keep_form(step.state)
        heard.turn.said.append(forms.question(form, step.state, step.reason))
    else:
        heard.session.pop("form")
        await heard.bot.form_handlers[form.__name__](heard.turn, step.result)


async def _answers(heard: Hearing) -> bool:
    """Take the text as an answer to the question that stands open, if it is one."""
    is_known = _pattern(heard.bot, heard.turn.text) is not None
    if await heard.asking.take_text(heard.call, heard.session, is_known=is_known):
        return True
    hears(heard.call)
    return False


async def _converse(bot: Bot, turn: Turn) -> None:
    if pattern := _pattern(bot, turn.text):
        await pattern.handler(turn)
    else:
        turn.answer()


def _pattern(bot: Bot, text: str) -> Pattern | None:
    return next((pattern for pattern in bot.patterns if pattern.regex.search(text)), None)
