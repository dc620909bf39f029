"""When steps are due: zones, clock changes, ends of months, weekdays, quiet hours."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.programs.definition import QuietHours, Span, Unit, Weekday, When
from core.programs.schedule import (
    Slot,
    add_span,
    moment_of,
    next_allowed,
    next_due,
    resolve,
    slot_at,
)
from tests.core.programs import oracle

ZONES = sorted(
    name
    for name in available_timezones()
    if "/" in name and not name.startswith(("Etc/", "posix", "right", "SystemV"))
)
# Half hours, a change of half an hour, a day that never was, a month of its own time, one at
# midnight, quarters of an hour, the furthest east and west.
ODD = (
    *("Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "Asia/Beirut"),
    *("Asia/Kathmandu", "Pacific/Chatham", "Pacific/Kiritimati", "Pacific/Pago_Pago"),
    *("America/St_Johns", "America/Havana", "Europe/Lisbon", "America/New_York", "Africa/Cairo"),
)
DAYS: tuple[Weekday, ...] = ("mo", "tu", "we", "th", "fr", "sa", "su")

zones = st.one_of(st.sampled_from(ODD), st.sampled_from(ZONES))
times = st.times().map(lambda at: at.replace(second=0, microsecond=0))
years = st.sampled_from((2011, 2019, 2024, 2026))
masks = st.sets(st.sampled_from(DAYS)).map(lambda days: tuple(d for d in DAYS if d in days))


@st.composite
def moments(draw: st.DrawFn) -> datetime:
    """Any minute of some years; more often one near a day on which clocks change."""
    year = draw(years)
    return datetime(year, 1, 1, tzinfo=UTC) + timedelta(minutes=draw(st.integers(0, 525_000)))


@st.composite
def changes(draw: st.DrawFn) -> tuple[str, datetime]:
    """A zone, and a moment within two days of one of its clock changes if it has any."""
    zone, year = draw(zones), draw(years)
    starts = [part.start for part in oracle.around(zone, year)[1:]] or [datetime(year, 12, 29)]
    near = timedelta(minutes=draw(st.integers(-2880, 2880)))
    return zone, draw(st.sampled_from(starts)).replace(tzinfo=UTC) + near


places = st.one_of(changes(), st.tuples(zones, moments()))


def local(moment: datetime, zone: str) -> datetime:
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def first_slots(when: When, anchor: datetime, zone: str, number: int) -> list[Slot]:
    slots: list[Slot] = []
    while len(slots) < number:
        after = slots[-1].due_at if slots else None
        slot = next_due(when, anchor=anchor, zone=ZoneInfo(zone), after=after)
        if slot is None:
            break
        slots.append(slot)
    return slots


class TestOffsets:
    @pytest.mark.parametrize(
        ("offset", "due"),
        [
            ("0 days", "2026-11-23T15:20"),
            ("90 minutes", "2026-11-23T16:50"),
            ("36 hours", "2026-11-25T03:20"),
            ("3 days", "2026-11-26T15:20"),
            ("1 week", "2026-11-30T15:20"),
            ("3 months", "2027-02-23T15:20"),
            ("2 days before", "2026-11-21T15:20"),
        ],
    )
    def test_counts_from_the_anchor(self, offset: str, due: str) -> None:
        slot = next_due(
            When(offset=offset), anchor=utc("2026-11-23T15:20"), zone=ZoneInfo("Europe/Lisbon")
        )
        assert slot == Slot(due, utc(due))

    @pytest.mark.parametrize(
        ("anchor", "offset", "at", "due"),
        [
            ("enrolment", "1 day", "09:30", "2026-11-24T09:30"),
            ("enrolment", "0 days", "09:30", "2026-11-24T09:30"),
            ("enrolment", "0 days", "18:00", "2026-11-23T18:00"),
            ("previous", "20 hours", "09:30", "2026-11-25T09:30"),
            ("date", "2 days before", "10:00", "2026-11-21T10:00"),
            ("date", "0 days", "08:00", "2026-11-23T08:00"),
            ("date", "3 hours before", "08:00", "2026-11-24T08:00"),
        ],
    )
    def test_names_a_day_where_a_time_is_given(
        self, anchor: str, offset: str, at: str, due: str
    ) -> None:
        when = When(anchor=anchor, offset=offset, at=at, attribute="on")
        slot = next_due(when, anchor=utc("2026-11-23T15:20"), zone=ZoneInfo("Europe/Lisbon"))
        assert slot is not None
        assert slot.occurrence == due

    @pytest.mark.parametrize(
        ("start", "span", "end"),
        [
            ("2026-01-31T12:00", "1 month", "2026-02-28T12:00"),
            ("2028-01-31T12:00", "1 month", "2028-02-29T12:00"),
            ("2028-02-29T12:00", "12 months", "2029-02-28T12:00"),
            ("2026-03-31T12:00", "-1 months", "2026-02-28T12:00"),
            ("2026-12-31T12:00", "2 months", "2027-02-28T12:00"),
        ],
    )
    def test_months_end_where_they_end(self, start: str, span: str, end: str) -> None:
        assert add_span(utc(start), Span.model_validate(span), ZoneInfo("UTC")) == utc(end)

    def test_a_day_is_one_of_the_calendar_and_hours_pass(self) -> None:
        zone, before = ZoneInfo("Europe/Lisbon"), utc("2026-03-28T12:00")
        assert add_span(before, Span(n=1, unit="days"), zone) == utc("2026-03-29T11:00")
        assert add_span(before, Span(n=24, unit="hours"), zone) == utc("2026-03-29T12:00")

    def test_a_weekday_before_an_appointment_stays_before_it(self) -> None:
        when = When(anchor="date", attribute="on", offset="1 day before", weekdays="mo-fr")
        slot = next_due(when, anchor=utc("2026-11-29T10:00"), zone=ZoneInfo("UTC"))  # a Sunday
        assert slot == Slot("2026-11-27T10:00", utc("2026-11-27T10:00"))

    def test_beyond_the_calendar_there_is_no_slot(self) -> None:
        anchor = datetime(9999, 12, 30, tzinfo=UTC)
        assert next_due(When(offset="2 days"), anchor=anchor, zone=ZoneInfo("UTC")) is None

    def test_a_step_without_a_rule_is_due_once(self) -> None:
        zone, anchor = ZoneInfo("UTC"), utc("2026-11-23T10:00")
        when = When(offset="1 day", at="09:30", weekdays="mo-fr")
        slot = next_due(when, anchor=anchor, zone=zone)
        assert slot is not None
        assert next_due(when, anchor=anchor, zone=zone, after=slot.due_at) is None


class TestClockChanges:
    @pytest.mark.parametrize(
        ("zone", "day", "at", "due"),
        [
            ("Europe/Lisbon", "2026-03-29", "01:30", "2026-03-29T01:30"),  # shown as 02:30
            ("Europe/Lisbon", "2026-10-25", "01:30", "2026-10-25T00:30"),  # the first of two
            ("America/New_York", "2026-03-08", "02:30", "2026-03-08T07:30"),
            ("America/New_York", "2026-11-01", "01:30", "2026-11-01T05:30"),
            ("Australia/Lord_Howe", "2026-10-04", "02:15", "2026-10-03T15:45"),  # by half an hour
            ("Australia/Lord_Howe", "2026-04-05", "01:45", "2026-04-04T14:45"),
            ("Asia/Beirut", "2026-03-29", "00:30", "2026-03-28T22:30"),  # midnight is left out
            ("Africa/Casablanca", "2026-03-22", "02:30", "2026-03-22T02:30"),
            ("Pacific/Apia", "2011-12-31", "09:30", "2011-12-30T19:30"),
        ],
    )
    def test_forward_in_a_gap_and_once_in_an_overlap(
        self, zone: str, day: str, at: str, due: str
    ) -> None:
        wall = datetime.fromisoformat(f"{day}T{at}")
        assert resolve(wall, ZoneInfo(zone)) == utc(due) == oracle.fires_at(wall, zone)

    def test_a_day_that_never_was_has_no_slot(self) -> None:
        when = When(at="09:30", rrule="FREQ=DAILY")
        slots = first_slots(when, utc("2011-12-28T12:00"), "Pacific/Apia", 4)
        assert [slot.occurrence[8:10] for slot in slots] == ["28", "29", "31", "01"]
        assert [slot.due_at for slot in slots] == sorted({slot.due_at for slot in slots})

    def test_hours_in_a_gap_come_once_each(self) -> None:
        when = When(rrule="FREQ=HOURLY")
        slots = first_slots(when, utc("2026-03-29T00:30"), "Europe/Lisbon", 4)
        assert [local(s.due_at, "Europe/Lisbon").hour for s in slots] == [0, 2, 3, 4]

    def test_minutes_either_side_of_a_gap_come_in_order(self) -> None:
        when = When(at="00:00", rrule="FREQ=DAILY;BYHOUR=1,2;BYMINUTE=10,50")
        slots = first_slots(when, utc("2026-03-29T00:00"), "Europe/Lisbon", 5)
        assert [f"{local(s.due_at, 'Europe/Lisbon'):%d %H:%M}" for s in slots] == [
            *("29 02:10", "29 02:50", "30 01:10", "30 01:50", "30 02:10")
        ]


class TestRecurring:
    @settings(max_examples=250)
    @given(places, times, masks, st.sampled_from(("", ";INTERVAL=2", ";INTERVAL=3")))
    def test_daily_slots_are_those_of_the_zone_s_clock(
        self, place: tuple[str, datetime], at: time, mask: tuple[Weekday, ...], every: str
    ) -> None:
        zone, near = place
        first = local(near, zone).date()
        anchor = oracle.fires_at(datetime.combine(first, time()), zone)
        assume(anchor is not None and local(anchor, zone).date() == first)
        when = When(anchor="date", attribute="on", at=at, weekdays=mask, rrule=f"FREQ=DAILY{every}")
        last = first + timedelta(days=45)
        slots = first_slots(when, anchor or near, zone, 12)
        due = [slot.due_at for slot in slots if slot.occurrence[:10] <= last.isoformat()]
        assume(_starts_on_its_day(when, first, at, zone))
        wanted = oracle.expected_moments(
            zone, first_day=first, last_day=last, at=at, weekdays=mask, rrule=f"FREQ=DAILY{every}"
        )
        assert due == wanted[:12]

    @pytest.mark.parametrize("zone", ODD)
    @pytest.mark.parametrize("year", [2011, 2026])
    def test_a_year_of_nights_is_that_of_the_zone_s_clock(self, zone: str, year: int) -> None:
        anchor = oracle.fires_at(datetime(year, 1, 1), zone)
        assert anchor is not None
        slots = first_slots(When(at="02:30", rrule="FREQ=DAILY"), anchor, zone, 366)
        wanted = oracle.expected_moments(
            zone, first_day=date(year, 1, 1), last_day=date(year, 12, 31), at=time(2, 30)
        )
        assert [slot.due_at for slot in slots][: len(wanted)] == wanted

    @settings(max_examples=250)
    @given(places, times, masks, st.data())
    def test_slots_increase_keep_their_time_and_their_weekdays(
        self,
        place: tuple[str, datetime],
        at: time,
        mask: tuple[Weekday, ...],
        data: st.DataObject,
    ) -> None:
        zone, anchor = place
        rule = data.draw(
            st.sampled_from(("FREQ=DAILY", "FREQ=WEEKLY", "FREQ=MONTHLY", "FREQ=MONTHLY;BYDAY=2FR"))
        )
        slots = first_slots(When(at=at, weekdays=mask, rrule=rule), anchor, zone, 6)
        due = [slot.due_at for slot in slots]
        assert due == sorted(set(due))
        assert all(moment >= anchor for moment in due)
        assert len({slot.occurrence for slot in slots}) == len(slots)
        for slot in slots:
            wall = datetime.fromisoformat(slot.occurrence)
            assert wall.time() == at
            assert not mask or DAYS[wall.weekday()] in mask
            shown = oracle.shown_at(slot.due_at, zone)
            assert shown == wall or (
                not oracle.moments_of(wall, zone) and shown - wall == oracle.gap_at(wall, zone)
            )

    @given(places, times, masks)
    def test_the_same_question_has_the_same_answer(
        self, place: tuple[str, datetime], at: time, mask: tuple[Weekday, ...]
    ) -> None:
        zone, anchor = place
        when = When(at=at, weekdays=mask, rrule="FREQ=DAILY")
        slots = first_slots(when, anchor, zone, 3)
        for before, slot in pairwise(slots):
            for after in (before.due_at, slot.due_at - timedelta(seconds=1)):
                again = next_due(when, anchor=anchor, zone=ZoneInfo(zone), after=after)
                assert again == slot
            assert moment_of(slot.occurrence, ZoneInfo(zone)) == slot.due_at

    @given(places, masks)
    def test_without_a_time_it_is_the_anchor_s(
        self, place: tuple[str, datetime], mask: tuple[Weekday, ...]
    ) -> None:
        zone, anchor = place
        slots = first_slots(When(rrule="FREQ=DAILY", weekdays=mask), anchor, zone, 3)
        assert len(slots) == 3
        assert slots[0].due_at >= anchor
        if not mask:
            assert slots[0] == slot_at(anchor, ZoneInfo(zone))

    def test_left_out_days_are_left_out(self) -> None:
        when = When(at="09:30", rrule="FREQ=DAILY", exdates=["2026-12-25", "2026-12-26"])
        slots = first_slots(when, utc("2026-12-24T00:00"), "Europe/Lisbon", 3)
        assert [slot.occurrence[8:10] for slot in slots] == ["24", "27", "28"]

    def test_a_late_look_is_as_quick_as_an_early_one(self) -> None:
        when, zone = When(at="09:30", rrule="FREQ=DAILY"), ZoneInfo("Europe/Lisbon")
        slot = next_due(when, anchor=utc("1950-01-01T00:00"), zone=zone, after=utc("2026-11-23"))
        assert slot == Slot("2026-11-23T09:30", utc("2026-11-23T09:30"))


def _starts_on_its_day(when: When, first: date, at: time, zone: str) -> bool:
    """Whether the zone's clock shows the first day's time: else the rule begins a day later."""
    start = datetime.combine(first, at)
    while when.weekdays and DAYS[start.weekday()] not in when.weekdays:
        start += timedelta(days=1)
    return oracle.fires_at(start, zone) is not None


class TestQuietHours:
    @settings(max_examples=400)
    @given(places, times, times)
    def test_nothing_is_allowed_in_quiet_hours(
        self, place: tuple[str, datetime], start: time, end: time
    ) -> None:
        zone, moment = place
        quiet = QuietHours(start=start, end=end)
        allowed = next_allowed(moment, ZoneInfo(zone), quiet)
        assert not oracle.is_quiet(allowed, zone, start, end)
        assert allowed >= moment
        assert next_allowed(allowed, ZoneInfo(zone), quiet) == allowed
        # Not a minute later than need be: until then it was quiet all the time.
        minutes = range(0, int((allowed - moment) / timedelta(minutes=1)), 7)
        for passed in minutes:
            assert oracle.is_quiet(moment + timedelta(minutes=passed), zone, start, end)
        if allowed > moment:
            assert oracle.is_quiet(allowed - timedelta(seconds=1), zone, start, end)

    @given(places, times)
    def test_hours_of_no_length_are_none(self, place: tuple[str, datetime], at: time) -> None:
        zone, moment = place
        assert next_allowed(moment, ZoneInfo(zone), QuietHours(start=at, end=at)) == moment

    @pytest.mark.parametrize(
        ("moment", "allowed"),
        [
            ("2026-11-23T20:59", "2026-11-23T20:59"),
            ("2026-11-23T21:00", "2026-11-24T08:00"),
            ("2026-11-24T03:00", "2026-11-24T08:00"),
            ("2026-11-24T08:00", "2026-11-24T08:00"),
        ],
    )
    def test_a_night(self, moment: str, allowed: str) -> None:
        assert next_allowed(utc(moment), ZoneInfo("UTC"), QuietHours()) == utc(allowed)

    def test_hours_that_end_in_a_gap_end_with_it(self) -> None:
        quiet = QuietHours(start=time(21), end=time(1, 30))
        allowed = next_allowed(utc("2026-03-29T00:00"), ZoneInfo("Europe/Lisbon"), quiet)
        assert allowed == utc("2026-03-29T01:00")


@settings(max_examples=200)
@given(places, st.integers(-400, 400), st.sampled_from(("minutes", "hours", "days", "weeks")))
def test_a_span_is_as_the_clock_counts(place: tuple[str, datetime], n: int, unit: Unit) -> None:
    zone, moment = place
    later = add_span(moment, Span(n=n, unit=unit), ZoneInfo(zone))
    if unit in ("minutes", "hours") or n == 0:
        assert later - moment == timedelta(**{unit: n})
        return
    wall = local(moment, zone) + timedelta(**{unit: n})
    shown = oracle.moments_of(wall, zone)
    assert later == (shown[0] if shown else moved(wall, zone))


def moved(wall: datetime, zone: str) -> datetime:
    return oracle.moments_of(wall + oracle.gap_at(wall, zone), zone)[0]
