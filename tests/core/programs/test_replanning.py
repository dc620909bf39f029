"""A program that changes under way: edits, pauses, other dates, another zone."""

from datetime import timedelta
from typing import Any

import pytest

from core.programs import flow
from core.programs.flow import Moves
from tests.core.programs.journeys import DAILY, asks, journey, keys, says


class TestEdits:
    def test_move_what_waits(self) -> None:
        trip = journey(says("one"), says("two", when={"offset": "5 days"})).wait(days=1)
        trip.edit(says("one"), says("two", when={"offset": "2 days", "at": "10:00"}))
        assert trip.plans == {"two": "2026-11-25T10:00"}

    def test_send_at_once_what_would_be_over(self) -> None:
        trip = journey(says("one"), says("two", when={"offset": "9 days"})).wait(days=4)
        trip.edit(says("one"), says("two", when={"offset": "2 days"}))
        assert trip.plans == {"two": "2026-11-27T12:00"}

    def test_leave_alone_what_is_the_same(self) -> None:
        steps = (says("one"), says("two", when={"offset": "9 days"}), says("daily", when=DAILY))
        trip = journey(*steps).wait(days=4)
        assert (
            flow.replanned(trip.program, trip.state, trip.plans, trip.handled, trip.now) == Moves()
        )

    def test_never_send_again_what_was_sent(self) -> None:
        week = {"anchor": "enrolment", "offset": "1 day"}
        trip = journey(
            says("one"), says("own", when=week), says("d", when=DAILY | {"anchor": "enrolment"})
        )
        trip.wait(days=2)
        trip.edit(
            says("one"),
            says("own", when=week | {"offset": "9 days"}),
            says("d", when=DAILY | {"anchor": "enrolment"}),
        )
        assert trip.plans == {"d": "2026-11-25T20:00"}

    def test_a_step_that_is_gone_lets_the_chain_go_on(self) -> None:
        trip = journey(says("one"), says("two", when={"offset": "9 days"}), says("three"))
        trip.wait(days=1).edit(says("one"), says("three"))
        assert list(trip.plans) == ["three"]

    def test_a_question_that_is_gone_lets_the_chain_go_on(self) -> None:
        trip = journey(says("one"), asks("two"), says("three")).wait(days=1)
        trip.edit(says("one"), says("three"))
        assert list(trip.plans) == ["three"]

    @pytest.mark.parametrize("when", [{}, DAILY], ids=["once", "daily"])
    def test_a_question_that_is_none_any_more_lets_the_chain_go_on(self, when: Any) -> None:
        trip = journey(asks("ask", when=when), says("two")).wait(hours=9)
        trip.edit(says("ask", when=when), says("two"))
        assert "two" in trip.plans
        assert trip.wait(days=5).sent.count(("ask", "2026-11-23T12:00")) <= 1

    def test_a_question_that_is_open_stays_so(self) -> None:
        trip = journey(asks("ask"), says("two")).wait(days=1)
        trip.edit(asks("ask"), says("new"), says("two"))
        assert (trip.plans, trip.status) == ({}, "active")
        assert list(trip.answer("ask", 1).plans) == ["new"]

    def test_another_date_has_a_reminder_of_its_own(self) -> None:
        reminder = says("r", when={"anchor": "date", "attribute": "on", "offset": "1 day before"})
        trip = journey(
            reminder,
            says("daily", when=DAILY | {"anchor": "enrolment"}),
            attributes={"on": "2026-11-30"},
        )
        trip.attributes = {"on": "2026-12-04T15:00"}
        assert trip.replan().plans["r"] == "2026-12-03T15:00"
        trip.wait(days=11).attributes = {"on": "2026-12-24"}
        assert trip.replan().plans["r"] == "2026-12-23T00:00"
        assert keys(trip.sent).count("r") == 1

    def test_another_zone_keeps_the_times_on_the_clock(self) -> None:
        trip = journey(says("daily", when=DAILY | {"anchor": "enrolment"})).wait(hours=9)
        trip.zone = "Asia/Tokyo"
        trip.replan()
        assert trip.plans == {"daily": "2026-11-24T20:00"}

    def test_a_wait_goes_on_waiting(self) -> None:
        wait = {"key": "rest", "kind": "wait", "timeout": "9 days"}
        trip = journey(says("one"), wait, says("two")).wait(days=1)
        trip.edit(says("one"), wait | {"timeout": "3 days"}, says("two"))
        assert trip.plans == {"rest": "2026-11-26T12:00"}


def test_an_edit_of_the_hour_after_many_missed_days_goes_on() -> None:
    """What waits is overdue by days and no slot of the new hour: the next one waits instead."""
    trip = journey(
        says("water", when={"anchor": "enrolment", "at": "09:05", "rrule": "FREQ=DAILY"})
    )
    trip.now += timedelta(days=3)
    trip.edit(says("water", when={"anchor": "enrolment", "at": "08:00", "rrule": "FREQ=DAILY"}))
    assert (trip.plans, trip.status) == ({"water": "2026-11-27T08:00"}, "active")
