"""An answer cut into statements, each with the passages it names, and put together again. Pure.

Unlike `sentences`, which skips what can't be quoted, every character of the text belongs to a
statement or to the space between two: nothing a model wrote goes unchecked.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.llm.citations import MARKER, named
from core.llm.sentences import sentence_ends

# What begins a block of its own: list items, headings, quotes, tables, fences, images, HTML.
_OPENS = re.compile(r"[ \t]*(?:[-*+•]\s+|\d{1,3}[.)]\s+|#{1,6}\s+|>+\s*|\||```|~~~|!\[|<)")
_MARKERS = re.compile(rf"(?:\s*{MARKER.pattern})+", re.IGNORECASE)
_STOP = re.compile(r"[.!?…:]+[\"'”’»)*_]*$")
_STOP_BEFORE_MARKER = re.compile(r"([.!?…][\"'”’»)*_]*)(?=[\[【]\s*\^?\d)")


@dataclass(frozen=True, kw_only=True)
class Statement:
    """`text[start:end]`; `body` is it without list marks and [n], `passages` what the [n] name.

    `mark` is what its block begins with (`- `), which only the first statement of it contains.
    """

    start: int
    end: int
    block: int
    mark: str
    opens: bool
    body: str
    passages: tuple[int, ...]

    @property
    def announces(self) -> bool:
        """Whether it only leads to what follows: "You can:"."""
        return self.body.endswith(":")


def spaced(text: str) -> str:
    """`Begin small.[1] Go on.` with the space that tells two sentences apart."""
    return _STOP_BEFORE_MARKER.sub(r"\1 ", text)


def split(text: str, passages: int) -> list[Statement]:
    """The statements of a `spaced` text over so many passages."""
    found: list[Statement] = []
    for block, (start, stop) in enumerate(_blocks(text)):
        opened = _OPENS.match(text, start, stop)
        mark = opened.group() if opened else ""
        for left, right in _sentences(text, start, stop, len(mark)):
            bare = text[left + len(mark) if left == start else left : right]
            found.append(
                Statement(
                    start=left,
                    end=right,
                    block=block,
                    mark=mark,
                    opens=left == start,
                    body=" ".join(MARKER.sub("", bare).split()),
                    passages=_passages(bare, passages),
                )
            )
    return found


def _passages(text: str, count: int) -> tuple[int, ...]:
    numbers = [p for match in MARKER.finditer(text) for p in named(match["numbers"], count)]
    return tuple(dict.fromkeys(numbers))


def joined(text: str, kept: Sequence[Statement], named_by: Sequence[tuple[int, ...]]) -> str:
    """The statements kept, each naming the passages given, with the space that was between."""
    written = ""
    last, marked = 0, -1
    for statement, passages in zip(kept, named_by, strict=True):
        lines = text[last : statement.start].count("\n")
        if written:
            written += "\n" * min(lines, 2) if lines else " "
        if not statement.opens and statement.block != marked:
            written += statement.mark  # the one that had it was dropped
        written += _naming(text[statement.start : statement.end].rstrip(), statement, passages)
        last, marked = statement.end, statement.block
    return written


def _naming(sentence: str, statement: Statement, passages: tuple[int, ...]) -> str:
    """The sentence as it was when it names them already; else with markers before its stop."""
    if set(passages) == set(statement.passages):
        return sentence
    bare = MARKER.sub("", sentence)
    stop = _STOP.search(bare)
    place = stop.start() if stop else len(bare)
    return bare[:place] + "".join(f" [{p + 1}]" for p in passages) + bare[place:]


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    start: int | None = None
    end = 0
    for line in re.finditer(r"[^\n]*(?:\n|\Z)", text):
        content = line.group().strip()
        if start is not None and (not content or _OPENS.match(line.group())):
            yield start, end
            start = None
        if content:
            start = line.start() if start is None else start
            end = line.start() + len(line.group().rstrip())
    if start is not None:
        yield start, end


def _sentences(text: str, start: int, stop: int, mark: int) -> Iterator[tuple[int, int]]:
    """Spans of sentences; markers behind a stop belong to the sentence before them."""
    position = start
    for end in sentence_ends(text, start + mark, stop):
        behind = _MARKERS.match(text, end, stop)
        end = behind.end() if behind else end
        left = position + len(text[position:end]) - len(text[position:end].lstrip())
        if left < end:
            yield (start if position == start else left), end
        position = max(position, end)
