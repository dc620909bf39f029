"""A message that grows by edits: what fits of an unfinished text, and edits that change nothing.

https://core.telegram.org/bots/api#editmessagetext; every edit counts as a message sent.
"""

from itertools import accumulate

from aiogram.exceptions import TelegramBadRequest
from aiogram.methods import EditMessageText, SendMessage
from aiogram.types import LinkPreviewOptions

from adapters.telegram import buttons, render
from core.channels import Address, OutboundPart
from shared import richtext
from shared.richtext import RichText
from shared.utils.text import is_grapheme_boundary

MAX_TEXT = 4096  # UTF-16 units, after entity parsing
NO_PREVIEW = LinkPreviewOptions(is_disabled=True)


def fitted(markdown: str) -> RichText:
    """As much of a growing text as one message shows."""
    rich = richtext.from_markdown(markdown)
    units = accumulate(richtext.char_cost(char, "utf16") for char in rich.text)
    end = sum(used <= MAX_TEXT for used in units)
    while not is_grapheme_boundary(rich.text, end):
        end -= 1
    return richtext.slice(rich, 0, end)


def message(to: Address, text: RichText, part: OutboundPart | None = None) -> SendMessage:
    return SendMessage(
        chat_id=to.chat,
        message_thread_id=thread_of(to),
        text=text.text,
        entities=render.entities(text) or None,
        reply_markup=buttons.keyboard(part) if part else None,
        link_preview_options=NO_PREVIEW,
        parse_mode=None,
    )


def edit(external_id: str, text: RichText, part: OutboundPart | None = None) -> EditMessageText:
    """The text in place of what stands there; the keyboard comes with the finished `part`."""
    chat, _, message_id = external_id.rpartition(":")
    return EditMessageText(
        chat_id=chat,
        message_id=int(message_id),
        text=text.text,
        entities=render.entities(text) or None,
        reply_markup=buttons.keyboard(part) if part else None,
        link_preview_options=NO_PREVIEW,
        parse_mode=None,
    )


def thread_of(to: Address) -> int | None:
    return int(to.thread) if to.thread else None


def stands_already(error: TelegramBadRequest) -> bool:
    return "message is not modified" in error.message.lower()


def is_in(external_id: str, to: Address) -> bool:
    """Whether the message is in this chat, which may have moved since."""
    return external_id.rpartition(":")[0] == to.chat
