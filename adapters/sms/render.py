"""Text to what a text message carries: folded to GSM-7 where that helps, segments counted. Pure.

3GPP TS 23.038 §6.2.1 for the alphabet; https://www.twilio.com/docs/glossary/what-sms-character-limit
for the segments.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from shared.richtext import GSM7_EXTENDED, is_gsm7

MAX_BODY = 1600
"""Characters of `Body`: https://www.twilio.com/docs/api/errors/21617"""

Encoding = Literal["gsm7", "ucs2"]

# A part of a longer text gives up seven septets, or three UCS-2 units, to say which part it is.
_SINGLE = {"gsm7": 160, "ucs2": 70}
_JOINED = {"gsm7": 153, "ucs2": 67}

_FOLDS = {
    **dict.fromkeys("‘’‚‛′´`‹›ʼ", "'"),
    **dict.fromkeys("“”„‟″«»", '"'),
    **dict.fromkeys("‐‑‒–—―−", "-"),
    **dict.fromkeys("•◦▪‣∙·", "-"),
    **dict.fromkeys("\t\u00a0\u1680\u202f\u205f\u3000", " "),
    **{chr(code): " " for code in range(0x2000, 0x200B)},
    **dict.fromkeys("\u2028\u2029\u0085\v", "\n"),
    # Never seen: a soft hyphen, zero-width spaces and joiners, marks of direction and order.
    **dict.fromkeys("\u00ad\u200b\u200e\u200f\u2060\ufeff", ""),
    "…": "...",
    "→": "->",
    "←": "<-",
    "×": "x",
    "⁄": "/",
    "∼": "~",
}
_FOLD = str.maketrans(_FOLDS)


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """A body, and what it costs."""

    body: str
    encoding: Encoding
    segments: int

    @property
    def note(self) -> str:
        return f"segments={self.segments} encoding={self.encoding}"


def render(text: str) -> Rendered:
    """The text, or its GSM-7 form when it has one that fits and takes no more segments."""
    plain = _counted(text)
    if plain.encoding == "gsm7":
        return plain
    folded = fold(text)
    if not is_gsm7(folded) or not folded or len(folded) > MAX_BODY:
        return plain
    cheaper = _counted(folded)
    return cheaper if cheaper.segments <= plain.segments else plain


def fold(text: str) -> str:
    """Typographers' signs as typewriters have them; every other character stays itself."""
    return unicodedata.normalize("NFC", text).translate(_FOLD)


def segments(text: str) -> int:
    """How many text messages carry it; an empty one still takes one."""
    encoding = encoding_of(text)
    costs = [_cost(char, encoding) for char in text]
    if sum(costs) <= _SINGLE[encoding]:
        return 1
    return _packed(costs, _JOINED[encoding])


def encoding_of(text: str) -> Encoding:
    return "gsm7" if is_gsm7(text) else "ucs2"


def _counted(text: str) -> Rendered:
    return Rendered(body=text, encoding=encoding_of(text), segments=segments(text))


def _cost(char: str, encoding: Encoding) -> int:
    """Septets, or UTF-16 units: an escape and its character, and a pair, count two."""
    return 2 if (char in GSM7_EXTENDED if encoding == "gsm7" else char > "\uffff") else 1


def _packed(costs: Iterable[int], room: int) -> int:
    """How many segments hold characters of these costs when none is cut in two."""
    count, used = 1, 0
    for cost in costs:
        if used + cost > room:
            count, used = count + 1, 0
        used += cost
    return count
