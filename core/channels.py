"""DOOR for adapters: what a channel must do, what it can do, and the events it reports.

An adapter is parse + render + send + classify. Core owns the rest: commit before the platform is
answered, order, splitting to the channel's limits, rate limits, retries, the outbox and consent.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable
from uuid import UUID

from core.events import (
    ActionEvent,
    Address,
    ChannelEvent,
    CommandEvent,
    ConversationMigrated,
    InboundAttachment,
    MembershipEvent,
    MessageDeleted,
    MessageEdited,
    MessageEvent,
    OptEvent,
    ReactionEvent,
    ReceiptEvent,
    Sender,
    StartEvent,
    Unsupported,
)
from shared.errors import ChannelError
from shared.messages import Attachment, Choice, Citation
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
    # Credentials by space, of a channel that is installed in several (Slack's workspaces).
    installations: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    public_base_url: str = ""  # where this installation is reached; empty when nobody said

    @property
    def webhook_url(self) -> str:
        """Where the platform reaches this channel; empty when we don't know."""
        base = self.public_base_url.rstrip("/")
        return f"{base}/webhooks/{self.type}/{self.route_key}" if base else ""

    def credential(self, name: str, space: str | None = None) -> str | None:
        """A credential as this space has it, else as the whole channel has it."""
        own = self.installations.get(space, {}) if space else {}
        return own.get(name) or self.credentials.get(name)

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
    headers: tuple[tuple[str, str], ...] = ()  # a name may come twice (Set-Cookie)


# --- what comes of a request -------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """The events of one request, and the reply the platform wants."""

    events: tuple[ChannelEvent, ...] = ()
    reply: Reply = Reply()


# --- what goes out ------------------------------------------------------------------------------

TextUnit = Literal["codepoint", "utf16", "gsm7_or_ucs2"]


@dataclass(frozen=True, kw_only=True)
class Rate:
    """A pace the platform allows: so many sends a second, with `burst` at once after a rest."""

    per_second: float
    burst: int = 1


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
    attachments: frozenset[str] = frozenset()  # kinds shown as such; others become links
    caption_max: int = 0  # text an attachment may carry, in `text_unit`; 0 = none
    streaming: Literal["native", "edit", "none"] = "none"
    stream_seconds: float = 1.0  # the smallest pause between two updates of a growing answer
    account_rate: Rate | None = None  # all sends of the account (or of a space in it)
    conversation_rate: Rate | None = None  # sends to one person
    group_rate: Rate | None = None  # sends to one group or room
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
    attachments: tuple[Attachment, ...] = ()
    # How long it is still worth delivering; None = as long as the platform tries.
    valid_seconds: float | None = None


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
    credential_names: ClassVar[frozenset[str]]  # all that may be given; check_account requires

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

    async def connect(self, account: Account, webhook_url: str) -> Mapping[str, str] | None:
        """What the platform told of the bot (its name there) is kept in the settings."""

    async def disconnect(self, account: Account) -> None: ...


@runtime_checkable
class Reconciles(Protocol):
    """Can ask the platform what became of a send whose answer never came."""

    async def find(
        self, to: Address, part: OutboundPart, account: Account, since: datetime
    ) -> SendResult | None:
        """The part's names; None when the platform surely hasn't got it. Raises if unsure."""


@runtime_checkable
class Streams(Protocol):
    """Shows an answer while it is written. All text is Markdown, from the answer's beginning."""

    async def start_stream(self, to: Address, markdown: str, account: Account) -> str:
        """Show the first words; the name of the growing message."""

    async def grow_stream(
        self, to: Address, external_id: str, shown: str, markdown: str, account: Account
    ) -> None:
        """Show `markdown` where `shown` stands now; `markdown` may not begin with `shown`."""

    async def end_stream(
        self, to: Address, external_id: str, part: OutboundPart, account: Account
    ) -> SendResult:
        """Make the message be exactly this part. Safe to repeat."""


@runtime_checkable
class Downloads(Protocol):
    """Fetches what a person sent. Core caps the size and looks at what it really is."""

    def download(self, ref: str, account: Account) -> AsyncIterator[bytes]: ...


class Installations(Protocol):
    """Where an adapter keeps what an install gave it: encrypted, one row a space."""

    async def save(
        self, account: Account, space: str, credentials: Mapping[str, str], name: str
    ) -> None: ...

    async def remove(self, account: Account, space: str) -> None: ...


@runtime_checkable
class Installs(Protocol):
    """Is installed by a person's browser: `/{channel}/install/{route_key}` and below it."""

    async def install(
        self, request: InboundRequest, account: Account, installations: Installations
    ) -> Reply:
        """Answer one step. The URL's path ends in `/callback` when the platform sends back."""


@runtime_checkable
class DescribesApp(Protocol):
    """Can write the description from which the platform makes an app ready for this channel."""

    def manifest(self, account: Account, public_base_url: str) -> dict[str, Any]: ...


@runtime_checkable
class Reaches(Protocol):
    """Can begin a conversation with somebody whose address is known, before they have written."""

    def place_of(self, address: str) -> tuple[str, Address]:
        """The conversation's key and where messages to them go, as their own message would say."""


@runtime_checkable
class CountsSegments(Protocol):
    """Is charged, and paced, by the segments that a text takes."""

    def segments(self, part: OutboundPart) -> int: ...


@runtime_checkable
class Introduces(Protocol):
    """Can ask the platform about a person: name, locale, time zone."""

    async def describe(self, address: Address, account: Account) -> Sender: ...


__all__ = [
    "Account",
    "AcknowledgesActions",
    "ActionEvent",
    "Address",
    "Capabilities",
    "ChannelAdapter",
    "ChannelEvent",
    "CommandEvent",
    "Connects",
    "ConversationMigrated",
    "CountsSegments",
    "DescribesApp",
    "Downloads",
    "InboundAttachment",
    "InboundRequest",
    "Installations",
    "Installs",
    "Introduces",
    "Listens",
    "MembershipEvent",
    "MessageDeleted",
    "MessageEdited",
    "MessageEvent",
    "OptEvent",
    "OutboundPart",
    "Parsed",
    "Rate",
    "Reaches",
    "ReactionEvent",
    "ReceiptEvent",
    "Reconciles",
    "Reply",
    "SendResult",
    "Sender",
    "StartEvent",
    "Streams",
    "TextUnit",
    "Types",
    "Unsupported",
]
