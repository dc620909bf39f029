"""Rich text to the Bot API's text with entities. Pure.

Entities instead of a parse mode: nothing to escape, so no "can't parse entities".
https://core.telegram.org/bots/api#messageentity
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate

from aiogram.types import MessageEntity

from shared.richtext import Mark, MarkKind, RichText

MAX_ENTITIES = 100  # Telegram drops the rest
_TYPES: dict[MarkKind, str] = {
    "bold": "bold",
    "italic": "italic",
    "strike": "strikethrough",
    "code": "code",
    "pre": "pre",
    "link": "text_link",
    "quote": "blockquote",
}


def entities(rich: RichText) -> list[MessageEntity]:
    """The marks with offsets and lengths in UTF-16 code units, nested as Telegram allows."""
    units = [0, *accumulate(2 if char > "\uffff" else 1 for char in rich.text)]
    found = [
        MessageEntity(
            type=_TYPES[mark.kind],
            offset=units[mark.start],
            length=units[mark.end] - units[mark.start],
            url=mark.value if mark.kind == "link" else None,
            language=(mark.value or None) if mark.kind == "pre" else None,
        )
        for mark in _allowed(rich.marks)
    ]
    return found[:MAX_ENTITIES]


def _allowed(marks: Sequence[Mark]) -> list[Mark]:
    """Code holds no other mark; a link wins over code inside it, since it does something."""
    links = [mark for mark in marks if mark.kind == "link"]
    code = [mark for mark in marks if mark.kind in ("code", "pre") and _is_apart(mark, links)]
    kept = [*links, *code]
    for mark in marks:
        if mark.kind == "quote":
            kept.append(mark)
        elif mark.kind in ("bold", "italic", "strike"):
            kept.extend(_around(mark, code))
    return sorted(kept, key=lambda mark: (mark.start, -mark.end))


def _is_apart(mark: Mark, others: Sequence[Mark]) -> bool:
    return not any(_overlap(mark, other) for other in others)


def _overlap(one: Mark, other: Mark) -> bool:
    return one.start < other.end and other.start < one.end


def _around(mark: Mark, holes: Sequence[Mark]) -> Iterator[Mark]:
    """The pieces of the mark outside the holes (which are in order and apart)."""
    start = mark.start
    for hole in holes:
        if not _overlap(mark, hole):
            continue
        if start < hole.start:
            yield replace(mark, start=start, end=hole.start)
        start = max(start, hole.end)
    if start < mark.end:
        yield replace(mark, start=start)
