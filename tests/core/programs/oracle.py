"""What a schedule should give, found another way: by looking at a zone's clock, not by asking it.

A zone is walked through in UTC, a quarter of an hour at a time, and only what its clock shows is
noted. Rules are listed by `dateutil`. Nothing of `core.programs` is used here.
"""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

STEP = timedelta(minutes=15)  # clocks have changed at quarters of hours since the 1920s
DAY = timedelta(days=1)
WEEKDAYS = ("mo", "tu", "we", "th", "fr", "sa", "su")


@dataclass(frozen=True)
class Stretch:
    """Between two clock changes: from `start` on (naive UTC), local time is UTC plus `ahead`."""

    start: datetime
    end: datetime
    ahead: timedelta


@lru_cache(maxsize=512)
def stretches(zone: str, first_year: int, last_year: int) -> tuple[Stretch, ...]:
    """How far the zone's clock was ahead of UTC, and when that changed."""
    clock = ZoneInfo(zone)
    moment, end = datetime(first_year, 1, 1), datetime(last_year + 1, 1, 1)
    found: list[Stretch] = []
    while moment < end:
        shown = moment.replace(tzinfo=UTC).astimezone(clock).replace(tzinfo=None)
        ahead = shown - moment
        if not found or found[-1].ahead != ahead:
            found.append(Stretch(moment, end, ahead))
        # A day at once where both its ends show the same; else look closely.
        after = (moment + DAY).replace(tzinfo=UTC).astimezone(clock).replace(tzinfo=None)
        moment += DAY if after - (moment + DAY) == ahead else STEP
    nexts = [*found[1:], Stretch(end, end, timedelta())]
    return tuple(Stretch(s.start, n.start, s.ahead) for s, n in zip(found, nexts, strict=True))


def around(zone: str, year: int) -> tuple[Stretch, ...]:
    return stretches(zone, year - 1, year + 1)


def moments_of(local: datetime, zone: str) -> list[datetime]:
    """When the zone's clock shows this: once, twice, or never."""
    found = [
        local - s.ahead for s in around(zone, local.year) if s.start <= local - s.ahead < s.end
    ]
    return [moment.replace(tzinfo=UTC) for moment in sorted(found)]


def gap_at(local: datetime, zone: str) -> timedelta:
    """How much the clock left out, for a local time that it never showed."""
    parts = around(zone, local.year)
    for before, after in pairwise(parts):
        if before.end + before.ahead <= local < after.start + after.ahead:
            return after.ahead - before.ahead
    raise AssertionError(f"{local} is shown in {zone}")


def fires_at(local: datetime, zone: str) -> datetime | None:
    """The moment of a slot: the first, or later by what the clock left out; None: no such day."""
    shown = moments_of(local, zone)
    if shown:
        return shown[0]
    gap = gap_at(local, zone)
    return None if gap >= DAY else moments_of(local + gap, zone)[0]


def shown_at(moment: datetime, zone: str) -> datetime:
    """What the zone's clock shows, naive."""
    naive = moment.astimezone(UTC).replace(tzinfo=None)
    parts = around(zone, naive.year)
    place = bisect_right([part.start for part in parts], naive) - 1
    return naive + parts[place].ahead


def is_quiet(moment: datetime, zone: str, start: time, end: time) -> bool:
    """Whether the clock shows a time of the quiet hours; none are when both ends are the same."""
    shown = shown_at(moment, zone).time()
    if start <= end:
        return start <= shown < end
    return shown >= start or shown < end


def expected_moments(
    zone: str,
    *,
    first_day: date,
    last_day: date,
    at: time,
    weekdays: tuple[str, ...] = (),
    rrule: str = "FREQ=DAILY",
    exdates: tuple[date, ...] = (),
) -> list[datetime]:
    """When a step that recurs from the start of `first_day` on is due, to the end of `last_day`.

    UTC, in order. `rrule` has no UNTIL in UTC.
    """
    start = datetime.combine(first_day, at)
    while (weekdays and WEEKDAYS[start.weekday()] not in weekdays) or start.date() in exdates:
        start += DAY
    until = datetime.combine(last_day, time.max)
    locals_ = rrulestr(rrule, dtstart=start).between(start, until, inc=True)
    wanted = [
        fires_at(local, zone)
        for local in locals_
        if (not weekdays or WEEKDAYS[local.weekday()] in weekdays) and local.date() not in exdates
    ]
    return sorted({moment for moment in wanted if moment is not None})
