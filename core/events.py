"""The events channels report, as values: who, where, when, what. Part of `core.channels`' door."""

from datetime import datetime
from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.messages import Value


class Address(Value):
    """Where an answer goes: the platform's chat, its thread, and the person in it.

    `space` is the workspace, on a platform where one account serves several. `direct`: the chat
    is with this one person, though it has a name of its own (Slack's direct messages).
    """

    chat: str
    thread: str | None = None
    person: str | None = None
    space: str | None = None
    direct: bool = False

    @property
    def is_private(self) -> bool:
        """Whether only this person reads here."""
        return self.person is not None and (self.direct or self.chat == self.person)


class Sender(Value):
    """Who wrote, as the platform tells it. `address` identifies the person on this channel."""

    address: str
    name: str = ""
    username: str | None = None
    locale: str | None = None
    timezone: str | None = None  # an IANA name, where the platform or the number tells


class InboundAttachment(Value):
    """What a person sent beside or instead of text: photo, voice, file, sticker, location…

    `ref` is what `download` needs to fetch it; empty when there is nothing to fetch. It is stored,
    so it must hold no secret.
    """

    kind: str = Field(min_length=1, max_length=50)
    ref: str = ""
    name: str = ""
    media_type: str = ""
    size: int | None = None  # bytes, as the platform claims


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
    """A person wrote, or sent something; `text` is then its caption, often empty.

    `overheard`: not said to the bot (in a room, to others). It is taken only in a conversation
    that the bot is part of already; elsewhere nothing is stored.
    """

    kind = "message"
    text: str
    attachments: tuple[InboundAttachment, ...] = ()
    message_external_id: str | None = None
    overheard: bool = False


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
    """A person sent `/name arguments`. `origin`: where, when the answer goes to them alone."""

    kind = "command"
    name: str
    arguments: str = ""
    origin: Address | None = None


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
    # Our own name of the part, where the platform hands it back: settles an uncertain send too.
    message_id: UUID | None = None
    part: int = 0
    state: Literal["queued", "sent", "delivered", "read", "failed", "undelivered", "canceled"]
    error_code: str | None = None
    # A failure for a reason that passes: worth one more send.
    retryable: bool = False


class OptEvent(ChannelEvent):
    """A person opted in, out, or asked for help in the platform's own words.

    `answer`: the word may also answer us ("yes"), and does unless the person had opted out there.
    """

    kind = "opt"
    choice: Literal["in", "out", "help"]
    answer: MessageEvent | None = None


class ConversationMigrated(ChannelEvent):
    """The platform moved a chat to a new address."""

    kind = "migrated"
    new_chat: str


class Unsupported(ChannelEvent):
    """A well-signed payload that we do not understand: counted, never an error."""

    kind = "unsupported"
    reason: str = ""
