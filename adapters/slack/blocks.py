"""Rich text, choices, citations and pictures as Slack's blocks. Pure.

Rich text elements instead of mrkdwn: their text is taken as it stands, so there is nothing to
escape and nothing in it can call anybody. https://docs.slack.dev/reference/block-kit/blocks
"""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from shared.messages import Attachment, Choice, Citation
from shared.richtext import Mark, RichText

MAX_BUTTONS = 25  # elements of an actions block
MAX_VALUE = 2000  # characters of a button's value
_BUTTON_LABEL = 75
_CONTEXT_ELEMENTS = 10
_CONTEXT_TEXT = 2000  # of 3,000 that a text object holds
_ALT_TEXT = 2000
_STYLES = ("bold", "italic", "strike", "code")
Block = dict[str, Any]


# --- text


def rich_text(rich: RichText) -> Block | None:
    """One block of sections, quotes and preformatted pieces; None where nothing is written."""
    elements = [element for piece in _pieces(rich) if (element := _element(rich, *piece))]
    return {"type": "rich_text", "elements": elements} if elements else None


def _pieces(rich: RichText) -> Iterator[tuple[str, int, int]]:
    """(kind, start, end) that cover the text in order; a code block comes out of its quote."""
    code = [mark for mark in rich.marks if mark.kind == "pre"]
    quotes = [mark for mark in rich.marks if mark.kind == "quote"]
    for kind, start, end in _divided("text", 0, len(rich.text), code):
        if kind == "pre":
            yield kind, start, end
        else:
            yield from _divided("text", start, end, quotes)


def _divided(
    kind: str, start: int, end: int, marks: Sequence[Mark]
) -> Iterator[tuple[str, int, int]]:
    position = start
    for mark in marks:
        mark_start, mark_end = max(mark.start, position), min(mark.end, end)
        if mark_start >= mark_end:
            continue
        yield kind, position, mark_start
        yield mark.kind, mark_start, mark_end
        position = mark_end
    yield kind, position, end


def _element(rich: RichText, kind: str, start: int, end: int) -> Block | None:
    # Each element is a block of its own: line breaks at its edges would be empty lines.
    while end > start and rich.text[end - 1] == "\n":
        end -= 1
    while start < end and rich.text[start] == "\n":
        start += 1
    if start == end:
        return None
    name = {"pre": "preformatted", "quote": "quote"}.get(kind, "section")
    runs = list(_runs(rich, start, end, plain=kind == "pre"))
    return {"type": f"rich_text_{name}", "elements": runs}


def _runs(rich: RichText, start: int, end: int, *, plain: bool) -> Iterator[Block]:
    """The text between two edges of marks, with the styles that hold all over it."""
    inline = [mark for mark in rich.marks if _is_inline(mark) and _meets(mark, start, end)]
    coming = deque(sorted(inline, key=lambda mark: mark.start))
    over: list[Mark] = []
    for left, right in pairwise(_edges(inline, start, end)):
        while coming and coming[0].start <= left:
            over.append(coming.popleft())
        over = [mark for mark in over if mark.end > left]
        yield _run(rich.text[left:right], over, plain=plain)


def _edges(marks: Sequence[Mark], start: int, end: int) -> list[int]:
    starts = {max(mark.start, start) for mark in marks}
    return sorted({start, end, *starts, *(min(mark.end, end) for mark in marks)})


def _is_inline(mark: Mark) -> bool:
    return mark.kind == "link" or mark.kind in _STYLES


def _meets(mark: Mark, start: int, end: int) -> bool:
    return mark.start < end and mark.end > start


def _run(text: str, over: Sequence[Mark], *, plain: bool) -> Block:
    url = next((mark.value for mark in over if mark.kind == "link"), None)
    run: Block = {"type": "link", "url": url} if url else {"type": "text"}
    run["text"] = text
    style = {mark.kind: True for mark in over if mark.kind in _STYLES}
    if style and not plain:
        run["style"] = style
    return run


# --- choices


def choices(offered: Sequence[Choice]) -> list[Block]:
    """Buttons in one row block; labels too long for a button stand beside one of their own."""
    if not offered:
        return []
    if all(len(choice.label) <= _BUTTON_LABEL for choice in offered):
        buttons = [_button(index, choice, choice.label) for index, choice in enumerate(offered)]
        return [{"type": "actions", "elements": buttons}]
    return [
        {
            "type": "section",
            "text": _plain(choice.label),
            "accessory": _button(index, choice, f"Choose {index + 1}"),
        }
        for index, choice in enumerate(offered)
    ]


def _button(index: int, choice: Choice, label: str) -> Block:
    return {
        "type": "button",
        "action_id": f"choice:{index}",  # unique within the message
        "text": _plain(label),
        "value": choice.value,
    }


def _plain(text: str) -> Block:
    # emoji: true would read ":smile:" as a picture.
    return {"type": "plain_text", "text": text, "emoji": False}


# --- citations and pictures


def citations(cited: Sequence[Citation]) -> list[Block]:
    """Small print below the answer, ten sources a block."""
    elements = [_plain(_clipped(footnote(citation), _CONTEXT_TEXT)) for citation in cited]
    return [
        {"type": "context", "elements": elements[start : start + _CONTEXT_ELEMENTS]}
        for start in range(0, len(elements), _CONTEXT_ELEMENTS)
    ]


def footnote(citation: Citation) -> str:
    place = f" – {citation.place}" if citation.place else ""
    return f"[{citation.number}] {citation.title}{place}"


def images(attachments: Sequence[Attachment]) -> list[Block]:
    return [
        {
            "type": "image",
            "image_url": attachment.url,
            "alt_text": _clipped(attachment.description or attachment.name or "image", _ALT_TEXT),
        }
        for attachment in attachments
        if attachment.kind == "image"
    ]


def _clipped(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
