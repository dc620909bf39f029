"""Cut a document into passages that keep their heading and their exact place in the text."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from markdown_it import MarkdownIt

from core.rag.reading.marked import HEADING
from core.rag.reading.result import CSV, DOCX, HTML, MARKDOWN, PAGE_BREAK, PDF

SIZE = 1200
OVERLAP = 150
# A rest this little over the size is not worth a chunk of its own.
SLACK = 1.25
SEPARATOR = " › "

# Block structure only: headings are found without parsing what stands inside the paragraphs.
_BLOCKS = MarkdownIt("commonmark")
_BLOCKS.core.ruler.enableOnly(["normalize", "block"])
_BREAKS = (
    re.compile(r"\n\s*\n"),
    re.compile(r"[.!?…][\"'”’)\]]*\s+|[。！？]|\n"),
    re.compile(r"\s+"),
)


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """`text` is exactly `document[start:end]`; `heading` is the breadcrumb above it.

    `page` counts from 1, in a document that has pages: no chunk goes over the end of one.
    """

    ordinal: int
    text: str
    heading: str
    start: int
    end: int
    page: int | None = None


@dataclass(frozen=True, kw_only=True)
class Section:
    heading: str
    start: int
    end: int
    page: int | None = None


def split(
    text: str, *, media_type: str = "text/plain", size: int = SIZE, overlap: int = OVERLAP
) -> list[Chunk]:
    """Chunks of about `size` characters; within a section neighbours share about `overlap`."""
    find = _HEADINGS.get(media_type)
    sections = list(_sections(text, find)) if find else [_whole(text)]
    chunks = list(_cut(text, sections, size, overlap))
    # A document of headings alone still says something.
    return chunks or list(_cut(text, [_whole(text)], size, overlap))


def _cut(text: str, sections: list[Section], size: int, overlap: int) -> Iterator[Chunk]:
    ordinal = 0
    for section in _by_page(text, sections):
        for start, end in _windows(text, section.start, section.end, size, overlap):
            yield Chunk(
                ordinal=ordinal,
                text=text[start:end],
                heading=section.heading,
                start=start,
                end=end,
                page=section.page,
            )
            ordinal += 1


def _by_page(text: str, sections: list[Section]) -> Iterator[Section]:
    """The sections, cut where a page ends."""
    breaks = [match.start() for match in re.finditer(PAGE_BREAK, text)]
    if not breaks:
        yield from sections
        return
    for section in sections:
        start, page = section.start, bisect_right(breaks, section.start)
        while page < len(breaks) and breaks[page] < section.end:
            yield Section(heading=section.heading, start=start, end=breaks[page], page=page + 1)
            start, page = breaks[page] + 1, page + 1
        yield Section(heading=section.heading, start=start, end=section.end, page=page + 1)


def _whole(text: str) -> Section:
    return Section(heading="", start=0, end=len(text))


def _sections(text: str, find: "_Find") -> Iterator[Section]:
    """The stretches between headings, each with the path of headings that leads to it."""
    path: list[tuple[int, str]] = []
    start = 0
    for found in find(text):
        yield Section(heading=_breadcrumb(path), start=start, end=found.start)
        path = [(depth, name) for depth, name in path if depth < found.level]
        path.append((found.level, found.title))
        start = found.end
    yield Section(heading=_breadcrumb(path), start=start, end=len(text))


@dataclass(frozen=True, kw_only=True)
class _Heading:
    level: int
    title: str
    start: int
    end: int


_Find = Callable[[str], Iterator[_Heading]]


def _markdown_headings(text: str) -> Iterator[_Heading]:
    offsets = _line_offsets(text)
    for token, inline in pairwise(_BLOCKS.parse(text)):
        if token.type == "heading_open" and token.level == 0 and token.map:
            yield _Heading(
                level=int(token.tag[1:]),
                title=inline.content.strip(),
                start=offsets[token.map[0]],
                end=offsets[token.map[1]],
            )


def _marked_headings(text: str) -> Iterator[_Heading]:
    for match in HEADING.finditer(text):
        yield _Heading(
            level=len(match[1]), title=match[2].strip(), start=match.start(), end=match.end()
        )


_HEADINGS: dict[str, _Find] = {
    MARKDOWN: _markdown_headings,
    HTML: _markdown_headings,
    DOCX: _markdown_headings,
    PDF: _marked_headings,
    CSV: _marked_headings,
}


def _breadcrumb(path: list[tuple[int, str]]) -> str:
    return SEPARATOR.join(name for _, name in path if name)


def _line_offsets(text: str) -> list[int]:
    return [0, *(match.end() for match in re.finditer("\n", text)), len(text)]


def _windows(text: str, start: int, end: int, size: int, overlap: int) -> Iterator[tuple[int, int]]:
    start, end = _trim(text, start, end)
    while start < end:
        if end - start <= size * SLACK:
            yield start, end
            return
        stop = _last_break(text, start + size // 2, start + size)
        yield _trim(text, start, stop)
        start = _skip_space(text, _first_break(text, stop - overlap, stop), end)


def _last_break(text: str, low: int, high: int) -> int:
    """The end of the last paragraph, else sentence, else word that ends between the two."""
    for pattern in _BREAKS:
        ends = [match.end() for match in pattern.finditer(text, low, high)]
        if ends:
            return ends[-1]
    return high


def _first_break(text: str, low: int, high: int) -> int:
    """Where the overlap begins: at a sentence, else at a word, else nowhere."""
    for pattern in _BREAKS[1:]:
        match = pattern.search(text, low, high)
        if match is not None:
            return match.end()
    return high


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    start = _skip_space(text, start, end)
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _skip_space(text: str, start: int, end: int) -> int:
    while start < end and text[start].isspace():
        start += 1
    return start
