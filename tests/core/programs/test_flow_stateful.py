"""Any program and whatever happens in it: one row a step at most, nothing twice, never stuck."""

from datetime import timedelta
from typing import Any

from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core.programs.checks import problems_of
from core.programs.definition import Program
from core.programs.moves import Trail
from tests.core.programs.journeys import Journey, program

KEYS = tuple("abcdef")
ZONES = ("Europe/Lisbon", "Asia/Tokyo", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo")
DATES = ("2026-11-20", "2026-11-29", "2026-12-24T15:00", "2027-03-28", "soon", None)

offsets = st.sampled_from(("0 days", "10 minutes", "5 hours", "1 day", "3 days", "1 month"))
ats = st.sampled_from((None, "02:30", "09:30", "20:00"))
masks = st.sampled_from(((), "mo-fr", "sa"))
rrules = st.sampled_from(
    ("FREQ=DAILY", "FREQ=DAILY;COUNT=3", "FREQ=WEEKLY;BYDAY=MO,TH", "FREQ=HOURLY;INTERVAL=7")
)
kinds = st.sampled_from(
    ("message", "message", "nudge", "check_in", "question", "wait", "branch", "handoff")
)
replies = st.sampled_from(("continue", "continue", "pause", "cancel_step", "exit", "handoff"))
policies = st.sampled_from(("send", "skip", "collapse"))
places = st.sampled_from((*KEYS, "end", None))


@st.composite
def times(draw: st.DrawFn) -> dict[str, Any]:
    anchor = draw(st.sampled_from(("previous",) * 4 + ("enrolment", "date", "last_inbound")))
    when: dict[str, Any] = {"anchor": anchor, "offset": draw(offsets), "at": draw(ats)}
    if anchor == "date":
        when |= {"attribute": "on"}
        if draw(st.booleans()):
            when |= {"offset": "2 days before"}
    if draw(st.integers(0, 3)) == 0:
        when |= {"rrule": draw(rrules)}
    return when | {"weekdays": draw(masks)}


@st.composite
def steps(draw: st.DrawFn, key: str) -> dict[str, Any]:
    kind = draw(kinds)
    step: dict[str, Any] = {"key": key, "kind": kind, "on_reply": draw(replies)}
    if kind == "branch":
        op = draw(st.sampled_from(("missed", "answered", "lt")))
        goto = {"op": op, "value": 3 if op == "lt" else None, "goto": draw(places) or "end"}
        return step | {"branches": [goto], "otherwise": draw(places)}
    step |= {"when": draw(times()), "late_policy": draw(policies)}
    if kind == "wait":
        step["when"].pop("rrule", None)
        return step | {"timeout": "2 days", "on_timeout": draw(places)}
    if kind in ("check_in", "question"):
        return step | {"content": "How?", "expects": "scale", "on_timeout": draw(places)}
    return step | {"content": "Hello", "then": draw(st.sampled_from((None, None, None, "end")))}


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """A sound program; what leads nowhere is mended, so that few are thrown away."""
    count = draw(st.integers(1, len(KEYS)))
    drawn = [draw(steps(key)) for key in KEYS[:count]]
    known = {*KEYS[:count], "end", None}
    for step in drawn:
        for name in ("otherwise", "on_timeout"):
            if step.get(name) not in known:
                step[name] = None
        for branch in step.get("branches", ()):
            branch["goto"] = branch["goto"] if branch["goto"] in known else "end"
    found = program(*drawn)
    assume(not [problem for problem in problems_of(found) if "leads to" not in problem])
    return found


class Course(RuleBasedStateMachine):
    """Plays a journey; the journey itself checks every set of moves."""

    journey: Journey

    @initialize(declared=programs(), zone=st.sampled_from(ZONES), date=st.sampled_from(DATES))
    def begin(self, declared: Program, zone: str, date: str | None) -> None:
        self.journey = Journey(program=declared, zone=zone, attributes={"on": date}).begin()

    @property
    def is_active(self) -> bool:
        return self.journey.status == "active"

    @rule(hours=st.integers(1, 60))
    def time_passes(self, hours: int) -> None:
        self.journey.wait(hours=hours)

    @rule(days=st.integers(1, 9))
    def everything_is_down(self, days: int) -> None:
        self.journey.now += timedelta(days=days)

    @precondition(lambda self: self.is_active and self.journey.waiting)
    @rule(data=st.data(), outcome=st.sampled_from(("sent", "skipped", "expired")))
    def the_next_is_settled(self, data: st.DataObject, outcome: Any) -> None:
        key = min(self.journey.waiting, key=lambda key: self.journey.waiting[key].due_at)
        self.journey.now = max(self.journey.now, self.journey.waiting[key].due_at)
        self.journey.settle(key, outcome)

    @precondition(lambda self: self.is_active and self.journey.open)
    @rule(data=st.data(), value=st.integers(1, 5))
    def an_answer_comes(self, data: st.DataObject, value: int) -> None:
        self.journey.answer(data.draw(st.sampled_from(sorted(self.journey.open))), value)

    @precondition(lambda self: self.is_active)
    @rule()
    def somebody_writes(self) -> None:
        self.journey.write()

    @precondition(lambda self: self.is_active)
    @rule(zone=st.sampled_from(ZONES), date=st.sampled_from(DATES))
    def the_contact_changes(self, zone: str, date: str | None) -> None:
        self.journey.zone, self.journey.attributes = zone, {"on": date}
        self.journey.replan()

    @precondition(lambda self: self.is_active)
    @rule(declared=programs())
    def the_program_is_edited(self, declared: Program) -> None:
        self.journey.program = declared
        self.journey.replan()

    @precondition(lambda self: self.journey.status == "paused")
    @rule()
    def a_pause_ends(self) -> None:
        self.journey.resume()

    @invariant()
    def it_is_never_stuck(self) -> None:
        if not hasattr(self, "journey") or not self.is_active:
            return
        awaited = {*self.journey.waiting, *self.journey.open}
        assert awaited, "active, and nothing will ever happen"
        trail = Trail.read(self.journey.answers)
        assert set(trail.arrived) <= awaited, "a step is arrived at and will never be due"
        assert set(trail.asked) <= set(self.journey.open), "an answer is waited for in vain"


TestCourse = Course.TestCase
TestCourse.settings = settings(max_examples=60, stateful_step_count=25)
