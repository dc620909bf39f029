"""Numbers in what people write: figures and words, with their units, in six languages. Pure."""

import re
import unicodedata
from dataclasses import dataclass, replace

from core.llm.language import primary
from core.llm.number_words import NUMBER_WORDS, TENS, UNITS, UNSURE
from core.programs.check_ins.words import has_decimal_comma

MAX_DIGITS = 15
_KEYCAPS = re.compile("[\ufe0f\u20e3\u200d]")
_HALVES = {"½": ".5", "¼": ".25", "¾": ".75"}
_FIGURE = r"[-+−]?\d{1,3}(?:[ '’\u00a0\u202f]\d{3})+(?:[.,]\d+)?|[-+−]?\d+(?:[.,]\d+)*"
_OF = r"\s*(?:/|out of|of|von|sur|de|em|su)\s*(?P<of>\d{1,4})(?!\d)"
_CLOCK = re.compile(
    r"(?<!\d)(?P<hours>\d{1,2})\s?(?:h|:)\s?(?P<minutes>[0-5]\d)(?!\d)\s?(?:h|min)?\b"
)
_QUANTITY = re.compile(
    rf"(?<![\d.,])(?P<figure>{_FIGURE})(?:{_OF})?(?:\s*(?P<unit>[%€$£°]|[^\W\d_]+))?",
    re.IGNORECASE,
)
_EDGE = re.compile(r"^[\W_]+|[\W_]+$")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_AND_A_HALF = re.compile(
    r"\s*(?:and a half|einhalb|und ein halb|et demie?|y medi[oa]|e mei[oa]|e mezz[oa])$"
)
_JOINS = frozenset(("and", "und", "et", "y", "e"))
_SPANISH = frozenset(("once",))  # elsewhere it is no number


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A number; `other` is how it reads with the other language's decimal mark.

    `of` is 10 in "7/10". `is_all`: nothing else is said.
    """

    value: float
    unit: str = ""
    of: float | None = None
    other: float | None = None
    is_all: bool = False
    is_word: bool = False


def quantities(text: str, locale: str | None) -> list[Quantity]:
    """Every number of a text; those in words only where there are no figures."""
    plain = _plain(text)
    if not any(char.isdigit() for char in plain):
        return _in_words(plain, locale)
    if clocks := list(_CLOCK.finditer(plain)):
        return [_of_clock(match, plain) for match in clocks]
    return [found for match in _QUANTITY.finditer(plain) if (found := _read(match, plain, locale))]


def _plain(text: str) -> str:
    """Figures as figures: keycaps, fractions and wide or other scripts' digits."""
    text = _KEYCAPS.sub("", text.strip()).replace("🔟", "10")
    for sign, decimals in _HALVES.items():
        text = re.sub(rf"(\d)\s?{sign}", rf"\1{decimals}", text).replace(sign, f"0{decimals}")
    text = unicodedata.normalize("NFKC", text)
    return "".join(str(unicodedata.digit(c)) if c.isdigit() and c not in "²³¹" else c for c in text)


def _of_clock(match: re.Match[str], text: str) -> Quantity:
    hours = int(match["hours"]) + int(match["minutes"]) / 60
    is_all = not _without(text, match)
    return Quantity(value=round(hours, 4), unit="hour", is_all=is_all)


def _read(match: re.Match[str], text: str, locale: str | None) -> Quantity | None:
    figure = match["figure"]
    if sum(char.isdigit() for char in figure) > MAX_DIGITS:
        return None
    value, other = _values(figure, locale)
    unit = UNITS.get((match["unit"] or "").casefold(), "")
    said = match.group()
    if match["unit"] and not unit:  # just the next word
        said = said[: match.start("unit") - match.start()]
    found = Quantity(
        value=value, unit=unit, other=other, of=float(match["of"]) if match["of"] else None
    )
    return replace(found, is_all=not _EDGE.sub("", text.replace(said, "", 1)))


def _without(text: str, match: re.Match[str]) -> str:
    return _EDGE.sub("", text[: match.start()] + text[match.end() :])


def _values(figure: str, locale: str | None) -> tuple[float, float | None]:
    """(value, the other reading if there is one)."""
    bare = re.sub(r"[ '’\u00a0\u202f+]", "", figure).replace("−", "-")
    marks = [char for char in bare if char in ".,"]
    if not marks:
        return float(bare), None
    whole, _, decimals = bare.rpartition(marks[-1])
    grouped = float(re.sub("[.,]", "", bare))
    decimal = float(re.sub("[.,]", "", whole) + "." + decimals)
    if len(set(marks)) == 2:
        return decimal, None
    if len(marks) > 1:
        return grouped, None
    if len(decimals) != 3 or len(whole.lstrip("-")) > 3 or whole.lstrip("-") == "0":
        return decimal, None
    is_decimal = (marks[0] == ",") == has_decimal_comma(locale)
    return (decimal, grouped) if is_decimal else (grouped, decimal)


# --- words


def _in_words(text: str, locale: str | None) -> list[Quantity]:
    bare = _EDGE.sub("", text.casefold())
    if (whole := _whole(bare, locale)) is not None:
        return [whole]
    words = _WORD.findall(bare)
    return [
        Quantity(value=NUMBER_WORDS[word], is_word=True)
        for word in words
        if word in NUMBER_WORDS and word not in UNSURE
    ]


def _whole(bare: str, locale: str | None) -> Quantity | None:
    """A text that is a number in words, perhaps with its unit."""
    head, _, last = bare.rpartition(" ")
    unit = UNITS.get(last, "") if head else ""
    spoken = head if unit else bare
    half = _AND_A_HALF.search(spoken)
    value = _spoken(spoken[: half.start()] if half else spoken, locale)
    if value is None:
        return None
    return Quantity(value=value + (0.5 if half else 0), unit=unit, is_all=True, is_word=True)


def _spoken(text: str, locale: str | None) -> int | None:
    if text in _SPANISH and primary(locale) != "es":
        return None
    if text in NUMBER_WORDS:
        return NUMBER_WORDS[text]
    parts = [NUMBER_WORDS.get(p) for p in re.split(r"[\s-]+", text) if p not in _JOINS]
    match parts:
        case [int(tens), int(ones)] if tens in TENS and 0 < ones < 10:
            return tens + ones
    return None
