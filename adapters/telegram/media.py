"""Pictures and documents by their address: Telegram fetches them itself.

https://core.telegram.org/bots/api#sending-files
"""

from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from aiogram.exceptions import TelegramBadRequest
from aiogram.methods import SendDocument, SendPhoto
from aiogram.methods.base import TelegramMethod
from aiogram.types import Message

from adapters.telegram import buttons, render
from adapters.telegram.stream import thread_of
from core.channels import Address, OutboundPart
from shared.messages import Attachment
from shared.richtext import Mark, RichText

MAX_CAPTION = 1024  # UTF-16 units, after entity parsing
# "In sendDocument, sending by URL will currently only work for GIF, PDF and ZIP files."
_DOCUMENTS = (".gif", ".pdf", ".zip")
# Of an address from which Telegram got nothing it can show.
_NOT_FETCHED = (
    "wrong file identifier/http url",
    "failed to get http url content",
    "wrong type of the web page content",
    "webpage_curl_failed",
    "webpage_media_empty",
    "image_process_failed",
    "photo_invalid_dimensions",
)


def is_sendable(attachment: Attachment) -> bool:
    """Whether Telegram would try to fetch it."""
    if attachment.kind == "image":
        return True
    path = urlsplit(attachment.url).path
    return PurePosixPath(path).suffix.lower() in _DOCUMENTS


def method(to: Address, part: OutboundPart, attachment: Attachment) -> TelegramMethod[Message]:
    """The attachment with the part's text as its caption."""
    shared: dict[str, Any] = {
        "chat_id": to.chat,
        "message_thread_id": thread_of(to),
        "caption": part.text.text or None,
        "caption_entities": render.entities(part.text) or None,
        "reply_markup": buttons.keyboard(part),
        "parse_mode": None,
    }
    if attachment.kind == "image":
        return SendPhoto(photo=attachment.url, **shared)
    return SendDocument(document=attachment.url, **shared)


def was_not_fetched(error: TelegramBadRequest) -> bool:
    return any(phrase in error.message.lower() for phrase in _NOT_FETCHED)


def as_link(part: OutboundPart, attachment: Attachment) -> RichText:
    """The part's text with a link in place of what can't be shown."""
    label = attachment.name or attachment.description or attachment.url
    gap = "\n\n" if part.text.text else ""
    start = len(part.text.text) + len(gap)
    link = Mark(kind="link", start=start, end=start + len(label), value=attachment.url)
    return RichText(text=f"{part.text.text}{gap}{label}", marks=(*part.text.marks, link))
