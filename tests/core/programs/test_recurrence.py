"""Rules of RFC 5545: what `dateutil` lists, what is refused, and that none runs for ever."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from core.programs.definition import When
from core.programs.recurrence import DAYS, occurrences, parse_rule
from core.programs.schedule import next_due

UTC_ZONE = ZoneInfo("UTC")
START = datetime(2024, 1, 31, 9, 30)


def numbers(low: int, high: int, *, both_ways: bool = False) -> st.SearchStrategy[str]:
    one = st.integers(low, high)
    if both_ways:
        one = one | one.map(lambda number: -number)
    return st.lists(one, min_size=1, max_size=3, unique=True).map(
        lambda found: ",".join(map(str, found))
    )


weekdays = st.lists(st.sampled_from(DAYS), min_size=1, max_size=3, unique=True)
nth = st.tuples(st.sampled_from((-5, -2, -1, 1, 2, 4, 5)), st.sampled_from(DAYS))
FREQUENCIES = ("HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY")


@st.composite
def rules(draw: st.DrawFn) -> str:
    frequency = draw(st.sampled_from(FREQUENCIES))
    parts = [f"FREQ={frequency}", f"INTERVAL={draw(st.integers(1, 4))}"]
    days = draw(weekdays)
    if frequency in ("MONTHLY", "YEARLY"):
        ordinals = [f"{n}{day}" for n, day in draw(st.lists(nth, min_size=1, max_size=2))]
        choices = [f"BYDAY={','.join(ordinals)}", f"BYDAY={','.join(days)}"]
        parts.append(draw(st.sampled_from((*choices, _month_days(draw)))))
    elif draw(st.booleans()):
        parts.append(f"BYDAY={','.join(days)}")
    parts += [part for part in _limits(draw, frequency) if draw(st.booleans())]
    if draw(st.booleans()):
        parts.append(draw(st.sampled_from(("COUNT=7", "UNTIL=20250607T093000"))))
    return ";".join(parts)


def _month_days(draw: st.DrawFn) -> str:
    return f"BYMONTHDAY={draw(numbers(1, 31, both_ways=True))}"


def _limits(draw: st.DrawFn, frequency: str) -> list[str]:
    limits = [f"BYMONTH={draw(numbers(1, 12))}", f"WKST={draw(st.sampled_from(DAYS))}"]
    if frequency != "HOURLY":
        limits += [f"BYHOUR={draw(numbers(0, 23))};BYMINUTE={draw(numbers(0, 59))}"]
        limits += [f"BYHOUR={draw(numbers(0, 23))};BYSETPOS={draw(st.sampled_from((1, -1, 2)))}"]
        return draw(st.sampled_from(([limits[0], limits[2]], [limits[1], limits[3]], limits[:2])))
    return [*limits, f"BYHOUR={draw(numbers(0, 23))}"]


starts = st.datetimes(datetime(2023, 1, 1), datetime(2025, 12, 31)).map(
    lambda start: start.replace(microsecond=0)
)


@settings(max_examples=250)
@given(rules(), starts)
def test_a_rule_lists_what_dateutil_lists(rule: str, start: datetime) -> None:
    end = start + timedelta(days=900)
    found = occurrences(parse_rule(rule), start, since=start, zone=UTC_ZONE)
    mine = list(takewhile(lambda moment: moment <= end, islice(found, 40)))
    theirs = list(takewhile(lambda moment: moment <= end, islice(_listed(rule, start), 40)))
    # By the hour only a year is looked ahead: a rule that comes to nothing must be quick, too.
    assert mine == theirs[: len(mine)] if rule.startswith("FREQ=HOURLY") else mine == theirs


def _listed(rule: str, start: datetime) -> Iterator[datetime]:
    """By `dateutil`, kept from running to the year 9999 for nothing."""
    is_bounded = "COUNT" in rule or "UNTIL" in rule
    bounded = rule if is_bounded else f"{rule};UNTIL=20290101T000000"
    try:
        return iter(rrulestr(bounded, dtstart=start))
    except ValueError:  # it finds that it would be empty
        return iter(())


@settings(max_examples=150)
@given(rules(), starts, st.integers(0, 150))
def test_a_later_look_gives_the_rest_of_the_same_list(
    rule: str, start: datetime, days: int
) -> None:
    read, since = parse_rule(rule), start + timedelta(days=days)
    until = since + timedelta(days=30)
    whole, rest = (
        takewhile(
            lambda moment: moment <= until, occurrences(read, start, since=look, zone=UTC_ZONE)
        )
        for look in (start, since)
    )
    assert [m for m in rest if m >= since] == [m for m in whole if m >= since]


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        ("FREQ=MONTHLY", ["01-31", "02-29", "03-31", "04-30"]),
        ("FREQ=MONTHLY;BYMONTHDAY=31", ["01-31", "03-31", "05-31", "07-31"]),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", ["01-31", "02-29", "03-31", "04-30"]),
        ("FREQ=MONTHLY;INTERVAL=3", ["01-31", "04-30", "07-31", "10-31"]),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE", ["01-31", "02-12", "02-14", "02-26"]),
    ],
)
def test_the_ends_of_months(rule: str, days: list[str]) -> None:
    found = occurrences(parse_rule(rule), START, since=START, zone=UTC_ZONE)
    assert [f"{moment:%m-%d}" for moment in islice(found, 4)] == days


def test_a_leap_day_comes_each_year_on_the_last_of_february() -> None:
    start = datetime(2024, 2, 29, 8)
    found = occurrences(parse_rule("FREQ=YEARLY"), start, since=start, zone=UTC_ZONE)
    assert [f"{moment:%Y-%m-%d}" for moment in islice(found, 5)] == [
        *("2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29")
    ]


@pytest.mark.parametrize(
    ("until", "count"), [("20240203", 4), ("20240203T093000", 4), ("20240203T083000Z", 4)]
)
def test_until_includes_its_day_and_is_read_in_the_zone(until: str, count: int) -> None:
    rule = parse_rule(f"FREQ=DAILY;UNTIL={until}")
    assert len(list(occurrences(rule, START, since=START, zone=ZoneInfo("Europe/Berlin")))) == count


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;BYMONTH=2,4;BYMONTHDAY=31",
        "FREQ=HOURLY;INTERVAL=24;BYHOUR=3",
        "FREQ=DAILY;INTERVAL=7;BYDAY=MO",
        "FREQ=YEARLY;INTERVAL=400;BYMONTH=2;BYMONTHDAY=29;BYDAY=SU",
        "FREQ=WEEKLY;BYSETPOS=9;BYDAY=MO,TU",
    ],
)
@pytest.mark.parametrize("ahead", [0, 3000])
def test_a_rule_that_never_comes_true_ends(rule: str, ahead: int) -> None:
    anchor = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)  # a Tuesday
    when = When.model_construct(rrule=rule, anchor="enrolment")
    after = anchor + timedelta(days=ahead)
    assert next_due(when, anchor=anchor, zone=UTC_ZONE, after=after) is None


def test_weekdays_that_the_rule_never_meets_end_too() -> None:
    when = When(rrule="FREQ=WEEKLY;BYDAY=MO", weekdays="fr", at="09:30")
    anchor = datetime(2026, 11, 24, tzinfo=UTC)
    assert next_due(when, anchor=anchor, zone=UTC_ZONE) is None


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("0 9 * * 1-5", "is no RRULE"),
        ("every day", "is no RRULE"),
        ("BYDAY=MO", "FREQ is missing"),
        ("FREQ=SECONDLY", "too often"),
        ("FREQ=MINUTELY;INTERVAL=30", "too often"),
        ("FREQ=FORTNIGHTLY", "is none of"),
        ("FREQ=DAILY;FREQ=WEEKLY", "FREQ is given twice"),
        ("FREQ=WEEKLY;BYDAY=MON", "'MON' is no weekday"),
        ("FREQ=WEEKLY;BYDAY=", "'' is no weekday"),
        ("FREQ=WEEKLY;BYDAY=1MO", "needs FREQ=MONTHLY or YEARLY"),
        ("FREQ=MONTHLY;BYDAY=0MO", "'0MO' is no weekday"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "32 is not between 1 and 31"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "0 is not between 1 and 31"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "doesn't go with FREQ=WEEKLY"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "no month of BYMONTH has such a day"),
        ("FREQ=YEARLY;BYMONTH=13", "13 is not between 1 and 12"),
        ("FREQ=DAILY;BYHOUR=24", "24 is not between 0 and 23"),
        ("FREQ=DAILY;BYHOUR=-1", "-1 is not between 0 and 23"),
        ("FREQ=DAILY;INTERVAL=0", "from 1 to 1000"),
        ("FREQ=DAILY;COUNT=5000", "from 1 to 1000"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20261231", "exclude each other"),
        ("FREQ=DAILY;UNTIL=20260230", "is no date of the calendar"),
        ("FREQ=DAILY;UNTIL=tomorrow", "is no date"),
        ("FREQ=DAILY;BYSETPOS=1", "BYSETPOS needs"),
        ("FREQ=YEARLY;BYWEEKNO=20", "'BYWEEKNO' is not a part"),
        ("FREQ=DAILY\nDTSTART=20260101", "is none of"),
    ],
)
def test_nonsense_is_refused_with_its_reason(rule: str, words: str) -> None:
    with pytest.raises(ValueError, match=f"(?i){re.escape(words)}"):
        parse_rule(rule)
