"""Recurrence rules of RFC 5545: read them, and list the local times they name, within bounds.

Walked by hand: `dateutil` runs to the year 9999 for a rule that never comes true, such as the
30th of February, and starts from the first occurrence each time it is asked for the next.
"""

import calendar
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import count, islice, takewhile
from typing import Literal
from zoneinfo import ZoneInfo

Frequency = Literal["HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"]

DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_LENGTHS = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)  # of months, at most
MAX_COUNT = 1000
MAX_INTERVAL = 1000
# How far ahead the next occurrence may lie: the 29th of February is up to eight years away.
_HORIZON = timedelta(days=12 * 366)
_HORIZON_HOURLY = timedelta(days=366)
_UNTIL = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?")
_BYDAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule as it was read; an ordinal of 0 in `by_day` means every such weekday."""

    frequency: Frequency
    interval: int = 1
    count: int | None = None
    until: datetime | None = None  # naive: local; aware: UTC
    by_month: tuple[int, ...] = ()
    by_month_day: tuple[int, ...] = ()
    by_day: tuple[tuple[int, int], ...] = ()
    by_hour: tuple[int, ...] = ()
    by_minute: tuple[int, ...] = ()
    by_set_pos: tuple[int, ...] = ()
    week_start: int = 0

    def last_moment(self, zone: ZoneInfo) -> datetime | None:
        """UNTIL on the clock of `zone`."""
        if self.until is None or self.until.tzinfo is None:
            return self.until
        return self.until.astimezone(zone).replace(tzinfo=None)


def _numbers(name: str, text: str, low: int, high: int) -> tuple[int, ...]:
    values = set()
    for part in text.split(","):
        if not re.fullmatch(r"[+-]?\d{1,3}", part):
            raise ValueError(f"{name}: {part!r} is not a number")
        number = int(part)
        if not low <= abs(number) <= high or (number < 0 and name not in _FROM_END):
            raise ValueError(f"{name}: {part} is not between {low} and {high}")
        values.add(number)
    return tuple(sorted(values))


_FROM_END = ("BYMONTHDAY", "BYSETPOS")  # -1: the last


def _single(name: str, text: str, high: int) -> int:
    if not re.fullmatch(r"\d{1,6}", text) or not 1 <= int(text) <= high:
        raise ValueError(f"{name}: {text!r} is not a number from 1 to {high}")
    return int(text)


def _until(text: str) -> datetime:
    match = _UNTIL.fullmatch(text)
    if match is None:
        raise ValueError(f"UNTIL: {text!r} is no date; write 20261231 or 20261231T170000Z")
    year, month, day, hour, minute, second, utc = match.groups()
    try:
        on = date(int(year), int(month), int(day))
        at = time.max if hour is None else time(int(hour), int(minute), int(second))
    except ValueError as error:
        raise ValueError(f"UNTIL: {text!r} is no date of the calendar") from error
    return datetime.combine(on, at, UTC if utc else None)


def _weekdays(text: str) -> tuple[tuple[int, int], ...]:
    days = set()
    for part in text.split(","):
        match = _BYDAY.fullmatch(part)
        if match is None or (match[1] and not 1 <= abs(int(match[1])) <= 53):
            raise ValueError(f"BYDAY: {part!r} is no weekday; write MO, TU, … or 1MO, -1FR")
        days.add((int(match[1] or 0), DAYS.index(match[2])))
    return tuple(sorted(days))


def _frequency(text: str) -> str:
    if text in ("SECONDLY", "MINUTELY"):
        raise ValueError(f"FREQ={text} is too often; HOURLY is the most")
    if text not in ("HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"):
        raise ValueError(f"FREQ={text} is none of HOURLY, DAILY, WEEKLY, MONTHLY, YEARLY")
    return text


def _week_start(text: str) -> int:
    if text not in DAYS:
        raise ValueError(f"WKST: {text!r} is no weekday")
    return DAYS.index(text)


_FIELDS: dict[str, tuple[str, Callable[[str], object]]] = {
    "FREQ": ("frequency", _frequency),
    "INTERVAL": ("interval", lambda text: _single("INTERVAL", text, MAX_INTERVAL)),
    "COUNT": ("count", lambda text: _single("COUNT", text, MAX_COUNT)),
    "UNTIL": ("until", _until),
    "BYMONTH": ("by_month", lambda text: _numbers("BYMONTH", text, 1, 12)),
    "BYMONTHDAY": ("by_month_day", lambda text: _numbers("BYMONTHDAY", text, 1, 31)),
    "BYDAY": ("by_day", _weekdays),
    "BYHOUR": ("by_hour", lambda text: _numbers("BYHOUR", text, 0, 23)),
    "BYMINUTE": ("by_minute", lambda text: _numbers("BYMINUTE", text, 0, 59)),
    "BYSETPOS": ("by_set_pos", lambda text: _numbers("BYSETPOS", text, 1, 366)),
    "WKST": ("week_start", _week_start),
}


@lru_cache(maxsize=1024)
def parse_rule(text: str) -> Rule:
    """Read `FREQ=WEEKLY;BYDAY=MO,FR`; a ValueError says what is wrong with it."""
    if "=" not in text:
        raise ValueError(f"{text!r} is no RRULE; write FREQ=DAILY or FREQ=WEEKLY;BYDAY=MO,FR")
    parts: dict[str, str] = {}
    for part in text.strip().upper().removeprefix("RRULE:").rstrip(";").split(";"):
        name, _, value = part.strip().partition("=")
        if name not in _FIELDS:
            raise ValueError(f"{name or part!r} is not a part of an RRULE that is understood here")
        if name in parts:
            raise ValueError(f"{name} is given twice")
        parts[name] = value.strip()
    if "FREQ" not in parts:
        raise ValueError("FREQ is missing; write FREQ=DAILY or FREQ=WEEKLY;BYDAY=MO,FR")
    values = {_FIELDS[name][0]: _FIELDS[name][1](value) for name, value in parts.items()}
    rule = Rule(**values)  # type: ignore[arg-type]
    _check(rule)
    return rule


def _check(rule: Rule) -> None:
    if rule.count and rule.until:
        raise ValueError("COUNT and UNTIL exclude each other")
    if rule.frequency not in ("MONTHLY", "YEARLY") and any(n for n, _ in rule.by_day):
        raise ValueError("BYDAY: a number before a weekday needs FREQ=MONTHLY or YEARLY")
    if rule.frequency == "WEEKLY" and rule.by_month_day:
        raise ValueError("BYMONTHDAY doesn't go with FREQ=WEEKLY")
    _check_choices(rule)


def _check_choices(rule: Rule) -> None:
    choices = (rule.by_day, rule.by_month_day, rule.by_hour, rule.by_minute)
    if rule.by_set_pos and not any(choices):
        raise ValueError("BYSETPOS needs a BYDAY, BYMONTHDAY, BYHOUR or BYMINUTE to choose from")
    longest = max((_LENGTHS[month] for month in rule.by_month), default=31)
    if rule.by_month_day and min(map(abs, rule.by_month_day)) > longest:
        raise ValueError("BYMONTHDAY: no month of BYMONTH has such a day")


def occurrences(
    rule: Rule, start: datetime, *, since: datetime, zone: ZoneInfo
) -> Iterator[datetime]:
    """Naive local times from `start` on, in order; those long before `since` may be left out.

    Ends a fixed stretch after `since`, so that a rule that never comes true is bounded.
    """
    last = rule.last_moment(zone) or datetime.max
    horizon = _HORIZON_HOURLY if rule.frequency == "HOURLY" else _HORIZON
    end = min(last, max(start, since) + horizon)
    listed = (
        moment
        for moments in _by_period(rule, start, since if rule.count is None else start, end)
        for moment in moments
        if moment >= start
    )
    return islice(takewhile(lambda moment: moment <= last, listed), rule.count)


def _by_period(
    rule: Rule, start: datetime, since: datetime, end: datetime
) -> Iterator[list[datetime]]:
    """The occurrences of each hour, day, week, month or year that the rule visits."""
    first = max(0, _periods_between(rule, start, since) // rule.interval - 1)
    for number in count(first):
        try:
            days, hours = _period(rule, start, number * rule.interval)
        except (OverflowError, ValueError):  # past the last year of the calendar
            return
        if datetime.combine(days[0], time.min) > end:
            return
        yield _moments(rule, start, days, hours)


def _moments(
    rule: Rule, start: datetime, days: list[date], hours: tuple[int, ...]
) -> list[datetime]:
    times = [
        time(hour, minute, start.second, start.microsecond)
        for hour in hours
        for minute in rule.by_minute or (start.minute,)
    ]
    chosen = [day for day in days if _is_wanted(rule, start, day)] if times else []
    return _picked([datetime.combine(day, at) for day in chosen for at in times], rule.by_set_pos)


def _periods_between(rule: Rule, start: datetime, since: datetime) -> int:
    if rule.frequency == "HOURLY":
        return int((since - start) / timedelta(hours=1))
    if rule.frequency in ("DAILY", "WEEKLY"):
        return (since - start).days // (7 if rule.frequency == "WEEKLY" else 1)
    months = (since.year - start.year) * 12 + since.month - start.month
    return months // (12 if rule.frequency == "YEARLY" else 1)


def _period(rule: Rule, start: datetime, number: int) -> tuple[list[date], tuple[int, ...]]:
    """The days and hours of the period that is `number` periods after the one of `start`."""
    hours = rule.by_hour or (start.hour,)
    if rule.frequency == "HOURLY":
        moment = start + timedelta(hours=number)
        wanted = not rule.by_hour or moment.hour in rule.by_hour
        return [moment.date()], (moment.hour,) if wanted else ()
    if rule.frequency == "DAILY":
        return [start.date() + timedelta(days=number)], hours
    if rule.frequency == "WEEKLY":
        monday = start.date() - timedelta(days=(start.weekday() - rule.week_start) % 7)
        return _days_from(monday + timedelta(weeks=number), 7), hours
    if rule.frequency == "MONTHLY":
        year, month = divmod(start.year * 12 + start.month - 1 + number, 12)
        return _month(year, month + 1), hours
    year = start.year + number
    return _days_from(date(year, 1, 1), 366 if calendar.isleap(year) else 365), hours


def _days_from(first: date, length: int) -> list[date]:
    return [first + timedelta(days=number) for number in range(length)]


def _month(year: int, month: int) -> list[date]:
    return _days_from(date(year, month, 1), calendar.monthrange(year, month)[1])


def _is_wanted(rule: Rule, start: datetime, day: date) -> bool:
    if rule.by_month and day.month not in rule.by_month:
        return False
    if not rule.by_day and not rule.by_month_day:
        return _is_implied(rule, start, day)
    return _is_month_day(rule, day) and _is_weekday(rule, day)


def _is_implied(rule: Rule, start: datetime, day: date) -> bool:
    """What the rule leaves open is as it was at its start; a month that is shorter ends earlier.

    RFC 5545 would leave such a month out; this is SKIP=BACKWARD of RFC 7529.
    """
    if rule.frequency in ("HOURLY", "DAILY"):
        return True
    if rule.frequency == "WEEKLY":
        return day.weekday() == start.weekday()
    if rule.frequency == "YEARLY" and not rule.by_month and day.month != start.month:
        return False
    return day.day == min(start.day, calendar.monthrange(day.year, day.month)[1])


def _is_month_day(rule: Rule, day: date) -> bool:
    length = calendar.monthrange(day.year, day.month)[1]
    wanted = rule.by_month_day
    return not wanted or day.day in wanted or day.day - length - 1 in wanted


def _is_weekday(rule: Rule, day: date) -> bool:
    if not rule.by_day:
        return True
    ordinals = {ordinal for ordinal, weekday in rule.by_day if weekday == day.weekday()}
    return bool(ordinals) and (0 in ordinals or not ordinals.isdisjoint(_ordinals(rule, day)))


def _ordinals(rule: Rule, day: date) -> set[int]:
    """Which of its weekday it is in its month or year: counted from the start, and the end."""
    if rule.frequency == "YEARLY" and not rule.by_month:
        number, length = day.timetuple().tm_yday, 366 if calendar.isleap(day.year) else 365
    else:
        number, length = day.day, calendar.monthrange(day.year, day.month)[1]
    return {(number - 1) // 7 + 1, -((length - number) // 7 + 1)}


def _picked(moments: list[datetime], positions: tuple[int, ...]) -> list[datetime]:
    if not positions:
        return moments
    last = len(moments)
    wanted = {at - 1 if at > 0 else last + at for at in positions}
    return [moment for number, moment in enumerate(moments) if number in wanted]
