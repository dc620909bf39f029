"""When a step is due, on the contact's own clock: pure arithmetic on values.

Days are calendar days of the zone. A local time that a clock change leaves out moves forward by
what was left out; one that comes twice counts the first time; a day that never was has no slot.
"""

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from core.programs.definition import QuietHours, Span, When
from core.programs.recurrence import DAYS, occurrences, parse_rule

_DAY = timedelta(days=1)
_MAX_MOVES = 500  # days to look for one that is allowed: more than a rule has exceptions


@dataclass(frozen=True)
class Slot:
    """One time a step is due. `occurrence` names it as planned, on the contact's clock."""

    occurrence: str
    due_at: datetime  # UTC


def next_due(
    when: When, *, anchor: datetime, zone: ZoneInfo, after: datetime | None = None
) -> Slot | None:
    """The first slot of `when` from its anchor on, strictly after `after`; None: no more.

    Without a rule there is one slot in all. An offset in days, weeks or months with a time names
    a day: "1 day, 09:30" is tomorrow at 09:30, whatever the time now. Before an anchor that is a
    date, a day that isn't allowed gives way to the one before it, not to one that is too late.
    """
    try:
        first = _first(when, anchor, zone)
        if first is None:
            return None
        if when.rrule is None:
            return first if after is None or first.due_at > after else None
        return _recurring(when, first, zone, after)
    except (OverflowError, ValueError):  # beyond the calendar's last year
        return None


def add_span(moment: datetime, span: Span, zone: ZoneInfo) -> datetime:
    """Later by `span`: minutes and hours as they pass, the rest by the calendar of `zone`."""
    if span.n == 0:
        return moment.astimezone(UTC)
    if span.unit in ("minutes", "hours"):
        return moment.astimezone(UTC) + timedelta(**{span.unit: span.n})
    local = moment.astimezone(zone).replace(tzinfo=None)
    if span.unit == "months":
        return resolve(_add_months(local, span.n), zone)
    return resolve(local + timedelta(**{span.unit: span.n}), zone)


def next_allowed(moment: datetime, zone: ZoneInfo, quiet: QuietHours | None) -> datetime:
    """The moment itself, or the end of the quiet hours that it falls in."""
    moment = moment.astimezone(UTC)
    if quiet is None or quiet.start == quiet.end:
        return moment
    while _is_quiet(moment.astimezone(zone).time(), quiet):
        moment = _end_of_quiet(moment, zone, quiet)
    return moment


def resolve(local: datetime, zone: ZoneInfo) -> datetime:
    """The moment of a local time: moved forward in a gap, the first of two in an overlap."""
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)


def moment_of(occurrence: str, zone: ZoneInfo) -> datetime:
    """When the slot of this name is due."""
    return resolve(datetime.fromisoformat(occurrence), zone)


def slot_at(moment: datetime, zone: ZoneInfo) -> Slot:
    """A slot at exactly this moment."""
    local = moment.astimezone(zone).replace(tzinfo=None, fold=0)
    return Slot(_name(local), moment.astimezone(UTC))


def _name(local: datetime) -> str:
    is_whole_minute = not (local.second or local.microsecond)
    return local.isoformat(timespec="minutes") if is_whole_minute else local.isoformat()


def _add_months(local: datetime, months: int) -> datetime:
    year, month = divmod(local.year * 12 + local.month - 1 + months, 12)
    length = calendar.monthrange(year, month + 1)[1]
    return local.replace(year=year, month=month + 1, day=min(local.day, length))


def _first(when: When, anchor: datetime, zone: ZoneInfo) -> Slot | None:
    """The one slot of a step without a rule, and the start of a rule."""
    base = add_span(anchor, when.offset, zone)
    local = base.astimezone(zone).replace(tzinfo=None, fold=0)
    if when.at is None:
        if _is_allowed(when, local.date()):
            return slot_at(base, zone)
        at, day = local.time(), _moved(local.date(), when)
    else:
        at, day = when.at, local.date()
        if _is_before(datetime.combine(day, at), _floor(when, anchor, base), zone):
            day += _DAY
    return _allowed_slot(when, day, at, zone)


def _moved(day: date, when: When) -> date:
    """The day beside: before an anchor it goes back, lest a reminder come too late."""
    return day - _DAY if when.offset.n < 0 else day + _DAY


def _floor(when: When, anchor: datetime, base: datetime) -> datetime | None:
    """What a slot with a time of day must not come before."""
    if when.offset.unit in ("minutes", "hours") and when.offset.n:
        return base
    return None if when.anchor == "date" else anchor


def _is_before(local: datetime, floor: datetime | None, zone: ZoneInfo) -> bool:
    return floor is not None and resolve(local, zone) < floor


def _allowed_slot(when: When, day: date, at: time, zone: ZoneInfo) -> Slot | None:
    for _ in range(_MAX_MOVES):
        local = datetime.combine(day, at)
        if _is_allowed(when, day) and _exists(local, zone):
            return Slot(_name(local), resolve(local, zone))
        day = _moved(day, when)
    return None


def _is_allowed(when: When, day: date) -> bool:
    weekday = DAYS[day.weekday()].lower()
    return (not when.weekdays or weekday in when.weekdays) and day not in when.exdates


def _exists(local: datetime, zone: ZoneInfo) -> bool:
    """False on a day that the zone left out whole, as Samoa did on 30 December 2011."""
    there = resolve(local, zone).astimezone(zone).replace(tzinfo=None)
    return there - local < _DAY


def _recurring(when: When, first: Slot, zone: ZoneInfo, after: datetime | None) -> Slot | None:
    due = _slots(when, first, zone, after)
    found = next(due, None)
    if found is None:
        return None
    # In a gap a later local time may come earlier: 02:50 becomes 03:50, while 03:10 stays.
    shown = _name(found.due_at.astimezone(zone).replace(tzinfo=None, fold=0))
    if shown == found.occurrence:
        return found
    rivals = takewhile(lambda slot: slot.occurrence < shown, due)
    return min((found, *rivals), key=lambda slot: slot.due_at)


def _slots(when: When, first: Slot, zone: ZoneInfo, after: datetime | None) -> Iterator[Slot]:
    """From the first on, after `after`, in the order of the local clock."""
    start = datetime.fromisoformat(first.occurrence)
    since = max(first.due_at, after or first.due_at).astimezone(zone).replace(tzinfo=None)
    rule = parse_rule(when.rrule or "")
    for local in occurrences(rule, start, since=since - 2 * _DAY, zone=zone):
        if not _is_allowed(when, local.date()) or not _exists(local, zone):
            continue
        slot = first if local == start else Slot(_name(local), resolve(local, zone))
        if slot.due_at >= first.due_at and (after is None or slot.due_at > after):
            yield slot


def _is_quiet(local: time, quiet: QuietHours) -> bool:
    if quiet.start < quiet.end:
        return quiet.start <= local < quiet.end
    return local >= quiet.start or local < quiet.end


def _end_of_quiet(moment: datetime, zone: ZoneInfo, quiet: QuietHours) -> datetime:
    local = moment.astimezone(zone)
    day = local.date() + (_DAY if local.time() >= quiet.end else timedelta())
    end = datetime.combine(day, quiet.end, zone)
    passes = [end.replace(fold=fold).astimezone(UTC) for fold in (0, 1)]
    if passes[0] > passes[1]:  # a gap: quiet is over when the clock has jumped past the end
        return _jump(passes[1], passes[0], zone)
    return passes[0] if passes[0] > moment else passes[1]


def _jump(early: datetime, late: datetime, zone: ZoneInfo) -> datetime:
    """The moment between the two at which the clock of `zone` is put forward."""
    before = early.astimezone(zone).utcoffset()
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) / 2
        middle = middle.replace(microsecond=0)
        if middle <= early:
            break
        if middle.astimezone(zone).utcoffset() == before:
            early = middle
        else:
            late = middle
    return late
