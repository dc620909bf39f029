"""Fit a message to a channel: the marks it has, its buttons, its length. Pure; nothing is lost.

What a channel can't show becomes text: a link its address, an attachment a link, choices a
numbered list, citations footnotes. A long text is cut between paragraphs, sentences, words or
readers' characters.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate
from uuid import UUID

from core.channels import Capabilities, OutboundPart
from shared import richtext
from shared.messages import Attachment, Choice, Citation, Message
from shared.richtext import Mark, RichText
from shared.utils.text import is_blank, is_grapheme_boundary

_CUTS = (
    re.compile(r"\n\s*\n"),  # paragraphs
    re.compile(r"\n"),
    re.compile(r"(?<=[.!?…])\s|(?<=[.!?…][\"')\]”’])\s|(?<=[。！？])"),  # sentences
    re.compile(r"\s"),
)
_ADDRESS = re.compile(r"\(?https?://\S*\Z")
_LEAST_FILL = 0.3
"""A cut at a nicer place may not leave a part shorter than this share of the limit."""


def degrade(
    message: Message,
    capabilities: Capabilities,
    message_id: UUID,
    *,
    valid_seconds: float | None = None,
) -> tuple[OutboundPart, ...]:
    """The parts to send, in order; empty if nothing would be seen.

    A short text rides with the first attachment; else attachments go before it, one a part.
    Choices and citations ride on the last part that has text.
    """
    rich = richtext.from_markdown(message.text)
    has_buttons = 0 < len(message.choices) <= capabilities.buttons and not is_blank(rich.text)
    shown = tuple(a for a in message.attachments if a.kind in capabilities.attachments)
    rich = _joined(rich, *_written_out(message, capabilities, shown, has_buttons=has_buttons))
    pieces = split(reduce_marks(rich, capabilities.marks), capabilities)
    pairs = _paired(pieces, shown, capabilities)
    parts = [
        OutboundPart(
            message_id=message_id,
            index=index,
            count=len(pairs),
            text=piece,
            attachments=attachments,
            valid_seconds=valid_seconds,
        )
        for index, (piece, attachments) in enumerate(pairs)
    ]
    last = max((part.index for part in parts if part.text.text), default=None)
    if last is not None:
        parts[last] = replace(
            parts[last],
            choices=message.choices if has_buttons else (),
            citations=message.citations if capabilities.citations else (),
        )
    return tuple(parts)


def _written_out(
    message: Message,
    capabilities: Capabilities,
    shown: tuple[Attachment, ...],
    *,
    has_buttons: bool,
) -> Iterable[RichText]:
    """What the channel can't show beside the text becomes part of it."""
    yield from (_link_to(a) for a in message.attachments if a not in shown)
    if not capabilities.citations:
        yield _plain(_footnotes(message.citations))
    if not has_buttons:
        yield _plain(_numbered(message.choices))


def _paired(
    pieces: list[RichText], attachments: tuple[Attachment, ...], capabilities: Capabilities
) -> list[tuple[RichText, tuple[Attachment, ...]]]:
    """Which text goes with which attachment."""
    alone: list[tuple[RichText, tuple[Attachment, ...]]] = [
        (RichText(text=""), (a,)) for a in attachments
    ]
    texts: list[tuple[RichText, tuple[Attachment, ...]]] = [(piece, ()) for piece in pieces]
    if not attachments or len(pieces) != 1:
        return alone + texts
    size = richtext.length(pieces[0].text, capabilities.text_unit)
    if size > capabilities.caption_max:
        return alone + texts
    return [(pieces[0], attachments[:1]), *alone[1:]]


# --- what goes into the text


def _joined(rich: RichText, *additions: RichText) -> RichText:
    """Each addition in a paragraph of its own."""
    for addition in additions:
        if not addition.text:
            continue
        gap = "" if is_blank(rich.text) else "\n\n"
        shift = len(rich.text) + len(gap)
        moved = (replace(m, start=m.start + shift, end=m.end + shift) for m in addition.marks)
        rich = RichText(text=f"{rich.text}{gap}{addition.text}", marks=(*rich.marks, *moved))
    return rich


def _plain(text: str) -> RichText:
    return RichText(text=text)


def _link_to(attachment: Attachment) -> RichText:
    """What stands for an attachment that the channel can't show."""
    label = " – ".join(filter(None, map(_line, (attachment.name, attachment.description))))
    label = label or attachment.url
    mark = Mark(kind="link", start=0, end=len(label), value=attachment.url)
    return RichText(text=label, marks=(mark,))


def _line(text: str) -> str:
    return " ".join(text.split())


def _footnotes(citations: Sequence[Citation]) -> str:
    return "\n".join(
        f"[{citation.number}] {_line(citation.title)}"
        + (f" – {citation.place}" if citation.place else "")
        for citation in citations
    )


def _numbered(choices: Sequence[Choice]) -> str:
    return "\n".join(
        f"{number}. {_line(choice.label)}" for number, choice in enumerate(choices, start=1)
    )


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
    blocks = [mark for mark in rich.marks if mark.kind == "pre"]
    pieces: list[RichText] = []
    start, end = _begun(text, 0, blocks), len(text.rstrip())
    while start < end:
        furthest = bisect_right(costs, costs[start] + capabilities.max_text) - 1
        cut = end if furthest >= end else _cut(text, start, furthest)
        piece_end = start + len(text[start:cut].rstrip())
        if not is_blank(text[start:piece_end]):
            pieces.append(richtext.slice(rich, start, piece_end))
        start = _begun(text, cut, blocks)
    return pieces


def _cut(text: str, start: int, furthest: int) -> int:
    """Where to end the piece that begins at `start` and may reach `furthest`."""
    furthest = max(furthest, start + 1)
    least = start + int((furthest - start) * _LEAST_FILL)
    for pattern in _CUTS:
        # One more character is looked at: a space right after the limit is a fine place to cut.
        ends = [found.start() for found in pattern.finditer(text, least, furthest + 1)]
        ends = [end for end in ends if start < end <= furthest and is_grapheme_boundary(text, end)]
        if ends:
            return ends[-1]
    return _hard_cut(text, start, furthest)


def _hard_cut(text: str, start: int, furthest: int) -> int:
    """Where a word is cut: before an address, which leads nowhere in halves, or anywhere."""
    link = _ADDRESS.search(text, start, furthest)
    if link and start < link.start() and is_grapheme_boundary(text, link.start()):
        return link.start()
    whole = (n for n in range(furthest, start, -1) if is_grapheme_boundary(text, n))
    return next(whole, furthest)  # else it is one endless character of combining marks


def _begun(text: str, start: int, blocks: Iterable[Mark]) -> int:
    """Where the piece begins that follows a cut: at its first letter, or in a block of code at
    that line's beginning, because there an indentation means something."""
    first = start
    while first < len(text) and text[first].isspace():
        first += 1
    if any(mark.start < first < mark.end for mark in blocks):
        return max(start, text.rfind("\n", start, first) + 1)
    # A space may carry an accent; then it is a letter.
    return first if first == start or is_grapheme_boundary(text, first) else first - 1
