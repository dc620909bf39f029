"""What came with a message besides words: photos, voices, files, places… as attachments.

https://core.telegram.org/bots/api#message; a `file_id` is what getFile wants.
"""

from collections.abc import Callable
from typing import Any

from aiogram import types

from core.channels import InboundAttachment

MAX_NAME = 200

_KINDS = (
    "animation",
    "audio",
    "checklist",
    "contact",
    "dice",
    "document",
    "game",
    "invoice",
    "location",
    "paid_media",
    "photo",
    "poll",
    "sticker",
    "story",
    "venue",
    "video",
    "video_note",
    "voice",
)
# Telegram repeats these for clients that don't know the newer kind.
_REPEATED = {"animation": "document", "venue": "location"}
# What Telegram makes of everything of a kind, where it doesn't say so itself.
_MEDIA_TYPES = {"photo": "image/jpeg", "video_note": "video/mp4", "voice": "audio/ogg"}


def attachments_of(message: types.Message) -> tuple[InboundAttachment, ...]:
    """Every attachment of a message; nothing is fetched."""
    found = {kind: getattr(message, kind, None) for kind in _KINDS}
    given = {kind: value for kind, value in found.items() if value is not None}
    for kind, repeated in _REPEATED.items():
        if kind in given:
            given.pop(repeated, None)
    return tuple(_READERS.get(kind, _file)(kind, value) for kind, value in given.items())


def _file(kind: str, file: Any) -> InboundAttachment:
    """Anything with a `file_id`; kinds without one have nothing to fetch."""
    return InboundAttachment(
        kind=kind,
        ref=getattr(file, "file_id", None) or "",
        name=(getattr(file, "file_name", None) or "")[:MAX_NAME],
        media_type=getattr(file, "mime_type", None) or _MEDIA_TYPES.get(kind, ""),
        size=getattr(file, "file_size", None),
    )


def _photo(kind: str, sizes: list[types.PhotoSize]) -> InboundAttachment:
    """The largest of the sizes that Telegram made."""
    if not sizes:
        return InboundAttachment(kind=kind)
    return _file(kind, max(sizes, key=lambda size: size.width * size.height))


def _sticker(kind: str, sticker: types.Sticker) -> InboundAttachment:
    media_type = "image/webp"
    if sticker.is_animated:
        media_type = "application/x-tgsticker"
    elif sticker.is_video:
        media_type = "video/webm"
    named = {"name": sticker.emoji or "", "media_type": media_type}
    return _file(kind, sticker).model_copy(update=named)


def _location(kind: str, location: types.Location) -> InboundAttachment:
    return InboundAttachment(kind=kind, name=_geo(location), media_type="text/plain")


def _venue(kind: str, venue: types.Venue) -> InboundAttachment:
    place = f"{venue.title}, {venue.address}"[:MAX_NAME]
    return InboundAttachment(
        kind=kind, name=f"{place} ({_geo(venue.location)})", media_type="text/plain"
    )


def _contact(kind: str, contact: types.Contact) -> InboundAttachment:
    names = (contact.first_name, contact.last_name, contact.phone_number)
    name = " ".join(part for part in names if part)
    return InboundAttachment(kind=kind, name=name[:MAX_NAME], media_type="text/plain")


def _geo(location: types.Location) -> str:
    """The place as text. https://www.rfc-editor.org/rfc/rfc5870"""
    return f"geo:{location.latitude:.6f},{location.longitude:.6f}"


_READERS: dict[str, Callable[[str, Any], InboundAttachment]] = {
    "photo": _photo,
    "sticker": _sticker,
    "location": _location,
    "venue": _venue,
    "contact": _contact,
}
