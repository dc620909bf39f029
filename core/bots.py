"""DOOR for bots: a bot is a plain declaration of what it says, asks and starts.

Handlers speak through the `Turn` they are given; nothing they say or remember takes effect until
the engine commits the whole turn, so a handler may run twice but a contact sees it once.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from shared.messages import Choice, Message

Handler = Callable[["Turn"], Awaitable[None]]
FormHandler = Callable[["Turn", Any], Awaitable[None]]
H = TypeVar("H", bound=Handler)
F = TypeVar("F", bound=FormHandler)

_COMMAND = re.compile(r"^[a-z][a-z0-9_]{0,31}$")  # what Telegram accepts, the strictest channel


@dataclass(kw_only=True)
class Turn:
    """One exchange as a handler sees it. `memory` belongs to the contact and is saved with it.

    `contact_name` is escaped for `say`: a person may call themselves `[win](https://…)`.
    """

    text: str
    arguments: str = ""
    payload: str = ""
    contact_name: str = ""
    locale: str | None = None
    memory: dict[str, Any] = field(default_factory=dict)
    said: list[Message] = field(default_factory=list)
    asked: type[BaseModel] | None = None
    human_wanted: bool = False
    question: str | None = None

    def say(self, text: str, *, choices: Sequence[Choice | str] = ()) -> None:
        """Say Markdown `text`; `choices` become buttons, or numbers where there are none."""
        offered = tuple(Choice(label=c, value=c) if isinstance(c, str) else c for c in choices)
        self.said.append(Message(text=text, choices=offered))

    def ask(self, form: type[BaseModel]) -> None:
        """Begin a form after what was said: one question for each of its fields."""
        self.asked = form

    def answer(self, question: str | None = None) -> None:
        """Answer from the creator's knowledge after what was said."""
        self.question = question or self.text

    def call_human(self) -> None:
        """Mark the conversation as waiting for a person; a coach can then reply over REST."""
        self.human_wanted = True


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
    that seeds a new creator, `suggestions` first questions to offer in an empty chat.
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

    def start(self, handler: H) -> H:
        """Run when a contact opens the bot; `turn.payload` holds a deep link's value."""
        self.start_handler = handler
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


__all__ = ["Bot", "Choice", "Command", "Message", "Pattern", "Turn"]
