"""Text with marks: the one shape between a bot's Markdown and each channel's formatting."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

MarkKind = Literal["bold", "italic", "strike", "code", "pre", "link", "quote"]
TextUnit = Literal["codepoint", "utf16", "gsm7_or_ucs2"]

# 3GPP TS 23.038 §6.2.1: one septet each; the extension table takes two.
GSM7_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM7_EXTENDED = frozenset("\f^{}\\[~]|€")


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A mark over `text[start:end]`, in code points. `value`: a link's URL, a block's language."""

    kind: MarkKind
    start: int
    end: int
    value: str = ""


@dataclass(frozen=True, kw_only=True)
class RichText:
    """Plain text and the marks over it, ordered by start, outer before inner."""

    text: str
    marks: tuple[Mark, ...] = ()


def from_markdown(markdown: str) -> RichText:
    """Parse Markdown once: total on any input, raw HTML stays literal. See `shared.markdown`."""
    from shared.markdown import to_rich  # it builds on the dataclasses above

    return to_rich(markdown)


def length(text: str, unit: TextUnit) -> int:
    """How long a platform counts the text: code points, UTF-16 units, or SMS units.

    SMS text of the GSM 7-bit alphabet counts septets; one character outside makes it all UCS-2.
    """
    if unit == "codepoint":
        return len(text)
    if unit == "gsm7_or_ucs2" and is_gsm7(text):
        return len(text) + sum(char in GSM7_EXTENDED for char in text)
    return len(text) + sum(char > "\uffff" for char in text)


def is_gsm7(text: str) -> bool:
    return all(char in GSM7_BASIC or char in GSM7_EXTENDED for char in text)


def char_cost(char: str, unit: TextUnit) -> int:
    """The most a character adds to `length`: sums of it never fall below the true length."""
    if unit == "codepoint":
        return 1
    wide = char > "\uffff" or (unit == "gsm7_or_ucs2" and char in GSM7_EXTENDED)
    return 2 if wide else 1


def slice(rich: RichText, start: int, end: int) -> RichText:
    """`rich.text[start:end]` with its marks, each closed at the cuts; 0 <= start <= end."""
    clipped = (
        replace(mark, start=max(mark.start, start) - start, end=min(mark.end, end) - start)
        for mark in rich.marks
        if mark.start < end and mark.end > start
    )
    return RichText(text=rich.text[start:end], marks=ordered(clipped))


def ordered(marks: Iterable[Mark]) -> tuple[Mark, ...]:
    """Without empty ones, by start, outer before inner."""
    kept = (mark for mark in marks if mark.end > mark.start)
    return tuple(sorted(kept, key=lambda mark: (mark.start, -mark.end)))


def display_width(text: str) -> int:
    """How many columns of a fixed-width font it takes: wide East Asian letters and emoji two."""
    wide = sum(unicodedata.east_asian_width(char) in ("W", "F") for char in text)
    return len(text) + wide - sum(bool(unicodedata.combining(char)) for char in text)
