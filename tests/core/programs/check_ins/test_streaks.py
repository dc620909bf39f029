"""Streaks in local days: what keeps one going, what ends it, and what can never happen."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.programs.check_ins.streaks import Streak, forgiven_days, monday_of, streak

SUNDAY = date(2026, 11, 22)
DAYS = st.lists(st.integers(-60, 5).map(lambda n: SUNDAY + timedelta(days=n)), max_size=40)
PER_WEEK, GRACE = st.integers(1, 7), st.integers(0, 6)


def before(*back: int) -> list[date]:
    return [SUNDAY - timedelta(days=n) for n in back]


@pytest.mark.parametrize(
    ("kept", "per_week", "grace", "expected"),
    [
        ((), 7, 0, Streak()),
        ((0, 1, 2), 7, 0, Streak(current=3, longest=3, this_week=3)),
        ((1, 2), 7, 0, Streak(current=2, longest=2, this_week=2)),
        ((2, 3), 7, 0, Streak(current=0, longest=2, this_week=2)),
        ((2, 3), 7, 1, Streak(current=2, longest=2, this_week=2)),
        ((0, 2, 4), 7, 1, Streak(current=3, longest=3, this_week=3)),
        ((0, 3, 4), 7, 1, Streak(current=1, longest=2, this_week=3)),
        ((0, 5, 10), 3, 0, Streak(current=3, longest=3, this_week=2)),
        ((0, 6), 3, 0, Streak(current=1, longest=1, this_week=2)),
        ((0, 0, 1), 7, 0, Streak(current=2, longest=2, this_week=2)),
        ((-1, 0), 7, 0, Streak(current=1, longest=1, this_week=1)),
    ],
    ids=[
        "nothing",
        "to today",
        "today is not over",
        "yesterday was missed",
        "grace forgives a day",
        "grace forgives again and again",
        "two missed end it",
        "days of rest end nothing",
        "more rest than that does",
        "a day counts once",
        "tomorrow doesn't count",
    ],
)
def test_streaks(kept: tuple[int, ...], per_week: int, grace: int, expected: Streak) -> None:
    assert streak(before(*kept), SUNDAY, per_week, grace) == expected


@given(DAYS, PER_WEEK, GRACE)
def test_a_streak_agrees_with_walking_the_calendar(
    days: list[date], per_week: int, grace: int
) -> None:
    kept, allowed = {d for d in days if d <= SUNDAY}, forgiven_days(per_week, grace)
    count = missed = 0
    for back in range(70):
        day = SUNDAY - timedelta(days=back)
        if day in kept:
            count, missed = count + 1, 0
        elif back:  # today is not missed before it has ended
            missed += 1
        if missed > allowed:
            break
    assert streak(days, SUNDAY, per_week, grace).current == count


@given(DAYS, PER_WEEK, GRACE)
def test_bounds(days: list[date], per_week: int, grace: int) -> None:
    found = streak(days, SUNDAY, per_week, grace)
    assert 0 <= found.current <= found.longest <= len(set(days))
    assert found.this_week <= (SUNDAY - monday_of(SUNDAY)).days + 1


@given(DAYS, PER_WEEK, GRACE, st.integers(-60, 0))
def test_one_day_more_never_shortens_anything(
    days: list[date], per_week: int, grace: int, extra: int
) -> None:
    less = streak(days, SUNDAY, per_week, grace)
    more = streak([*days, SUNDAY + timedelta(days=extra)], SUNDAY, per_week, grace)
    assert more.current >= less.current
    assert more.longest >= less.longest
    assert more.this_week >= less.this_week


@given(DAYS, PER_WEEK, GRACE)
def test_grace_never_shortens_anything(days: list[date], per_week: int, grace: int) -> None:
    strict, lenient = (streak(days, SUNDAY, per_week, g) for g in (0, grace))
    assert lenient.current >= strict.current
    assert lenient.longest >= strict.longest
