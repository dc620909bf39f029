"""How long somebody has kept at it: streaks in days of their own calendar. Pure.

A goal of three days a week has four days of rest, and `grace_days` more may be missed before a
streak ends. Days that are missed that way don't count, but end nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

DAYS_OF_A_WEEK = 7


@dataclass(frozen=True, kw_only=True)
class Streak:
    """Days kept in the run that still stands, in the longest one, and in this week so far."""

    current: int = 0
    longest: int = 0
    this_week: int = 0


def streak(days: Sequence[date], today: date, days_per_week: int, grace_days: int) -> Streak:
    """`days` are those on which the goal was kept, in any order; later ones than today don't count.

    Today counts once it is kept, and is not missed before it has ended.
    """
    kept = sorted({day for day in days if day <= today})
    if not kept:
        return Streak()
    forgiven = forgiven_days(days_per_week, grace_days)
    runs = list(_runs(kept, forgiven))
    stands = _missed_between(kept[-1], today) <= forgiven
    return Streak(
        current=runs[-1] if stands else 0,
        longest=max(runs),
        this_week=sum(1 for day in kept if day >= monday_of(today)),
    )


def forgiven_days(days_per_week: int, grace_days: int) -> int:
    """How many days in a row may be missed before a streak ends."""
    return DAYS_OF_A_WEEK - days_per_week + grace_days


def monday_of(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _runs(kept: Iterable[date], forgiven: int) -> Iterable[int]:
    """The lengths of the runs in days that are sorted."""
    length, last = 0, None
    for day in kept:
        if last is not None and _missed_between(last, day) > forgiven:
            yield length
            length = 0
        length, last = length + 1, day
    yield length


def _missed_between(last: date, day: date) -> int:
    return max((day - last).days - 1, 0)
