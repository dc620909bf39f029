"""What is done with an upload at once: refused, cleaned and taken, or left for a worker to read."""

import hashlib
import re
from dataclasses import dataclass

from core.rag.reading import limits
from core.rag.reading.formats import MARKDOWN_NAMES, SHIFTS, Format, bom_encoding, detect
from core.rag.reading.result import CSV, DOCX, HTML, MARKDOWN, PDF, PLAIN, refused
from shared.errors import PayloadTooLarge

MAX_BYTES = limits.MAX_UPLOAD_BYTES

_HEADING = re.compile(r"^#{1,6} +\S", re.MULTILINE)
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_MEDIA_TYPES: dict[Format, str] = {
    "pdf": PDF,
    "docx": DOCX,
    "html": HTML,
    "csv": CSV,
    "text": PLAIN,
}


@dataclass(frozen=True, kw_only=True)
class Content:
    """`text` is None where a worker has to read the bytes. `content_hash` names this version."""

    media_type: str
    content_hash: bytes
    size_bytes: int
    text: str | None


def take_file(data: bytes, filename: str = "") -> Content:
    """Look at an upload; Markdown and text in Unicode are read at once.

    Raises PayloadTooLarge, or InvalidInput with the code `unsupported_media_type`, `encrypted` or
    `no_text`.
    """
    _check_size(len(data))
    if not data.strip():
        raise refused("no_text")
    kind = detect(data, filename)
    text = _unicode(data) if kind == "text" else None
    if text is not None:
        return take_text(text, filename)
    return Content(
        media_type=_MEDIA_TYPES[kind],
        content_hash=hashlib.sha256(data).digest(),
        size_bytes=len(data),
        text=None,
    )


def take_text(text: str, filename: str = "") -> Content:
    """Raises PayloadTooLarge, or InvalidInput with the code `no_text`."""
    _check_size(len(text))
    whole = clean(text)
    encoded = whole.encode()
    _check_size(len(encoded))
    return Content(
        media_type=media_type_of(whole, filename),
        content_hash=hashlib.sha256(encoded).digest(),
        size_bytes=len(encoded),
        text=whole,
    )


def clean(text: str) -> str:
    """Text made fit to store: one kind of line end, nothing PostgreSQL or Unicode refuses.

    Raises InvalidInput with the code `no_text`.
    """
    whole = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    whole = _SURROGATES.sub("\ufffd", whole).removeprefix("\ufeff")
    if not any(character.isalnum() for character in whole):
        raise refused("no_text")
    return whole


def media_type_of(text: str, filename: str = "") -> str:
    is_markdown = filename.lower().endswith(MARKDOWN_NAMES) or _HEADING.search(text)
    return MARKDOWN if is_markdown else PLAIN


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise PayloadTooLarge(f"a document may have {MAX_BYTES // 2**20} MB at most")


def _unicode(data: bytes) -> str | None:
    if SHIFTS in data:
        return None
    encoding = bom_encoding(data) or "utf-8"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None
