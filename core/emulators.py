"""DOOR for emulators: a platform's API faked at the wire, with the people who use it.

Each adapter folder may have one in `emulator.py` with `create_emulator()`. Tests drive it by
`says` and `taps`, `cairn dev` shows it in the simulator, bot authors get it as a pytest fixture.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import httpx
from pydantic import Field
from starlette.types import Receive, Scope, Send

from shared.messages import Value


class Mark(Value):
    """Formatting of `text[start:end]`; kinds as in `shared.richtext`; `value`: a link's target."""

    kind: str
    start: int
    end: int
    value: str = ""


class Button(Value):
    """Something to tap under a bubble; `value` is handed back to `taps`."""

    label: str
    value: str


class Bubble(Value):
    """One message as the platform's own app would show it."""

    id: str
    author: Literal["person", "bot", "notice"]
    name: str = ""
    text: str
    marks: tuple[Mark, ...] = ()
    buttons: tuple[Button, ...] = ()
    context: tuple[str, ...] = Field((), description="small print below, such as citations")
    images: tuple[str, ...] = Field((), description="addresses of pictures")
    thread: str | None = Field(None, description="the bubble this one answers, in a channel")
    edited: bool = False
    growing: bool = Field(False, description="still being written")
    state: Literal["", "queued", "sent", "delivered", "read", "failed"] = ""
    segments: int = Field(0, description="text message segments it costs")
    encoding: str = ""
    reactions: tuple[str, ...] = ()
    at: float = Field(description="seconds since 1970")


class Place(Value):
    """A window somebody looks at: a chat, a channel, one person's phone."""

    id: str
    title: str
    kind: Literal["dm", "channel", "phone"]
    person: str = Field(description="whose window it is")


@runtime_checkable
class Narrates(Protocol):
    """An optional ability: the platform shows what the bot says it is doing."""

    def status(self, place: str) -> str: ...


@runtime_checkable
class CatchesUp(Protocol):
    """An optional ability: fetch what was said since, where nothing is pushed to people."""

    async def catch_up(self) -> None: ...


@runtime_checkable
class Emulator(Protocol):
    """An ASGI application; one account with the credentials below exists from the start."""

    name: ClassVar[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...

    @property
    def credentials(self) -> dict[str, str]:
        """What a channel of this type must be created with to reach this emulator."""

    def connect(self, webhook_url: str) -> None:
        """Where what people do is posted, signed as the platform signs."""

    # --- for tests

    @property
    def sent(self) -> Sequence[Any]:
        """What the bot sent and the platform accepted, in order."""

    def texts(self, place: str | None = None) -> list[str]:
        """The texts of `sent`, as a person reads them."""

    async def says(self, text: str, **details: Any) -> httpx.Response | None:
        """A person writes; the webhook's answer."""

    async def taps(self, label: str, **details: Any) -> httpx.Response | None:
        """A person taps the newest button with this label. Raises LookupError without one."""

    def fails(self, kind: str, **details: Any) -> None:
        """Script a fault for calls to come."""

    async def close(self) -> None: ...

    # --- for the simulator

    @property
    def revision(self) -> int:
        """Grows with everything that can be seen."""

    def places(self) -> tuple[Place, ...]: ...

    def view(self, place: str) -> tuple[Bubble, ...]:
        """What stands in a place, oldest first; the last few hundred."""

    def is_typing(self, place: str) -> bool: ...

    async def writes(self, place: str, text: str, *, thread: str | None = None) -> None:
        """The place's person writes there, or below the bubble `thread`."""

    async def presses(self, place: str, bubble: str, value: str) -> None:
        """The place's person taps a button of a bubble."""
