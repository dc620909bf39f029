"""Whole sentences of a Markdown passage, each with its exact place in the text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

_ABBREVIATIONS = frozenset(
    {
        *("a.m", "al", "approx", "ca", "cf", "dr", "e.g", "etc", "fig", "i.e", "inc", "ltd", "mr"),
        *("mrs", "ms", "no", "nr", "p", "p.m", "pp", "prof", "st", "u.k", "u.s", "vol", "vs"),
        *("bzw", "d.h", "usw", "z.b", "p.ex"),
    }
)
_END = re.compile(r"(?:[.!?…]+[\"'”’»)\]*_]*(?=\s|$))|(?:[。！？]+[」』”’)]*)")
_NEXT = re.compile(r"\s*(\S)")
_LONGEST_ABBREVIATION = 16
_HEADING = re.compile(r"\s{0,3}#{1,6}\s+(?P<title>.*?)\s*#*\s*$")
_BULLET = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s+(?:\[[ xX]\]\s+)?")
_QUOTED = re.compile(r"\s*>\s?")
_FENCE = re.compile(r"\s*(?:```|~~~)")
# Table rows, rules, images, comments and link definitions say nothing by themselves.
_SKIPPED = re.compile(r"\s*(?:\||(?:[-*_=]\s*){3,}$|!\[|<!--|\[[^\]]+\]:\s)")
_SOURCES = re.compile(r"\s*(?:sources?|references?|further reading|bibliography)\s*$", re.I)


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """`text[start:end]` of its passage is the verbatim quote; `text` is how it reads alone."""

    start: int
    end: int
    text: str
    heading: str
    is_bullet: bool
    is_whole: bool
    is_source: bool

    @property
    def is_question(self) -> bool:
        return self.text.rstrip("\"'”’»)*_").endswith(("?", "？"))


@dataclass(frozen=True, kw_only=True)
class _Block:
    """A paragraph or a list item without its marker."""

    start: int
    end: int
    heading: str
    is_bullet: bool


def sentences(text: str) -> list[Sentence]:
    """In reading order; headings are context, not sentences."""
    found = [s for block in _blocks(text) for s in _of_block(text, block)]
    if not found:
        return []
    # A chunk may begin or end in the middle of a sentence.
    if not found[0].is_bullet and found[0].text[:1].islower():
        found[0] = replace(found[0], is_whole=False)
    return found


def is_source(heading: str) -> bool:
    """Whether a heading stands above a list of literature, which answers nothing."""
    return _SOURCES.search(heading.rsplit("›", 1)[-1]) is not None


def _blocks(text: str) -> Iterator[_Block]:
    heading, fenced, open_block = "", False, None
    for start, end in _lines(text):
        line = text[start:end]
        if _FENCE.match(line):
            fenced = not fenced
        title = _HEADING.match(line)
        if fenced or _breaks(line):
            yield from _maybe(open_block)
            open_block, heading = None, title["title"] if title and not fenced else heading
            continue
        marker = _BULLET.match(line)
        if open_block and not marker:
            open_block = replace(open_block, end=end)
            continue
        yield from _maybe(open_block)
        inset = marker.end() if marker else _inset(line)
        open_block = _Block(
            start=start + inset, end=end, heading=heading, is_bullet=marker is not None
        )
    yield from _maybe(open_block)


def _maybe(block: _Block | None) -> tuple[_Block, ...]:
    return () if block is None else (block,)


def _lines(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for line in text.split("\n"):
        yield start, start + len(line)
        start += len(line) + 1


def _breaks(line: str) -> bool:
    """Whether a line ends the block before it and is none itself."""
    return not line.strip() or any(p.match(line) for p in (_HEADING, _FENCE, _SKIPPED))


def _inset(line: str) -> int:
    quoted = _QUOTED.match(line)
    return quoted.end() if quoted else len(line) - len(line.lstrip())


def _of_block(text: str, block: _Block) -> Iterator[Sentence]:
    start = block.start
    for end in sentence_ends(text, block.start, block.end):
        quote = text[start:end]
        left = start + len(quote) - len(quote.lstrip("> \t\n"))
        right = start + len(quote.rstrip())
        if left < right:
            readable = " ".join(re.sub(r"\n\s*>\s?", " ", text[left:right]).split())
            yield Sentence(
                start=left,
                end=right,
                text=readable,
                heading=block.heading,
                is_bullet=block.is_bullet,
                is_whole=block.is_bullet or _END.search(readable[-4:]) is not None,
                is_source=is_source(block.heading),
            )
        start = end


def sentence_ends(text: str, start: int, stop: int) -> Iterator[int]:
    """Where the sentences of `text[start:stop]` end."""
    for match in _END.finditer(text, start, stop):
        if not _is_abbreviation(text, start, match) and _begins_anew(text, match.end()):
            yield match.end()
    yield stop


def _is_abbreviation(text: str, start: int, match: re.Match[str]) -> bool:
    if match.group() != ".":
        return False
    before = text[max(start, match.start() - _LONGEST_ABBREVIATION) : match.start()]
    word = re.split(r"[\s(\[\"“]", before)[-1]
    is_initial = len(word) == 1 and word.isalpha() and word.isupper() and word != "I"
    return is_initial or word.lower() in _ABBREVIATIONS


def _begins_anew(text: str, end: int) -> bool:
    """A small letter after the stop continues the sentence ("… Yahoo! is")."""
    following = _NEXT.match(text, end)
    return following is None or not following[1].islower()
