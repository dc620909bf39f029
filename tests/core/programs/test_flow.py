"""The way through a program: chains, tracks, waits, branches, questions, replies, ends."""

from datetime import timedelta
from typing import Any

import pytest

from core.programs import flow
from core.programs.flow import Moves, Plan
from core.programs.schedule import Slot
from tests.core.programs.journeys import DAILY, MONDAY, asks, journey, keys, says


class TestChain:
    def test_each_step_counts_from_the_one_before(self) -> None:
        trip = journey(
            says("one"), says("two", when={"offset": "1 day", "at": "09:30"}), says("three")
        )
        assert trip.plans == {"one": "2026-11-23T12:00"}
        trip.wait(minutes=1)
        assert trip.plans == {"two": "2026-11-24T09:30"}
        trip.wait(days=1)
        assert trip.sent == [
            ("one", "2026-11-23T12:00"),
            ("two", "2026-11-24T09:30"),
            ("three", "2026-11-24T09:30"),
        ]
        assert trip.status == "completed"

    @pytest.mark.parametrize("outcome", ["skipped", "expired"])
    def test_goes_on_after_a_step_that_was_not_sent(self, outcome: Any) -> None:
        trip = journey(says("one"), says("two"))
        trip.settle("one", outcome)
        assert list(trip.plans) == ["two"]

    def test_a_program_without_anything_to_come_is_completed(self) -> None:
        trip = journey(says("one", when={"anchor": "date", "attribute": "exam"}))
        assert trip.status == "completed"
        assert trip.sent == []

    def test_a_slot_that_is_settled_twice_moves_nothing_twice(self) -> None:
        trip = journey(says("one"), says("two", when={"offset": "1 day"}))
        before = trip.state
        trip.settle("one")
        again = flow.settled(trip.program, trip.state, "one", "sent", "2026-11-23T12:00", trip.now)
        assert again == Moves()
        assert before.answers != trip.state.answers


class TestTracks:
    def test_anchors_of_their_own_run_beside_the_chain(self) -> None:
        trip = journey(
            says("hello"),
            says("daily", when={"anchor": "enrolment", **DAILY}),
            says("exam", when={"anchor": "date", "attribute": "on", "offset": "2 days before"}),
            says("silence", when={"anchor": "last_inbound", "offset": "5 days"}, kind="nudge"),
            attributes={"on": "2026-12-01"},
        )
        assert trip.plans == {
            "hello": "2026-11-23T12:00",
            "daily": "2026-11-23T20:00",
            "exam": "2026-11-29T00:00",
            "silence": "2026-11-28T12:00",
        }

    def test_one_that_recurs_plans_the_next_only(self) -> None:
        trip = journey(says("daily", when={**DAILY, "rrule": "FREQ=DAILY;COUNT=3"}))
        trip.wait(days=1)
        assert trip.plans == {"daily": "2026-11-24T20:00"}
        trip.wait(days=5)
        assert keys(trip.sent) == ["daily"] * 3
        assert trip.status == "completed"

    def test_what_follows_one_that_recurs_comes_after_each(self) -> None:
        trip = journey(says("daily", when=DAILY), says("after", when={"offset": "1 hour"}))
        trip.wait(days=2)
        assert keys(trip.sent) == ["daily", "after"] * 2

    def test_a_date_that_has_passed_is_left_out(self) -> None:
        reminder = says("before", when={"anchor": "date", "attribute": "on", "offset": "-1 days"})
        trip = journey(
            says("hello", when={"offset": "1 day"}), reminder, attributes={"on": "2026-11-24"}
        )
        assert list(trip.plans) == ["hello"]

    @pytest.mark.parametrize(
        "value", [None, "soon", "2026-02-30", 7, "9999-12-31", [], "0001-01-01"]
    )
    def test_a_date_that_is_none_is_left_out(self, value: Any) -> None:
        reminder = says("before", when={"anchor": "date", "attribute": "on"})
        trip = journey(says("hello"), reminder, attributes={"on": value})
        assert list(trip.plans) == ["hello"]

    def test_silence_begins_anew_with_each_message(self) -> None:
        nudge = says("silence", kind="nudge", when={"anchor": "last_inbound", "offset": "2 days"})
        trip = journey(says("daily", when=DAILY), nudge)
        trip.wait(days=1).write()
        assert trip.plans["silence"] == "2026-11-26T12:00"
        trip.wait(days=3)
        assert keys(trip.sent).count("silence") == 1
        trip.write().wait(days=3)
        assert keys(trip.sent).count("silence") == 2


class TestWaits:
    STEPS = (
        says("one"),
        {"key": "pause", "kind": "wait", "timeout": "2 days", "on_timeout": "late"},
        says("next"),
        {"key": "over", "kind": "branch", "branches": [], "otherwise": "end"},
        says("late"),
    )

    def test_end_with_a_message(self) -> None:
        trip = journey(*self.STEPS).wait(hours=5).write()
        assert trip.plans == {"next": "2026-11-23T17:00"}

    def test_end_with_their_time(self) -> None:
        trip = journey(*self.STEPS).wait(days=3)
        assert keys(trip.sent) == ["one", "late"]
        assert trip.sent[1] == ("late", "2026-11-25T12:00")

    def test_to_a_local_time_need_no_timeout(self) -> None:
        wait = {"key": "pause", "kind": "wait", "when": {"at": "09:00", "weekdays": "fr"}}
        trip = journey(says("one"), wait, says("two")).wait(days=7)
        assert trip.sent[1] == ("two", "2026-11-27T09:00")


class TestBranches:
    @pytest.mark.parametrize(
        ("branch", "answer", "goes"),
        [
            ({"op": "lt", "value": 3}, 2, True),
            ({"op": "lt", "value": 3}, 3, False),
            ({"op": "le", "value": 3}, 3, True),
            ({"op": "gt", "value": 3}, 4, True),
            ({"op": "ge", "value": 3}, 2, False),
            ({"op": "eq", "value": 3}, 3.0, True),
            ({"op": "ne", "value": 3}, 3, False),
            ({"op": "in", "value": [1, 2]}, 2, True),
            ({"op": "eq", "value": "yes"}, "yes", True),
            ({"op": "lt", "value": 3}, "words", False),
            ({"op": "in", "value": 3}, 3, False),
            ({"op": "answered"}, 0, True),
            ({"op": "missed"}, False, False),
        ],
    )
    def test_compare_the_answer(self, branch: dict[str, Any], answer: Any, goes: bool) -> None:
        fork = {"key": "fork", "kind": "branch", "branches": [{**branch, "goto": "there"}]}
        trip = journey(asks("ask"), fork | {"otherwise": "end"}, says("there"))
        trip.wait(minutes=1).answer("ask", answer)
        assert ("there" in trip.plans) is goes
        assert goes or trip.status == "completed"

    def test_know_when_nobody_answered(self) -> None:
        fork = {"key": "fork", "kind": "branch", "branches": [{"op": "missed", "goto": "miss"}]}
        trip = journey(asks("ask"), fork | {"otherwise": "end"}, says("miss")).wait(days=4)
        assert keys(trip.sent) == ["ask", "miss"]

    def test_may_ask_again_at_once(self) -> None:
        fork = {"key": "fork", "kind": "branch", "otherwise": "end"}
        again = {"branches": [{"op": "lt", "value": 1, "goto": "ask"}]}
        trip = journey(asks("ask"), fork | again).wait(minutes=0)
        trip.answer("ask", 0)
        assert list(trip.plans) == ["ask"]
        assert trip.wait(minutes=1).answer("ask", 3).status == "completed"

    def test_lead_back_through_a_wait(self) -> None:
        wait = {"key": "rest", "kind": "wait", "timeout": "1 day"}
        back = {"key": "back", "kind": "branch", "branches": [], "otherwise": "one"}
        trip = journey(says("one"), wait, back).wait(days=3, minutes=1)
        assert [slot for _, slot in trip.sent] == [f"2026-11-{d}T12:00" for d in (23, 24, 25, 26)]


class TestQuestions:
    def test_hold_the_chain_until_they_are_answered(self) -> None:
        trip = journey(asks("ask"), says("next")).wait(days=2)
        assert trip.plans == {}
        trip.answer("ask", 4)
        assert list(trip.plans) == ["next"]
        assert flow.given(trip.answers) == {"ask": 4}

    def test_time_out_and_lead_elsewhere(self) -> None:
        ask = asks("ask", timeout="3 hours", on_timeout="nudge")
        trip = journey(ask, says("thanks"), says("nudge", kind="nudge", when={"offset": "1 hour"}))
        trip.wait(hours=3)
        assert trip.plans == {"nudge": "2026-11-23T16:00"}

    def test_an_answer_passes_the_nudges_by(self) -> None:
        nudge = says("nudge", kind="nudge", when={"offset": "2 hours"})
        trip = journey(asks("ask"), nudge, says("next")).wait(hours=1).answer("ask", 2)
        assert list(trip.plans) == ["next"]

    def test_a_message_makes_a_nudge_needless_and_the_chain_goes_on(self) -> None:
        nudge = says("nudge", kind="nudge", when={"offset": "2 hours"})
        trip = journey(asks("ask", timeout="1 day"), nudge, says("next")).wait(days=1, hours=1)
        assert list(trip.plans) == ["nudge"]
        assert list(trip.write().plans) == ["next"]

    def test_of_a_nudge_that_recurs_messages_pass_over_the_next_one_only(self) -> None:
        weekly = {"anchor": "enrolment", "at": "12:15", "rrule": "FREQ=WEEKLY;BYDAY=WE"}
        trip = journey(says("nudge", kind="nudge", when=weekly))
        assert trip.write().plans == {"nudge": "2026-11-25T12:15"}  # not for days
        trip.now += timedelta(days=1, hours=20)
        assert trip.write().plans == {"nudge": "2026-12-02T12:15"}
        assert trip.write().plans == {"nudge": "2026-12-02T12:15"}
        assert keys(trip.wait(days=14).sent) == ["nudge"]

    def test_a_step_may_say_what_follows_it(self) -> None:
        fork = {"key": "fork", "kind": "branch", "otherwise": "no"}
        yes = fork | {"branches": [{"op": "ge", "value": 3, "goto": "yes"}]}
        trip = journey(
            asks("ask"), yes, says("yes", then="end"), says("no", then="bye"), says("bye")
        )
        assert keys(trip.wait(hours=1).answer("ask", 4).wait(days=1).sent) == ["ask", "yes"]
        trip = journey(
            asks("ask"), yes, says("yes", then="end"), says("no", then="bye"), says("bye")
        )
        assert keys(trip.wait(hours=1).answer("ask", 1).wait(days=1).sent) == ["ask", "no", "bye"]

    def test_a_late_answer_is_kept_and_moves_nothing(self) -> None:
        trip = journey(asks("ask", timeout="1 hour"), says("next", when={"offset": "1 day"}))
        trip.wait(hours=5)
        plans = trip.plans
        trip.answer("ask", 5)
        assert flow.given(trip.answers) == {"ask": 5}
        assert trip.plans == plans

    def test_one_that_recurs_is_asked_again_without_the_old_answer(self) -> None:
        trip = journey(asks("ask", when=DAILY)).wait(days=1).answer("ask", 5)
        assert trip.plans == {"ask": "2026-11-24T20:00"}
        trip.wait(days=1)
        assert flow.given(trip.answers) == {}

    def test_one_that_was_missed_leads_on_before_it_is_asked_again(self) -> None:
        ask = asks("ask", when=DAILY, timeout="2 days")
        fork = {"key": "fork", "kind": "branch", "branches": [{"op": "missed", "goto": "miss"}]}
        trip = journey(ask, fork | {"otherwise": "end"}, says("miss")).wait(days=1, hours=9)
        assert keys(trip.sent) == ["ask", "ask", "miss"]


class TestReplies:
    @pytest.mark.parametrize(
        ("on_reply", "status", "tickets"),
        [
            ("continue", "active", []),
            ("pause", "paused", []),
            ("exit", "exited", []),
            ("handoff", "active", ["Talk to them"]),
            ("cancel_step", "completed", []),
        ],
    )
    def test_do_what_the_step_says(self, on_reply: Any, status: str, tickets: list[str]) -> None:
        daily = says("daily", when=DAILY, on_reply=on_reply, reason="Talk to them")
        trip = journey(daily).wait(hours=9).write()
        assert (trip.status, trip.tickets) == (status, tickets)
        assert (trip.plans == {}) is (status != "active")
        trip.now += timedelta(minutes=1)
        if status == "active":
            assert trip.write().tickets == tickets  # once for each time it was sent
            assert trip.wait(days=1).write().tickets == tickets * 2

    def test_a_pause_goes_on_where_it_stood(self) -> None:
        trip = journey(asks("ask", on_reply="pause"), says("next", when={"offset": "1 day"}))
        trip.wait(hours=1).answer("ask", 3)
        assert trip.status == "paused"
        trip.now += timedelta(hours=2)
        assert trip.resume().plans == {"next": "2026-11-24T13:00"}

    def test_a_long_pause_goes_on_at_once(self) -> None:
        trip = journey(asks("ask", on_reply="pause"), says("next", when={"offset": "1 day"}))
        trip.wait(hours=1).answer("ask", 3)
        trip.now += timedelta(days=9)
        assert trip.resume().plans == {"next": "2026-12-02T13:00"}

    def test_a_hand_off_opens_a_ticket_and_goes_on(self) -> None:
        trip = journey(
            says("one"), {"key": "help", "kind": "handoff", "reason": "Why"}, says("two")
        )
        trip.wait(minutes=1)
        assert trip.tickets == ["Why"]
        assert keys(trip.sent) == ["one", "two"]

    def test_a_hand_off_may_be_later(self) -> None:
        later = {"key": "help", "kind": "handoff", "when": {"offset": "2 days"}}
        trip = journey(says("one"), later, says("two")).wait(days=1)
        assert trip.tickets == []
        assert trip.wait(days=2).tickets == ["help"]
        assert keys(trip.sent) == ["one", "two"]


class TestDownTime:
    @pytest.mark.parametrize(
        ("policy", "verdict", "then"),
        [
            ("send", "send", "2026-11-26T20:00"),
            ("skip", "skip", "2026-11-26T20:00"),
            ("collapse", "skip", "2026-11-25T20:00"),
        ],
    )
    def test_of_the_slots_missed_one_is_sent_at_most(
        self, policy: Any, verdict: str, then: str
    ) -> None:
        trip = journey(says("daily", when=DAILY, late_policy=policy))
        slot, trip.now = trip.waiting["daily"], MONDAY + timedelta(days=3)
        found = flow.lateness(trip.program, trip.state, "daily", slot.occurrence, trip.now)
        assert found == verdict
        trip.settle("daily", "sent" if verdict == "send" else "skipped")
        assert trip.plans == {"daily": then}

    @pytest.mark.parametrize("policy", ["skip", "collapse"])
    def test_one_that_was_due_just_now_is_sent(self, policy: Any) -> None:
        trip = journey(says("daily", when=DAILY, late_policy=policy))
        trip.now = MONDAY + timedelta(days=2, hours=8, minutes=10)
        trip.settle("daily", "skipped")
        assert trip.plans == {"daily": "2026-11-25T20:00"}
        assert (
            flow.lateness(trip.program, trip.state, "daily", "2026-11-25T20:00", trip.now) == "send"
        )

    def test_the_latest_of_a_year_of_hours_is_found_soon(self) -> None:
        hourly = says("hourly", when={"rrule": "FREQ=HOURLY"}, late_policy="collapse")
        trip = journey(hourly)
        trip.now = MONDAY + timedelta(days=365, minutes=5)
        trip.settle("hourly", "skipped")
        assert trip.plans == {"hourly": "2027-11-23T12:00"}


def test_two_events_at_once_come_to_one_set_of_moves() -> None:
    trip = journey(says("chain"), says("next"), says("daily", when=DAILY | {"anchor": "enrolment"}))
    state, now = trip.state, MONDAY + timedelta(days=1)
    first = flow.settled(trip.program, state, "chain", "sent", "2026-11-23T12:00", now)
    then = flow.after(state, first)
    second = flow.settled(trip.program, then, "daily", "sent", "2026-11-23T20:00", now)
    both = first.and_then(second)
    assert {plan.step_key for plan in both.plans} == {"next", "daily"}
    assert Plan("next", Slot("2026-11-24T12:00", now)) in both.plans
    assert both.step_key == "daily"
    assert both.answers == flow.after(then, second).answers
