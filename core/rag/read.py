"""Turn an upload into text: what it is, is decided by its content, never by its name alone.

`READERS` is the registry: the first reader that recognises the bytes reads them.
"""

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass

from core.rag.chunk import MARKDOWN
from shared.errors import InvalidInput, PayloadTooLarge

MAX_BYTES = 10 * 1024 * 1024
PLAIN = "text/plain"

_MARKDOWN_NAMES = (".md", ".markdown")
_HEADING = re.compile(r"^#{1,6} +\S", re.MULTILINE)
# Form feed, tab, line ends and escape appear in text; the other control characters do not.
_CONTROLS = re.compile(rb"[\x00-\x06\x0e-\x1a\x1c-\x1f]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, kw_only=True)
class ReadText:
    text: str
    media_type: str


@dataclass(frozen=True, kw_only=True)
class Reader:
    """`recognises` looks at content and file name; `read` may raise InvalidInput."""

    recognises: Callable[[bytes, str], bool]
    read: Callable[[bytes, str], ReadText]


def read(data: bytes, filename: str = "") -> ReadText:
    """The text of an upload.

    Raises PayloadTooLarge, or InvalidInput with the code `unsupported_media_type` or `no_text`.
    """
    if len(data) > MAX_BYTES:
        raise PayloadTooLarge(f"a document may have {MAX_BYTES // 2**20} MB at most")
    for reader in READERS:
        if reader.recognises(data, filename):
            return reader.read(data, filename)
    raise InvalidInput(
        "this kind of file cannot be read; send Markdown or plain text",
        code="unsupported_media_type",
    )


def clean(text: str, filename: str = "") -> ReadText:
    """Text made fit to store: one kind of line end, nothing PostgreSQL or Unicode refuses."""
    if len(text) > MAX_BYTES or len(text.encode(errors="replace")) > MAX_BYTES:
        raise PayloadTooLarge(f"a document may have {MAX_BYTES // 2**20} MB at most")
    whole = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    whole = _SURROGATES.sub("\ufffd", whole).removeprefix("\ufeff")
    if not any(character.isalnum() for character in whole):
        raise InvalidInput("there is no text in this document", code="no_text")
    return ReadText(text=whole, media_type=_media_type(whole, filename))


def _media_type(text: str, filename: str) -> str:
    is_markdown = filename.lower().endswith(_MARKDOWN_NAMES) or _HEADING.search(text)
    return MARKDOWN if is_markdown else PLAIN


def _is_text(data: bytes, _filename: str) -> bool:
    if _bom_encoding(data):
        return True
    return not _CONTROLS.search(data) and not _is_other_format(data)


def _is_other_format(data: bytes) -> bool:
    """Formats that may be free of control characters at their beginning."""
    start = data[:1024].lstrip().lower()
    return start.startswith((b"%pdf-", b"{\\rtf", b"<!doctype html", b"<html", b"%!ps"))


def _read_text(data: bytes, filename: str) -> ReadText:
    return clean(_decode(data), filename)


def _decode(data: bytes) -> str:
    encoding = _bom_encoding(data) or "utf-8"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        if encoding == "utf-16":
            return data.decode(encoding, errors="replace")
    # What is not UTF-8 and has no mark is most likely Western; Latin-1 decodes any byte.
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _bom_encoding(data: bytes) -> str | None:
    return next((encoding for bom, encoding in _BOMS if data.startswith(bom)), None)


READERS: tuple[Reader, ...] = (Reader(recognises=_is_text, read=_read_text),)
