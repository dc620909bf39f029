"""DOOR for bots: a bot is a plain declaration of what it says, asks and starts.

Handlers speak through the `Turn` they are given; nothing they say or remember takes effect until
the engine commits the whole turn, so a handler may run twice but a contact sees it once.

Beside `bot.py`, a `programs.py` may declare `programs = [Program(...), ...]`: when the bot reaches
out by itself, and what it asks.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from core.events import Address as Place
from core.events import InboundAttachment
from core.programs.definition import (
    Branch,
    Content,
    Expects,
    Program,
    QuietHours,
    Span,
    Step,
    When,
)
from shared.messages import Attachment, Choice, Message
from shared.utils.clock import utc_now

Records = dict[str, Any]
"""What a bot keeps under one topic: JSON values by key."""

Handler = Callable[["Turn"], Awaitable[None]]
FormHandler = Callable[["Turn", Any], Awaitable[None]]
H = TypeVar("H", bound=Handler)
F = TypeVar("F", bound=FormHandler)

NOWHERE = Place(chat="")
MAX_NAME = 300  # characters of a topic or a key
_COMMAND = re.compile(r"^[a-z][a-z0-9_]{0,31}$")  # what Telegram accepts, the strictest channel


async def _nothing(_topic: str) -> Records:
    return {}


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What a contact works on: how a check-in measures it, on how many days of a week.

    A program's check-in names it by its `slug`. `target` is what counts as a good day, for numbers
    and scales; `detail` holds whatever else the bot wants to know of it, as JSON values.
    """

    title: str
    slug: str = "goal"
    kind: str = "bool"
    unit: str = ""
    target: float | None = None
    days_per_week: int = 7
    grace_days: int = 1
    detail: Mapping[str, Any] = field(default_factory=dict)


async def _no_goals() -> list[Goal]:
    return []


@dataclass(frozen=True, kw_only=True)
class Post:
    """A message for another place than the one this turn answers in."""

    place: Place
    message: Message


@dataclass(kw_only=True)
class Turn:
    """One exchange as a handler sees it. `memory` belongs to the contact and is saved with it.

    `contact_name` is escaped for `say`: a person may call themselves `[win](https://…)`.
    `place` is where the answer goes, `origin` where the person was: another place when a command
    that was given in a room is answered to them alone. Compare them, keep them, post to them.
    """

    text: str
    arguments: str = ""
    payload: str = ""
    contact_name: str = ""
    locale: str | None = None
    timezone: str | None = None  # the contact's, an IANA name
    channel: str = ""  # its type: telegram, slack, sms, web…
    place: Place = NOWHERE
    origin: Place = NOWHERE
    attachments: tuple[InboundAttachment, ...] = ()
    memory: dict[str, Any] = field(default_factory=dict)
    said: list[Message] = field(default_factory=list)
    posted: list[Post] = field(default_factory=list)
    kept: dict[tuple[str, str], Any] = field(default_factory=dict)
    asked: type[BaseModel] | None = None
    human_wanted: bool = False
    question: str | None = None
    goals_set: list[Goal] = field(default_factory=list)
    joined: dict[str, bool] = field(default_factory=dict)  # by program; whether anew
    left: list[str] = field(default_factory=list)
    moment: datetime = field(default_factory=utc_now)  # by the clock that programs go by
    read_topic: Callable[[str], Awaitable[Records]] = field(default=_nothing, repr=False)
    read_goals: Callable[[], Awaitable[list[Goal]]] = field(default=_no_goals, repr=False)

    def say(
        self,
        text: str,
        *,
        choices: Sequence[Choice | str] = (),
        attachments: Sequence[Attachment] = (),
    ) -> None:
        """Say Markdown `text`; `choices` become buttons, or numbers where there are none.

        `attachments` are shown where the channel can, and are links where it can't.
        """
        self.said.append(_message(text, choices, attachments))

    def post(
        self,
        place: Place,
        text: str,
        *,
        choices: Sequence[Choice | str] = (),
        attachments: Sequence[Attachment] = (),
    ) -> None:
        """Say something in another place of this channel, such as the room of a team.

        A person who opted out of such messages gets none.
        """
        self.posted.append(Post(place=place, message=_message(text, choices, attachments)))

    def put(self, topic: str, key: str, value: Any) -> None:
        """Keep a JSON `value` under a topic that this bot's turns share; None forgets the key."""
        if not (0 < len(topic) <= MAX_NAME and 0 < len(key) <= MAX_NAME):
            raise ValueError(f"topics and keys have 1 to {MAX_NAME} characters")
        self.kept[topic, key] = value

    async def topic(self, topic: str) -> Records:
        """What was put under a topic, this turn's own included; the latest 1,000 of it."""
        records = {**await self.read_topic(topic)}
        records |= {key: value for (where, key), value in self.kept.items() if where == topic}
        return {key: value for key, value in records.items() if value is not None}

    def set_goal(self, goal: Goal) -> None:
        """Let the contact work on this from now on; check-ins and `/progress` know it then."""
        if not 0 < len(goal.title.strip()) <= MAX_NAME:
            raise ValueError(f"a goal's title has 1 to {MAX_NAME} characters")
        if not (1 <= goal.days_per_week <= 7 and 0 <= goal.grace_days <= 6):
            raise ValueError("a goal is for 1 to 7 days a week, with at most 6 days of grace")
        self.goals_set.append(goal)

    async def goals(self) -> list[Goal]:
        """What the contact works on, the newest last, this turn's own included."""
        return [*await self.read_goals(), *self.goals_set]

    def join(self, program: str, *, anew: bool = False) -> None:
        """Enter a program by its name; who is in it stays as they are, unless `anew`."""
        self.joined[program] = anew

    def leave(self, program: str) -> None:
        """Leave a program: nothing more of it is sent."""
        self.left.append(program)

    def ask(self, form: type[BaseModel]) -> None:
        """Begin a form after what was said: one question for each of its fields."""
        self.asked = form

    def answer(self, question: str | None = None) -> None:
        """Answer from the creator's knowledge after what was said."""
        self.question = question or self.text

    def call_human(self) -> None:
        """Mark the conversation as waiting for a person; a coach can then reply over REST."""
        self.human_wanted = True

    def local_now(self) -> datetime:
        """The time on the contact's clock; UTC as long as their zone isn't known."""
        return self.moment.astimezone(ZoneInfo(self.timezone or "UTC"))


def _message(
    text: str, choices: Sequence[Choice | str], attachments: Sequence[Attachment]
) -> Message:
    offered = tuple(Choice(label=c, value=c) if isinstance(c, str) else c for c in choices)
    return Message(text=text, choices=offered, attachments=tuple(attachments))


@dataclass(frozen=True, kw_only=True)
class Command:
    name: str
    help: str
    handler: Handler


@dataclass(frozen=True, kw_only=True)
class Pattern:
    regex: re.Pattern[str]
    handler: Handler


@dataclass
class Bot:
    """A bot: who it is, what it knows and what it does. Everything else is answered from knowledge.

    `persona` is what the language model is told of its role, `knowledge` a folder beside `bot.py`
    that seeds a new creator, `suggestions` first questions to offer in an empty chat. `programs`
    are live for every creator who uses it, `drafts` only once they publish them.
    """

    name: str
    persona: str
    greeting: str = "Hello! Ask me anything."
    knowledge: str | None = None
    suggestions: tuple[str, ...] = ()
    folder: Path | None = None
    commands: dict[str, Command] = field(default_factory=dict)
    patterns: list[Pattern] = field(default_factory=list)
    actions: dict[str, Handler] = field(default_factory=dict)
    forms: dict[str, type[BaseModel]] = field(default_factory=dict)
    form_handlers: dict[str, FormHandler] = field(default_factory=dict)
    start_handler: Handler | None = None
    attachment_handler: Handler | None = None
    programs: tuple[Program, ...] = ()  # as `programs.py` declares them
    drafts: tuple[Program, ...] = ()

    def start(self, handler: H) -> H:
        """Run when a contact opens the bot; `turn.payload` holds a deep link's value."""
        self.start_handler = handler
        return handler

    def attachment(self, handler: H) -> H:
        """Run when a contact sends a photo, a voice message or a file without words."""
        self.attachment_handler = handler
        return handler

    def command(self, name: str, *, help: str = "") -> Callable[[H], H]:
        """Run on `/name`; `turn.arguments` holds what follows."""
        if not _COMMAND.fullmatch(name) or name in self.commands:
            raise ValueError(f"command {name!r} must be new and match {_COMMAND.pattern}")

        def register(handler: H) -> H:
            self.commands[name] = Command(name=name, help=help, handler=handler)
            return handler

        return register

    def message(self, pattern: str) -> Callable[[H], H]:
        """Run when a message matches `pattern` (searched, ignoring case); first match wins."""
        regex = re.compile(pattern, re.IGNORECASE)

        def register(handler: H) -> H:
            self.patterns.append(Pattern(regex=regex, handler=handler))
            return handler

        return register

    def action(self, value: str) -> Callable[[H], H]:
        """Run when a contact picks the choice with this value (`name` or `name:argument`)."""

        def register(handler: H) -> H:
            self.actions[value] = handler
            return handler

        return register

    def form(self, model: type[BaseModel]) -> Callable[[F], F]:
        """Run with the filled form; `turn.ask(Model)` begins it."""

        def register(handler: F) -> F:
            self.forms[model.__name__] = model
            self.form_handlers[model.__name__] = handler
            return handler

        return register


__all__ = [
    "Attachment",
    "Bot",
    "Branch",
    "Choice",
    "Command",
    "Content",
    "Expects",
    "InboundAttachment",
    "Message",
    "Pattern",
    "Place",
    "Post",
    "Program",
    "QuietHours",
    "Records",
    "Span",
    "Step",
    "Turn",
    "When",
]
