"""Cut a document into passages that keep their heading and their exact place in the text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

MARKDOWN = "text/markdown"
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
    """`text` is exactly `document[start:end]`; `heading` is the breadcrumb above it."""

    ordinal: int
    text: str
    heading: str
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Section:
    heading: str
    start: int
    end: int


def split(
    text: str, *, media_type: str = "text/plain", size: int = SIZE, overlap: int = OVERLAP
) -> list[Chunk]:
    """Chunks of about `size` characters; within a section neighbours share about `overlap`."""
    sections = list(_sections(text)) if media_type == MARKDOWN else []
    chunks = list(_cut(text, sections, size, overlap))
    # A document of headings alone still says something.
    return chunks or list(_cut(text, [_whole(text)], size, overlap))


def _cut(text: str, sections: list[Section], size: int, overlap: int) -> Iterator[Chunk]:
    ordinal = 0
    for section in sections or [_whole(text)]:
        for start, end in _windows(text, section.start, section.end, size, overlap):
            yield Chunk(
                ordinal=ordinal,
                text=text[start:end],
                heading=section.heading,
                start=start,
                end=end,
            )
            ordinal += 1


def _whole(text: str) -> Section:
    return Section(heading="", start=0, end=len(text))


def _sections(text: str) -> Iterator[Section]:
    """The stretches between headings, each with the path of headings that leads to it."""
    offsets = _line_offsets(text)
    path: list[tuple[int, str]] = []
    start = 0
    for level, title, first_line, end_line in _headings(_BLOCKS.parse(text)):
        yield Section(heading=_breadcrumb(path), start=start, end=offsets[first_line])
        path = [(depth, name) for depth, name in path if depth < level] + [(level, title)]
        start = offsets[end_line]
    yield Section(heading=_breadcrumb(path), start=start, end=len(text))


def _headings(tokens: list[Token]) -> Iterator[tuple[int, str, int, int]]:
    for token, inline in pairwise(tokens):
        if token.type == "heading_open" and token.level == 0 and token.map:
            yield int(token.tag[1:]), inline.content.strip(), token.map[0], token.map[1]


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
