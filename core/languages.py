"""Which of the languages that a text is there in somebody gets. Pure.

English stands in for every other language.
"""

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")

FALLBACK = "en"

MAX_HEADER = 1000  # characters of a browser's wishes that are looked at
# https://www.rfc-editor.org/rfc/rfc9110#section-12.5.4; `*` names no language.
_RANGE = re.compile(r"([a-z]{1,8}(?:-[a-z0-9]{1,8})*)(?:\s*;\s*q=([01](?:\.\d{0,3})?))?", re.I)


def closest(known: Iterable[str], *wanted: str | None) -> str | None:
    """The one of these tags that is wanted first, as itself or by its language; None for none."""
    by_plain = {_plain(tag): tag for tag in known}
    for tag in map(_plain, filter(None, wanted)):
        for one in (tag, tag.partition("-")[0]):
            if one in by_plain:
                return by_plain[one]
    return None


def in_language(texts: Mapping[str, T], *wanted: str | None) -> T:
    """What there is in the first of these languages, else in English."""
    return texts[closest(texts, *wanted) or FALLBACK]


def accepted(header: str | None) -> tuple[str, ...]:
    """The tags of an Accept-Language header, the most wanted first."""
    parts = (header or "")[:MAX_HEADER].split(",")
    found = [match for part in parts if (match := _RANGE.fullmatch(part.strip()))]
    weighed = [(float(match[2] or 1), match[1]) for match in found]
    weighed.sort(key=lambda one: -one[0])
    return tuple(tag for weight, tag in weighed if weight > 0)


def _plain(tag: str) -> str:
    return tag.lower().replace("_", "-")
