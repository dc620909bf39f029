"""PDF to text, page by page; the titles of its outline become headings where they stand."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

import pypdfium2
from pypdfium2 import PdfDocument, PdfiumError

from core.rag.reading.limits import MAX_TEXT_BYTES
from core.rag.reading.marked import heading, plain_line
from core.rag.reading.result import PAGE_BREAK, PDF, Reading, refused

_MAX_PAGES = 5000
_MAX_DEPTH = 6
_PASSWORD = pypdfium2.raw.FPDF_ERR_PASSWORD
# PDFium marks a hyphen at which a word is broken.
_BROKEN_WORD = re.compile("[\ufffe\x02\u00ad]\n?")
_ITEM = re.compile(r"\s*(?:[-–—•*▪◦‣]|\(?\d{1,3}[.)]|[A-Za-z][.)])\s")
# A line this much shorter than the longest ends its paragraph.
_FULL = 0.75

_Outline = Mapping[int, Mapping[str, int]]


def read(data: bytes) -> Reading:
    if not _is_whole(data):
        raise refused("unreadable_document")
    document = _opened(data)
    try:
        count = len(document)
        if count > _MAX_PAGES:
            raise refused("too_complex")
        outline = _outline(document)
        pages = [
            _laid_out(text, outline.get(number, {})) for number, text in enumerate(_texts(document))
        ]
        title = str(document.get_metadata_value("Title") or "").strip()
    finally:
        document.close()
    text = PAGE_BREAK.join(pages)
    return Reading(text=text, media_type=PDF, title=" ".join(title.split()), pages=count)


def _is_whole(data: bytes) -> bool:
    """The end mark stands after the last object; what follows it may be anything but objects."""
    end = data.rfind(b"%%EOF")
    return end >= 0 and b"endobj" not in data[end:]


def _opened(data: bytes) -> PdfDocument:
    try:
        return PdfDocument(data)
    except PdfiumError as error:
        is_locked = getattr(error, "err_code", None) == _PASSWORD
        raise refused("encrypted" if is_locked else "unreadable_document") from error


def _outline(document: PdfDocument) -> dict[int, dict[str, int]]:
    """By page: the titles that the outline has there, each with its level."""
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for bookmark in document.get_toc(max_depth=_MAX_DEPTH):
        target = bookmark.get_dest()
        index = target.get_index() if target else None
        if index is not None:
            found[index][_key(bookmark.get_title())] = bookmark.level + 1
    return found


def _texts(document: PdfDocument) -> Iterator[str]:
    left = MAX_TEXT_BYTES
    for number in range(len(document)):
        try:
            page = document[number]
        except PdfiumError as error:
            raise refused("unreadable_document") from error
        text_page = page.get_textpage()
        text = text_page.get_text_bounded()
        text_page.close()
        page.close()
        left -= len(text)
        if left < 0:
            raise refused("too_large")
        yield text


def _laid_out(text: str, titles: Mapping[str, int]) -> str:
    """The page's lines joined to paragraphs, with its headings between them."""
    whole = _BROKEN_WORD.sub("", text.replace("\r\n", "\n").replace(PAGE_BREAK, "\n"))
    lines = [line.rstrip() for line in whole.split("\n")]
    longest = max(map(len, lines))
    parts: list[str] = []
    goes_on = False
    for line in lines:
        level = titles.get(_key(line)) if line else None
        if level:
            parts.append(f"\n{heading(line, level)}\n")
        elif goes_on and line and not _ITEM.match(line):
            parts[-1] += f" {line.strip()}"
        else:
            parts.append(plain_line(line))
        goes_on = not level and len(line) >= longest * _FULL
    return "\n".join(parts).strip("\n")


def _key(title: str) -> str:
    return " ".join(title.casefold().split())
