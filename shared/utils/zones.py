"""Time zones and languages by their names: whether a name is one, and which one a person means."""

import difflib
import locale
import re
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

MAX_SUGGESTIONS = 3
_CLOSE = 0.8  # how alike a misspelt city must be
_AREAS = (
    *("Africa", "America", "Antarctica", "Arctic", "Asia"),
    *("Atlantic", "Australia", "Europe", "Indian", "Pacific"),
)
# Names of files beside the zones, and of zones that say nothing about a place.
_NOT_PLACES = ("posix", "right/", "Factory", "localtime", "SystemV/")

# https://www.rfc-editor.org/rfc/rfc5646#section-2.1, without grandfathered tags.
_LANGUAGE_TAG = re.compile(
    r"(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{5,8})"  # four letters are reserved
    r"(?:-[a-z]{4})?(?:-(?:[a-z]{2}|[0-9]{3}))?"  # script, region
    r"(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*"  # variants
    r"(?:-[a-wy-z0-9](?:-[a-z0-9]{2,8})+)*(?:-x(?:-[a-z0-9]{1,8})+)?",
    re.IGNORECASE,
)
MAX_TAG = 35  # what RFC 5646 section 4.4.1 recommends to have room for


@cache
def zone_names() -> frozenset[str]:
    """Every IANA name; reading them walks folders, so it is done once."""
    return frozenset(n for n in available_timezones() if not n.startswith(_NOT_PLACES))


def is_zone(name: str) -> bool:
    return name in zone_names()


def is_language_tag(tag: str) -> bool:
    """Whether it is well formed as BCP 47 says."""
    return len(tag) <= MAX_TAG and _LANGUAGE_TAG.fullmatch(tag) is not None


@cache
def _places() -> dict[str, list[str]]:
    """Zones by what people call them: the whole name, and its city."""
    places: dict[str, list[str]] = {}
    for name in sorted(zone_names()):
        for called in {_plain(name), _plain(name.rsplit("/", 1)[-1])}:
            places.setdefault(called, []).append(name)
    return places


def find_zones(words: str) -> list[str]:
    """The zones that these words may mean, best first; one when there is no doubt.

    "Europe/Berlin", "berlin", "new york" and "Berln" are understood.
    """
    wanted = _plain(words)
    places = _places()
    if exact := _preferred(places.get(wanted, [])):
        return exact
    near = difflib.get_close_matches(wanted, places, n=MAX_SUGGESTIONS, cutoff=_CLOSE)
    found = [zone for called in near for zone in _preferred(places[called])]
    return list(dict.fromkeys(found))[:MAX_SUGGESTIONS]


def _preferred(zones: list[str]) -> list[str]:
    """One name for each clock: an area's city before older names, then the shortest."""
    by_clock: dict[object, str] = {}
    for zone in sorted(zones, key=lambda zone: (zone.split("/")[0] not in _AREAS, len(zone))):
        by_clock.setdefault(_clock(zone), zone)
    return list(by_clock.values())


def _clock(zone: str) -> object:
    """What tells two zones apart that share a city's name: their winters and summers."""
    moments = (datetime(2026, month, 1, tzinfo=ZoneInfo(zone)) for month in (1, 7))
    return tuple(moment.utcoffset() for moment in moments)


def find_language(words: str) -> str | None:
    """The tag of a language: "de", "pt-BR", and names such as "german" or "deutsch"."""
    wanted = words.strip().replace("_", "-")
    primary = wanted.split("-")[0]
    if len(primary) <= 3 and is_language_tag(wanted):
        return wanted
    known = locale.locale_alias.get(wanted.lower(), "")
    named = known.split("_")[0]
    return named if 2 <= len(named) <= 3 and named.islower() else None


def _plain(name: str) -> str:
    return " ".join(re.sub(r"[_\s]+", " ", name).casefold().split())
