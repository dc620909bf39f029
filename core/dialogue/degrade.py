"""Fit a message to a channel: the marks it has, its buttons, its length. Pure; nothing is lost.

What a channel can't show becomes text: a link its address, choices a numbered list, citations
footnotes. A long text is cut between paragraphs, sentences, words or readers' characters.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate
from uuid import UUID

from core.channels import Capabilities, OutboundPart
from shared import richtext
from shared.messages import Choice, Citation, Message
from shared.richtext import Mark, RichText
from shared.utils.text import is_blank, is_grapheme_boundary

_CUTS = (
    re.compile(r"\n\s*\n"),  # paragraphs
    re.compile(r"\n"),
    re.compile(r"(?<=[.!?…])\s|(?<=[.!?…][\"')\]”’])\s|(?<=[。！？])"),  # sentences
    re.compile(r"\s"),
)
_LEAST_FILL = 0.3
"""A cut at a nicer place may not leave a part shorter than this share of the limit."""


def degrade(
    message: Message,
    capabilities: Capabilities,
    message_id: UUID,
    *,
    valid_seconds: float | None = None,
) -> tuple[OutboundPart, ...]:
    """The parts to send, in order; choices and citations ride on the last. Empty if unseen."""
    rich = richtext.from_markdown(message.text)
    has_buttons = 0 < len(message.choices) <= capabilities.buttons and not is_blank(rich.text)
    if not capabilities.citations:
        rich = _appended(rich, _footnotes(message.citations))
    if not has_buttons:
        rich = _appended(rich, _numbered(message.choices))
    pieces = split(reduce_marks(rich, capabilities.marks), capabilities)
    last = len(pieces) - 1
    return tuple(
        OutboundPart(
            message_id=message_id,
            index=index,
            count=len(pieces),
            text=piece,
            valid_seconds=valid_seconds,
            choices=message.choices if has_buttons and index == last else (),
            citations=message.citations if capabilities.citations and index == last else (),
        )
        for index, piece in enumerate(pieces)
    )


# --- what goes into the text


def _appended(rich: RichText, addition: str) -> RichText:
    if not addition:
        return rich
    gap = "" if is_blank(rich.text) else "\n\n"
    return RichText(text=f"{rich.text}{gap}{addition}", marks=rich.marks)


def _footnotes(citations: Sequence[Citation]) -> str:
    return "\n".join(
        f"[{citation.number}] {citation.title}"
        + (f" – {citation.heading}" if citation.heading else "")
        for citation in citations
    )


def _numbered(choices: Sequence[Choice]) -> str:
    return "\n".join(f"{number}. {choice.label}" for number, choice in enumerate(choices, start=1))


# --- marks


def reduce_marks(rich: RichText, marks: frozenset[str]) -> RichText:
    """Without marks the channel lacks: a link, a quote and a strike leave signs in the text."""
    insertions: list[tuple[int, str]] = []
    kept: list[Mark] = []
    for mark in rich.marks:
        if mark.kind in marks:
            kept.append(mark)
        elif mark.kind == "pre" and "code" in marks:
            kept.append(replace(mark, kind="code", value=""))
        else:
            insertions.extend(_signs(mark, rich.text))
    return _inserted(RichText(text=rich.text, marks=tuple(kept)), insertions)


def _signs(mark: Mark, text: str) -> Iterable[tuple[int, str]]:
    """What stands in the text for a mark that can't be shown."""
    if mark.kind == "link":
        label = text[mark.start : mark.end]
        bare = re.sub(r"^(?:mailto:|tel:)", "", mark.value)
        if label.strip() not in (mark.value, bare):
            yield mark.end, f" ({mark.value})"
    elif mark.kind == "quote":
        yield mark.start, "> "
        for line_break in re.finditer("\n", text[mark.start : mark.end]):
            yield mark.start + line_break.end(), "> "
    elif mark.kind == "strike":  # struck out and plain say opposite things
        yield from ((mark.start, "~"), (mark.end, "~"))


def _inserted(rich: RichText, insertions: list[tuple[int, str]]) -> RichText:
    """Put texts in at positions; marks keep covering what they covered."""
    if not insertions:
        return rich
    insertions.sort(key=lambda insertion: insertion[0])
    positions = [position for position, _ in insertions]
    shifts = [0, *accumulate(len(text) for _, text in insertions)]
    pieces: list[str] = []
    done = 0
    for position, text in insertions:
        pieces += [rich.text[done:position], text]
        done = position
    moved = tuple(
        replace(
            mark,
            start=mark.start + shifts[bisect_right(positions, mark.start)],
            end=mark.end + shifts[bisect_right(positions, mark.end - 1)],
        )
        for mark in rich.marks
    )
    return RichText(text="".join([*pieces, rich.text[done:]]), marks=moved)


# --- length


def split(rich: RichText, capabilities: Capabilities) -> list[RichText]:
    """Cut into pieces of at most `max_text`; only white space at the cuts is dropped."""
    text = rich.text
    costs = [0, *accumulate(richtext.char_cost(char, capabilities.text_unit) for char in text)]
    pieces: list[RichText] = []
    start, end = _stripped(text, 0, len(text))
    while start < end:
        furthest = bisect_right(costs, costs[start] + capabilities.max_text) - 1
        cut = end if furthest >= end else _cut(text, start, furthest)
        piece_start, piece_end = _stripped(text, start, cut)
        if not is_blank(text[piece_start:piece_end]):
            pieces.append(richtext.slice(rich, piece_start, piece_end))
        start = _stripped(text, cut, end)[0]
    return pieces


def _cut(text: str, start: int, furthest: int) -> int:
    """Where to end the piece that begins at `start` and may reach `furthest`."""
    furthest = max(furthest, start + 1)
    least = start + int((furthest - start) * _LEAST_FILL)
    for pattern in _CUTS:
        # One more character is looked at: a space right after the limit is a fine place to cut.
        ends = [found.start() for found in pattern.finditer(text, least, furthest + 1)]
        ends = [end for end in ends if start < end <= furthest]
        if ends:
            return ends[-1]
    for index in range(furthest, least, -1):
        if is_grapheme_boundary(text, index):
            return index
    return furthest  # one endless character of combining marks


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    """The bounds without white space at either end; empty when there is nothing else."""
    while end > start and text[end - 1].isspace():
        end -= 1
    while start < end and text[start].isspace():
        start += 1
    return start, end
