"""DOOR for adapters: what a channel must do, what it can do, and the events it reports.

An adapter is parse + render + send + classify. Core owns the rest: commit before the platform is
answered, order, splitting to the channel's limits, rate limits, retries, the outbox and consent.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.errors import ChannelError
from shared.messages import Choice, Citation, Value
from shared.richtext import RichText

# --- what the gateway hands to an adapter -------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class InboundRequest:
    """One HTTP request of a platform, as received; header names are lower case."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime


@dataclass(frozen=True, kw_only=True)
class Account:
    """A creator's channel with its decrypted credentials, which its `repr` hides."""

    creator_id: UUID
    channel_id: UUID
    type: str
    route_key: str
    credentials: Mapping[str, str] = field(repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def api_base_url(self) -> str | None:
        """Stands in for the platform's own API address (another Bot API server, an emulator)."""
        value = self.settings.get("api_base_url")
        return str(value) if value else None


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the platform is answered once the events are committed."""

    status: int = 200
    body: str = ""
    content_type: str = "text/plain"


# --- events -------------------------------------------------------------------------------------


class Address(Value):
    """Where an answer goes: the platform's chat, its thread, and the person in it."""

    chat: str
    thread: str | None = None
    person: str | None = None


class Sender(Value):
    """Who wrote, as the platform tells it. `address` identifies the person on this channel."""

    address: str
    name: str = ""
    username: str | None = None
    locale: str | None = None


class ChannelEvent(BaseModel):
    """Something a platform reports. `external_id` is unique per channel: it de-duplicates."""

    model_config = ConfigDict(frozen=True)
    kind: ClassVar[str]

    creator_id: UUID
    channel_id: UUID
    external_id: str = Field(min_length=1, max_length=300)
    occurred_at: datetime
    address: Address
    sender: Sender
    raw: dict[str, Any] = Field(default_factory=dict, repr=False)


class MessageEvent(ChannelEvent):
    """A person wrote. `attachment_kinds` names what came without text (photo, voice, sticker…)."""

    kind = "message"
    text: str
    attachment_kinds: tuple[str, ...] = ()
    message_external_id: str | None = None


class MessageEdited(ChannelEvent):
    """A person changed a message they had sent."""

    kind = "edited"
    text: str
    message_external_id: str


class MessageDeleted(ChannelEvent):
    """A person withdrew a message."""

    kind = "deleted"
    message_external_id: str


class ReactionEvent(ChannelEvent):
    """A person reacted to a message; an empty `emoji` takes the reaction back."""

    kind = "reaction"
    emoji: str
    message_external_id: str


class ActionEvent(ChannelEvent):
    """A person tapped a button; `ack` is what `ack_action` needs to stop the platform's spinner."""

    kind = "action"
    value: str
    message_external_id: str | None = None
    ack: str | None = None


class CommandEvent(ChannelEvent):
    """A person sent `/name arguments`."""

    kind = "command"
    name: str
    arguments: str = ""


class StartEvent(ChannelEvent):
    """A person opened the bot, perhaps through a deep link that carried `payload`."""

    kind = "start"
    payload: str = ""


class MembershipEvent(ChannelEvent):
    """The bot's standing with a person or chat changed."""

    kind = "membership"
    change: Literal["joined", "left", "blocked", "unblocked", "installed", "uninstalled"]


class ReceiptEvent(ChannelEvent):
    """The platform tells what became of a message of ours."""

    kind = "receipt"
    message_external_id: str
    state: Literal["queued", "sent", "delivered", "read", "failed", "undelivered", "canceled"]
    error_code: str | None = None


class OptEvent(ChannelEvent):
    """A person opted in, out, or asked for help in the platform's own words."""

    kind = "opt"
    choice: Literal["in", "out", "help"]


class ConversationMigrated(ChannelEvent):
    """The platform moved a chat to a new address."""

    kind = "migrated"
    new_chat: str


class Unsupported(ChannelEvent):
    """A well-signed payload that we do not understand: counted, never an error."""

    kind = "unsupported"
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """The events of one request, and the reply the platform wants."""

    events: tuple[ChannelEvent, ...] = ()
    reply: Reply = Reply()


# --- what goes out ------------------------------------------------------------------------------

TextUnit = Literal["codepoint", "utf16", "gsm7_or_ucs2"]


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a channel can carry. Core fits every message to it before `send` sees it."""

    max_text: int
    text_unit: TextUnit = "codepoint"
    marks: frozenset[str] = frozenset()  # of bold italic strike code pre link quote
    buttons: int = 0  # the most choices shown as buttons; 0 = a numbered list instead
    button_value_bytes: int = 0
    citations: bool = False  # True: the channel shows citations itself; False: footnotes in text
    edit: bool = False
    delete: bool = False
    reactions: bool = False
    threads: bool = False
    typing_seconds: float | None = None  # how long one typing signal lasts
    streaming: Literal["native", "edit", "none"] = "none"
    delivery: Literal["push", "pull"] = "push"  # pull: the stored row is the delivery
    ack_seconds: float = 10.0


@dataclass(frozen=True, kw_only=True)
class OutboundPart:
    """One piece of a message that fits the channel: already split, marks already reduced."""

    message_id: UUID
    index: int
    count: int
    text: RichText
    choices: tuple[Choice, ...] = ()
    citations: tuple[Citation, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SendResult:
    """The platform took the part; `external_ids` are its names for it."""

    external_ids: tuple[str, ...]
    warnings: tuple[str, ...] = ()


# --- the contract -------------------------------------------------------------------------------


class ChannelAdapter(Protocol):
    """The five things every channel does. All I/O is in `send`; `parse` is pure and total."""

    name: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    credential_names: ClassVar[frozenset[str]]

    def check_account(self, account: Account) -> None:
        """Raise InvalidInput when credentials or settings can't work (before they are saved)."""

    async def verify(self, request: InboundRequest, account: Account) -> None:
        """Raise VerificationError unless the raw request is from the platform. Fails closed."""

    def parse(self, request: InboundRequest, account: Account) -> Parsed:
        """Turn a verified request into events. Unknown shapes become Unsupported, never raise."""

    def conversation(self, event: ChannelEvent) -> str:
        """The unit of order: a key unique per channel that names the person in 1:1 channels."""

    async def send(self, to: Address, part: OutboundPart, account: Account) -> SendResult:
        """Send one part once: no retries. Any failure is raised as the platform's own error."""

    def classify(self, error: Exception) -> ChannelError:
        """Translate what `send` raised. Unknown errors after bytes left are OutcomeUnknown."""

    async def close(self) -> None:
        """Close client sessions."""


# Optional abilities, found by isinstance.


@runtime_checkable
class Types(Protocol):
    async def typing(self, to: Address, account: Account) -> None: ...


@runtime_checkable
class AcknowledgesActions(Protocol):
    async def ack_action(self, ack: str, account: Account) -> None: ...


@runtime_checkable
class Listens(Protocol):
    """Pulls updates where no webhook can reach us (development)."""

    def listen(self, account: Account) -> AsyncIterator[InboundRequest]: ...


@runtime_checkable
class Connects(Protocol):
    """Tells the platform where our webhook is when a channel is created, and takes it back."""

    async def connect(self, account: Account, webhook_url: str) -> None: ...

    async def disconnect(self, account: Account) -> None: ...
