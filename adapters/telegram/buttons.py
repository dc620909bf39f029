"""Choices as an inline keyboard, and a tapped button back to its choice. Pure.

https://core.telegram.org/bots/api#inlinekeyboardbutton
"""

import base64
import re
from uuid import UUID

from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup

from core.channels import OutboundPart
from shared.messages import Choice

CALLBACK_BYTES = 64
_ROW_LABELS = 3
_ROW_LETTERS = 24
"""About what fits side by side on a narrow phone before labels are cut."""


def keyboard(part: OutboundPart) -> InlineKeyboardMarkup | None:
    """The choices as buttons: short labels share a row, a long one has its own."""
    if not part.choices:
        return None
    rows: list[list[InlineKeyboardButton]] = []
    letters = 0
    for index, choice in enumerate(part.choices):
        button = InlineKeyboardButton(
            text=choice.label, callback_data=callback_data(part, index, choice)
        )
        letters += len(choice.label)
        if not rows or len(rows[-1]) == _ROW_LABELS or letters > _ROW_LETTERS:
            rows.append([])
            letters = len(choice.label)
        rows[-1].append(button)
    return InlineKeyboardMarkup(inline_keyboard=rows)


def callback_data(part: OutboundPart, index: int, choice: Choice) -> str:
    """`v:<value>` where it fits in 64 bytes, else `i:<message id>:<index>`.

    `choice_value` is the way back; nothing has to be stored for a button to work.
    """
    value = f"v:{choice.value}"
    if len(value.encode()) <= CALLBACK_BYTES:
        return value
    name = base64.urlsafe_b64encode(part.message_id.bytes).decode().rstrip("=")
    return f"i:{name}:{index}"


def choice_value(callback_data: str) -> str:
    """What a tapped button stands for, see `callback_data`.

    The value itself, or `choice:<message uuid>:<index>` for one too long to travel.
    """
    if callback_data.startswith("v:"):
        return callback_data[2:]
    match = re.fullmatch(r"i:([A-Za-z0-9_-]{22}):(\d{1,3})", callback_data)
    if match is None:
        return callback_data
    message_id = UUID(bytes=base64.urlsafe_b64decode(match[1] + "=="))
    return f"choice:{message_id}:{int(match[2])}"
