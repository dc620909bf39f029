"""Numbers, percentages, amounts, times and dates of a text, however they are written. Pure.

`unfounded` is the check: a figure of a claim that its source doesn't have, read as `1,000` and
`1.000`, `three` and `3`, `50 %` and `50 percent`, `3 pm` and `15:00`, `12 March` and `2024-03-12`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from core.llm.number_words import (
    MONTHS,
    NUMBER_WORDS,
    SCALES,
    STRICT_UNITS,
    TENS,
    UNITS,
    UNSURE,
    UNSURE_MONTHS,
    WEEKDAYS,
)
from core.rag.tokenize import words

Kind = Literal["number", "time", "date", "weekday", "month"]

_ORDINAL = r"(?:st|nd|rd|th|er|º|ª|°)?"
_MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
_OF = r"(?:\s+(?:of|de|do|del))?"
_DATES = (
    re.compile(r"\b(?P<y>[12]\d{3})-(?P<m>\d{1,2})-(?P<d>\d{1,2})\b"),
    re.compile(r"\b(?P<d>\d{1,2})[./](?P<m>\d{1,2})[./](?P<y>[12]\d{3})\b"),
    re.compile(
        rf"\b(?P<d>\d{{1,2}}){_ORDINAL}\.?{_OF}\s+(?P<name>{_MONTH})\b\.?"
        rf"(?:,?{_OF}\s+(?P<y>[12]\d{{3}})\b)?",
        re.IGNORECASE,
    ),
    re.compile(
        rf"\b(?P<name>{_MONTH})\b\.?\s+(?P<d>\d{{1,2}}){_ORDINAL}\b(?![:.,]\d)"
        r"(?:,?\s+(?P<y>[12]\d{3})\b)?",
        re.IGNORECASE,
    ),
)
_TIME = re.compile(
    r"\b(?P<h>\d{1,2})(?:[:.](?P<m>\d{2}))?\s*(?P<half>[ap])\.?\s?m\b\.?"
    r"|\b(?P<h2>[01]?\d|2[0-4]):(?P<m2>[0-5]\d)\b(?::\d\d)?"
    r"|\b(?P<h3>[01]?\d|2[0-4])\s?h\s?(?P<m3>[0-5]\d)\b"
    r"|\b(?P<h4>[01]?\d|2[0-4])(?:[:.](?P<m4>[0-5]\d))?\s*(?:uhr|o'clock|o’clock)\b",
    re.IGNORECASE,
)
_DIGITS = r"\d{1,3}(?:[  ’']\d{3})+(?!\d)|\d+(?:[.,]\d+)*"
_WORDS = "|".join(sorted((re.escape(w) for w in NUMBER_WORDS), key=len, reverse=True))
_NUMBER = re.compile(
    rf"(?P<sign>[$€£]|\b(?:EUR|USD|GBP)\b)?\s?(?:(?P<digits>{_DIGITS})|(?<!\w)(?P<word>{_WORDS})(?!\w))",
    re.IGNORECASE,
)
_SIGNS = {"$": "$", "€": "€", "£": "£", "USD": "$", "EUR": "€", "GBP": "£"}
_AFTER = re.compile(r"[\s-]*(?P<word>%|°[CF]?|[$€£]|per cent|pour cent|por ciento|[^\W\d_]+)")
_JOINER = re.compile(r"(?:\s+(?:y|e|et|and)\s+|[\s-]+)$")
_NAME = re.compile(r"[^\W\d_]+(?:-feira)?")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure and every way to read it: `1.000` is a thousand, or one."""

    kind: Kind
    readings: frozenset[float]
    unit: str = ""
    date: tuple[int, int, int] = (0, 0, 0)  # year, month, day; 0 where none is named
    is_sure: bool = True  # `one` may be an article


@dataclass(kw_only=True)
class _Reading:
    """A text while figures are taken out of it."""

    text: str
    found: list[Figure] = field(default_factory=list)


@lru_cache(maxsize=2048)  # the sentences of a passage are read for each sentence of an answer
def figures(text: str) -> tuple[Figure, ...]:
    reading = _Reading(text=text)
    _take_dates(reading)
    _take_times(reading)
    _take_numbers(reading)
    _take_names(reading)
    return tuple(reading.found)


def unfounded(claim: str, *sources: str) -> list[Figure]:
    """The figures of a claim that don't stand in its sources."""
    claimed = [figure for figure in figures(claim) if figure.is_sure]
    known = _known(sources) if claimed else []
    return [f for f in claimed if not any(_is_same(f, k) for k in known)]


def _known(sources: Sequence[str]) -> list[Figure]:
    stated = [figure for source in sources for figure in figures(source)]
    return [*stated, *(part for figure in stated for part in _parts(figure))]


def _is_same(claimed: Figure, known: Figure) -> bool:
    if claimed.kind != known.kind:
        return False
    if claimed.kind == "date":
        return all(
            a == b or a == 0 for a, b in zip(claimed.date, known.date, strict=True)
        ) or _is_swapped(claimed.date, known.date)
    if not claimed.readings & known.readings:
        return False
    if claimed.unit in STRICT_UNITS:
        return claimed.unit == known.unit
    return not claimed.unit or not known.unit or claimed.unit == known.unit


def _is_swapped(claimed: tuple[int, int, int], known: tuple[int, int, int]) -> bool:
    """03/04/2024 is in March or in April."""
    year, month, day = claimed
    return bool(year) and (year, day, month) == known and max(month, day) <= 12


def _parts(figure: Figure) -> Iterator[Figure]:
    """What a source says along with a figure: a date has a year, three o'clock is a three."""
    if figure.kind == "date":
        year, month, day = figure.date
        for value in (year, day):
            if value:
                yield Figure(kind="number", readings=frozenset({float(value)}))
        yield Figure(kind="month", readings=frozenset({float(month)}))
        yield Figure(kind="date", readings=frozenset(), date=(0, month, day))
    if figure.kind == "time":
        hours = {minutes // 60 for minutes in figure.readings}
        hours |= {hour - 12 for hour in hours if hour > 12}
        yield Figure(kind="number", readings=frozenset(float(hour) for hour in hours))


# --- dates and times


def _take_dates(reading: _Reading) -> None:
    for pattern in _DATES:
        for match in pattern.finditer(reading.text):
            parts = match.groupdict()
            month = MONTHS[parts["name"].lower()] if parts.get("name") else int(parts["m"])
            day, year = int(parts["d"]), int(parts["y"] or 0)
            if 1 <= max(month, day) <= 31:
                date = (year, month, day)
                reading.found.append(Figure(kind="date", readings=frozenset(), date=date))
        reading.text = pattern.sub(" ; ", reading.text)


def _take_times(reading: _Reading) -> None:
    for match in _TIME.finditer(reading.text):
        hour = int(next(match[g] for g in ("h", "h2", "h3", "h4") if match[g]))
        minute = int(next((match[g] for g in ("m", "m2", "m3", "m4") if match[g]), 0))
        readings = {hour * 60.0 + minute}
        if match["half"]:
            readings = {(hour % 12 + 12 * (match["half"].lower() == "p")) * 60.0 + minute}
        elif hour <= 12:  # afternoon too, unless it says
            readings.add((hour % 12 + 12) * 60.0 + minute)
        reading.found.append(Figure(kind="time", readings=frozenset(readings)))
    reading.text = _TIME.sub(" ; ", reading.text)


# --- numbers


def _take_numbers(reading: _Reading) -> None:
    matches = list(_NUMBER.finditer(reading.text))
    taken = 0  # up to here
    for match, following in zip(matches, [*matches[1:], None], strict=False):
        if match.start() < taken:
            continue
        values, taken = _values(match), match.end()
        is_sure = (match["word"] or "").lower() not in UNSURE
        if following and (more := _joined(reading.text, match, following)):
            values, taken, is_sure = {max(values) + more}, following.end(), True
        unit, values, taken = _scaled(reading.text, taken, values)
        unit = _SIGNS.get((match["sign"] or "").upper(), unit)
        is_sure = is_sure or (bool(unit) and max(values) > 1)
        reading.found.append(
            Figure(kind="number", readings=frozenset(values), unit=unit, is_sure=is_sure)
        )


def _values(match: re.Match[str]) -> set[float]:
    if match["word"]:
        return {float(NUMBER_WORDS[match["word"].lower()])}
    digits = re.sub(r"[  ’']", "", match["digits"])
    separators = re.findall(r"[.,]", digits)
    if not separators:
        return {float(digits)}
    values: set[float] = set()
    if all(len(group) == 3 for group in re.split(r"[.,]", digits)[1:]):
        values.add(float(re.sub(r"[.,]", "", digits)))
    if digits.count(separators[-1]) == 1:
        whole, _, fraction = digits.rpartition(separators[-1])
        values.add(float(f"{re.sub('[.,]', '', whole)}.{fraction}"))
    return values or {float(part) for part in re.split(r"[.,]", digits)[:1]}


def _joined(text: str, tens: re.Match[str], unit: re.Match[str]) -> float:
    """The second part of `twenty-one` or `treinta y dos`; 0 when these are two numbers."""
    if not (tens["word"] and unit["word"]) or unit["sign"]:
        return 0
    between = text[tens.end() : unit.start("word")]
    ones = NUMBER_WORDS[unit["word"].lower()]
    is_tens = NUMBER_WORDS[tens["word"].lower()] in TENS
    return ones if is_tens and 0 < ones < 10 and _JOINER.fullmatch(between) else 0


def _scaled(text: str, end: int, values: set[float]) -> tuple[str, set[float], int]:
    """The unit behind a number, past `thousand` and the like, and where that part ends."""
    after = _AFTER.match(text, end)
    while after and after["word"].lower() in SCALES:
        values = {value * SCALES[after["word"].lower()] for value in values}
        end = after.end()
        after = _AFTER.match(text, end)
    word = after["word"].lower().replace(" ", "") if after else ""
    return UNITS.get(word, ""), values, end


def _take_names(reading: _Reading) -> None:
    for match in _NAME.finditer(reading.text):
        word = match.group().lower()
        if word in WEEKDAYS:
            day = frozenset({float(WEEKDAYS[word])})
            reading.found.append(Figure(kind="weekday", readings=day))
        elif word in MONTHS and word not in UNSURE_MONTHS and len(word) > 3:
            month = frozenset({float(MONTHS[word])})
            reading.found.append(Figure(kind="month", readings=month))


def is_figure_word(word: str) -> bool:
    """Whether a word, folded, is a figure or a part of one."""
    return word[:1].isdigit() or word in _PARTS


def spans(said: list[str]) -> set[str]:
    """The spans of time, from minutes to years, that the words speak of."""
    return {unit for word in said if (unit := UNITS.get(word, "")) in _SPANS and len(word) > 2}


_SPANS = frozenset({"minute", "hour", "week", "month", "year"})
_PARTS = frozenset(
    folded
    for word in (
        *NUMBER_WORDS,
        *SCALES,
        *WEEKDAYS,
        *MONTHS,
        "am",
        "pm",
        "uhr",
        "percent",
        "prozent",
    )
    if word not in UNSURE | UNSURE_MONTHS
    for folded in words(word)
)
