"""The way through a program: what to plan, cancel or end when something happens. Pure.

A step that is anchored on its own (enrolment, a date, the last inbound message) begins a track;
the steps after it that are anchored on `previous` follow it in order. After a step that recurs,
what follows is gone through after each time. A step has at most one row that waits: only its
next slot is planned, and what comes after is decided when that one is settled.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from core.programs.definition import END, Branch, Program, Step
from core.programs.schedule import (
    Slot,
    add_span,
    moment_of,
    next_due,
    resolve,
    slot_at,
)

Outcome = Literal["sent", "skipped", "expired", "timed_out"]
ASKS = ("check_in", "question")


@dataclass(frozen=True, kw_only=True)
class State:
    """Where an enrolment stands.

    `armed`: the occurrence of each step that has a row waiting or claimed, or was asked and may
    still be answered. Without it a wait doesn't end on a reply, and nothing is ever completed.
    """

    started_at: datetime
    zone: ZoneInfo
    step_key: str | None = None
    answers: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    last_inbound_at: datetime | None = None
    armed: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Plan:
    """A row to be: it waits for its slot. A cancelled row of the same occurrence is revived."""

    step_key: str
    slot: Slot


@dataclass(frozen=True, kw_only=True)
class Moves:
    """What to write. First `cancels` (rows of these steps that wait), then `plans`.

    None leaves the enrolment's step, status or answers as they are. `ticket` is a hand-off's
    reason, for the coach.
    """

    plans: tuple[Plan, ...] = ()
    cancels: tuple[str, ...] = ()
    step_key: str | None = None
    status: str | None = None
    reason: str | None = None
    ticket: str | None = None
    answers: dict[str, Any] | None = None


def begin(program: Program, state: State, now: datetime) -> Moves:
    """On enrolment: the first step, and every step that has an anchor of its own."""
    way = _Way(program, replace(state, armed={}), now)
    if program.steps[0].when.anchor == "previous":
        way.arrive(program.steps[0], state.started_at)
    for step in program.steps:
        if step.when.anchor != "previous":
            way.arm(step)
    return way.moves()


def settled(
    program: Program,
    state: State,
    step_key: str,
    outcome: Outcome,
    slot_occurrence: str,
    now: datetime,
) -> Moves:
    """A row of this step was sent, skipped or expired, or nobody answered it in time."""
    way = _Way(program, state, now)
    step = way.find(step_key)
    if step is None:
        return way.moves()
    if outcome == "timed_out" and step.kind in ASKS:
        way.close(step)
        way.follow(step, step.on_timeout)
        return way.moves()
    way.disarm(step_key)
    way.recur(step, slot_occurrence, outcome)
    if outcome == "sent" and step.kind != "wait":
        way.step_key = step_key
    if outcome == "sent" and step.kind in ASKS:
        way.open(step, slot_occurrence)
    elif step.kind == "wait":
        way.follow(step, step.on_timeout)
    else:
        way.hand_off(step, outcome)
        way.follow(step)
    return way.moves()


def answered(program: Program, state: State, step_key: str, value: Any, now: datetime) -> Moves:
    """An answer to this step came: it is kept, and the chain goes on."""
    way = _Way(program, state, now)
    step = way.find(step_key)
    if step is None:
        return way.moves()
    way.answers[step_key] = value
    way.close(step)
    way.reply_to(step)
    if way.status is None:
        way.follow(step, is_reply=True)
    way.hear()
    return way.moves()


def heard(program: Program, state: State, now: datetime) -> Moves:
    """A message came that answers no question: waits end, and nudges have no reason any more."""
    way = _Way(program, state, now)
    if step := way.find(state.step_key or ""):
        way.reply_to(step)
    way.hear()
    return way.moves()


def replanned(
    program: Program,
    state: State,
    waiting: Mapping[str, str],
    handled: Mapping[str, str],
    now: datetime,
) -> Moves:
    """After an edit, a pause or a change of dates or zone: what waits, by the program as it is.

    `waiting` and `handled` give each step's occurrence that waits, and the last one that is done.
    """
    way = _Way(program, replace(state, armed={**(state.armed or {}), **waiting}), now)
    for key in waiting:
        if way.find(key) is None:
            way.cancel(key)
    for step in program.steps:
        if step.kind != "branch" and (step.when.anchor != "previous" or step.key in waiting):
            way.replan(step, handled.get(step.key), waiting)
    way.resume(waiting, handled)
    return way.moves()


def answer_until(step: Step, asked_at: datetime, zone: ZoneInfo) -> datetime | None:
    """Until when an answer to this step counts; None for a step that asks nothing."""
    return add_span(asked_at, step.patience, zone) if step.kind in ASKS else None


def lateness(
    program: Program, state: State, step_key: str, slot_occurrence: str, now: datetime
) -> Literal["send", "skip"]:
    """Whether a slot that is looked at late is still sent.

    `send`: once, however late; `skip`: not at all; `collapse`: unless a later one is due as well,
    which is then planned in its stead. So no more than one of those missed is ever sent.
    """
    way = _Way(program, state, now)
    step = way.find(step_key)
    if step is None or not way.is_late(step, slot_occurrence) or step.late_policy == "send":
        return "send"
    if step.late_policy == "skip":
        return "skip"
    return "skip" if way.newest_missed(step, slot_occurrence) else "send"


class _Way:
    """One event's way through the program: gathers moves, knows what is armed meanwhile."""

    def __init__(self, program: Program, state: State, now: datetime) -> None:
        self.program, self.state, self.now = program, state, now
        self.by_key = {step.key: step for step in program.steps}
        self.answers = dict(state.answers)
        self.armed = dict(state.armed or {})
        self.plans: dict[str, Plan] = {}
        self.cancels: dict[str, None] = {}
        self.step_key: str | None = None
        self.status: str | None = None
        self.reason: str | None = None
        self.ticket: str | None = None

    def find(self, key: str) -> Step | None:
        return self.by_key.get(key)

    def moves(self) -> Moves:
        if self.status is None and self.state.armed is not None and not self.armed:
            self.status = "completed"
        return Moves(
            plans=() if self.status else tuple(self.plans.values()),
            cancels=tuple(self.cancels),
            step_key=self.step_key,
            status=self.status,
            reason=self.reason,
            ticket=self.ticket,
            answers=self.answers if self.answers != self.state.answers else None,
        )

    # What waits

    def plan(self, step: Step, slot: Slot, *, replaces: bool = True) -> None:
        if self.armed.get(step.key) == slot.occurrence:
            if step.key in self.plans or step.kind not in ASKS:
                return
            # Asked again within the minute: another slot needs another name.
            slot = slot_at(slot.due_at + timedelta(seconds=1), self.state.zone)
        if replaces and step.key in self.armed:
            self.cancels[step.key] = None
        self.plans[step.key] = Plan(step.key, slot)
        self.armed[step.key] = slot.occurrence

    def cancel(self, key: str) -> None:
        if self.armed.pop(key, None) is not None:
            self.cancels[key] = None
        self.plans.pop(key, None)

    def disarm(self, key: str) -> None:
        self.armed.pop(key, None)

    # The steps of the chain

    def arm(self, step: Step) -> None:
        """Plan the first slot of a step with an anchor of its own; one that is over is left."""
        anchor = self.anchor_of(step)
        slot = self.slot_from(step, anchor) if anchor else None
        if slot is not None:
            self.plan(step, slot)

    def arrive(self, step: Step | None, anchor: datetime) -> None:
        """Go on to a step: plan it; a branch, and a hand-off that is due, at once."""
        for _ in range(len(self.program.steps) + 1):
            if step is None:
                return
            if step.kind == "branch":
                step = self.chosen(step)
                continue
            slot = self.slot_on_arrival(step, anchor)
            if slot is not None and (step.kind != "handoff" or slot.due_at > self.now):
                self.mark(step, anchor)
                self.plan(step, slot)
                return
            if slot is not None:
                self.hand_off(step, "sent")
            step = self.after(step)

    def follow(self, step: Step, target: str | None = None, *, is_reply: bool = False) -> None:
        """Go on after a step: to the target, else the next; after a reply past the nudges."""
        following = self.target(target) if target else self.after(step)
        while is_reply and following is not None and following.kind == "nudge":
            following = self.after(following)
        self.arrive(following, self.now)

    def after(self, step: Step) -> Step | None:
        steps = self.program.steps
        following = steps[steps.index(step) + 1 :][:1]
        return following[0] if following and following[0].when.anchor == "previous" else None

    def target(self, key: str | None) -> Step | None:
        return None if key is None or key == END else self.find(key)

    def chosen(self, step: Step) -> Step | None:
        """Where a branch leads."""
        for branch in step.branches:
            asked = branch.step or self.asked_before(step)
            if _matches(branch, self.answers.get(asked or "")):
                return self.target(branch.goto)
        return self.target(step.otherwise) if step.otherwise else self.after(step)

    def asked_before(self, step: Step) -> str | None:
        before = self.program.steps[: self.program.steps.index(step)]
        return next((s.key for s in reversed(before) if s.kind in ASKS), None)

    def hand_off(self, step: Step, outcome: Outcome) -> None:
        if step.kind == "handoff" and outcome == "sent":
            self.ticket = step.reason or step.key
            self.step_key = step.key

    # Questions and replies

    def open(self, step: Step, occurrence: str) -> None:
        """It was asked: an earlier answer is not one to it."""
        self.answers.pop(step.key, None)
        self.armed.setdefault(step.key, occurrence)

    def close(self, step: Step) -> None:
        """It is asked no more; of a step that recurs the next slot goes on waiting."""
        if step.when.rrule is None or self.next_of(step) is None:
            self.armed.pop(step.key, None)

    def reply_to(self, step: Step) -> None:
        if step.on_reply in ("pause", "exit"):
            self.status = "paused" if step.on_reply == "pause" else "exited"
            self.reason = "replied"
            for key in list(self.armed):
                self.cancel(key)
        elif step.on_reply == "cancel_step":
            self.cancel(step.key)
        elif step.on_reply == "handoff":
            self.ticket = step.reason or step.key

    def hear(self) -> None:
        """What any message changes: waits, nudges, and what counts from the last message."""
        if self.status is not None:
            return
        for key, occurrence in (self.state.armed or {}).items():
            step = self.find(key)
            if step is None or key in self.plans or key not in self.armed:
                continue
            if step.when.anchor == "last_inbound":
                self.rearm(step)
            elif step.kind in ("wait", "nudge"):
                self.cancel(key)
                if step.kind == "nudge" and step.when.rrule:
                    self.recur(step, occurrence, "skipped")
                self.follow(step, is_reply=True)
        for step in self.program.steps:
            if step.when.anchor == "last_inbound" and step.key not in self.armed:
                self.rearm(step)

    def rearm(self, step: Step) -> None:
        slot = next_due(step.when, anchor=self.now, zone=self.state.zone)
        if slot is None:
            self.cancel(step.key)
        else:
            self.plan(step, slot)

    # Slots

    def mark(self, step: Step, anchor: datetime) -> None:
        """Keep from when a step counts: its later slots, and an edit, need to know."""
        self.answers["@" + step.key] = anchor.isoformat()

    def anchor_of(self, step: Step) -> datetime | None:
        if marked := self.answers.get("@" + step.key):
            return datetime.fromisoformat(marked)
        if step.when.anchor == "date":
            return date_of(self.state.attributes.get(step.when.attribute or ""), self.state.zone)
        if step.when.anchor == "last_inbound":
            return self.state.last_inbound_at or self.state.started_at
        return self.state.started_at

    def slot_from(self, step: Step, anchor: datetime, after: datetime | None = None) -> Slot | None:
        """The first slot that isn't over; one of a few minutes ago counts as due now."""
        zone = self.state.zone
        slot = next_due(step.when, anchor=anchor, zone=zone, after=after)
        if slot is not None and self.is_over(step, slot):
            slot = next_due(step.when, anchor=anchor, zone=zone, after=self.now)
        return slot

    def slot_on_arrival(self, step: Step, anchor: datetime) -> Slot | None:
        zone = self.state.zone
        if step.when.anchor == "date":
            there = date_of(self.state.attributes.get(step.when.attribute or ""), zone)
            return self.slot_from(step, there) if there else None
        slot = self.slot_from(step, anchor)
        if slot is None or step.kind != "wait" or step.timeout is None:
            return slot
        return slot_at(add_span(slot.due_at, step.timeout, zone), zone)

    def next_of(self, step: Step) -> Slot | None:
        anchor = self.anchor_of(step)
        if anchor is None:
            return None
        return next_due(step.when, anchor=anchor, zone=self.state.zone, after=self.now)

    def recur(self, step: Step, occurrence: str, outcome: Outcome) -> None:
        """Plan what comes after a slot of a step that recurs: never a burst of those missed."""
        anchor = self.anchor_of(step)
        if step.when.rrule is None or anchor is None:
            return
        slot = self.newest_missed(step, occurrence) if outcome != "sent" else None
        if slot is None:
            after = max(self.now, moment_of(occurrence, self.state.zone))
            slot = next_due(step.when, anchor=anchor, zone=self.state.zone, after=after)
        if slot is not None:
            self.plan(step, slot)

    def newest_missed(self, step: Step, occurrence: str) -> Slot | None:
        """The latest slot after this one that is due by now, if its policy still sends it."""
        anchor, newest = self.anchor_of(step), None
        after = moment_of(occurrence, self.state.zone)
        while anchor and step.when.rrule:
            slot = next_due(step.when, anchor=anchor, zone=self.state.zone, after=after)
            if slot is None or slot.due_at > self.now:
                break
            newest, after = slot, slot.due_at
        if newest and step.late_policy != "collapse" and self.is_over(step, newest):
            return None
        return newest

    def is_late(self, step: Step, occurrence: str) -> bool:
        return self.is_over(step, Slot(occurrence, moment_of(occurrence, self.state.zone)))

    def is_over(self, step: Step, slot: Slot) -> bool:
        return add_span(slot.due_at, step.late_after, self.state.zone) < self.now

    # After an edit

    def replan(self, step: Step, handled: str | None, waiting: Mapping[str, str]) -> None:
        """Plan the slot that the step has now; None and one that is over: none."""
        anchor = self.anchor_of(step)
        after = moment_of(handled, self.state.zone) if handled else None
        slot = self.slot_again(step, anchor, after) if anchor else None
        if slot is not None and slot.due_at < self.now and step.when.anchor == "previous":
            slot = slot_at(self.now, self.state.zone)
        if slot is not None:
            self.plan(step, slot)
        elif step.key in waiting:
            self.cancel(step.key)

    def slot_again(self, step: Step, anchor: datetime, after: datetime | None) -> Slot | None:
        """Of a step in a chain also a slot that is over: the rest of the chain waits for it."""
        if step.when.anchor != "previous" or step.when.rrule is not None:
            return self.slot_from(step, anchor, after)
        slot = next_due(step.when, anchor=anchor, zone=self.state.zone)
        if slot is None or step.kind != "wait" or step.timeout is None:
            return slot
        return slot_at(add_span(slot.due_at, step.timeout, self.state.zone), self.state.zone)

    def resume(self, waiting: Mapping[str, str], handled: Mapping[str, str]) -> None:
        """Let the chain go on where an edit or a pause interrupted it."""
        step = self.find(self.state.step_key or "")
        if step is None or any(key in self.armed for key in self.by_key if key in waiting):
            return
        if step.key in self.armed:
            return
        following = self.after(step)
        if following is not None and following.key not in handled:
            self.arrive(following, self.now)


def date_of(value: object, zone: ZoneInfo) -> datetime | None:
    """The moment of a contact's date: a day begins on their own clock; None: it is no date."""
    try:
        if isinstance(value, datetime):
            moment = value
        elif isinstance(value, date):
            moment = datetime(value.year, value.month, value.day)
        else:
            moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    if not 1900 <= moment.year <= 2200:
        return None
    return moment if moment.tzinfo else resolve(moment, zone)


def _matches(branch: Branch, answer: Any) -> bool:
    if branch.op in ("missed", "answered"):
        return (answer is None) == (branch.op == "missed")
    if answer is None:
        return False
    try:
        return bool(_COMPARE[branch.op](answer, branch.value))
    except TypeError:
        return False


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda answer, value: answer == value,
    "ne": lambda answer, value: answer != value,
    "lt": lambda answer, value: answer < value,
    "le": lambda answer, value: answer <= value,
    "gt": lambda answer, value: answer > value,
    "ge": lambda answer, value: answer >= value,
    "in": lambda answer, value: answer in value,
}
