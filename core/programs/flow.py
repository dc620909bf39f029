"""The way through a program: what to plan, cancel or end when something happens. Pure.

A step that is anchored on its own (enrolment, a date, the last inbound message) begins a track;
the steps after it that are anchored on `previous` follow it in order. After a step that recurs,
what follows is gone through after each time. A step has at most one row that waits: only its
next slot is planned, and what comes after is decided when that one is settled.

A nudge is for silence: after a reply it is passed by. An edit doesn't restart a chain that ended.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from core.programs.definition import ASKS, Program, Step
from core.programs.moves import Moves, Outcome, Plan, State, after, given
from core.programs.replanning import Replanning
from core.programs.schedule import add_span
from core.programs.slots import anchor_of, is_over, named, newest_missed
from core.programs.way import Way


def begin(program: Program, state: State, now: datetime) -> Moves:
    """On enrolment: the first step, and every step that has an anchor of its own."""
    way = Way(program, replace(state, armed={}), now)
    if program.steps[0].when.anchor == "previous":
        way.arrive(program.steps[0], state.started_at, None)
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
    way = Way(program, state, now)
    step = way.find(step_key)
    if step is not None and outcome == "timed_out" and step.kind != "wait":
        way.time_out(step, slot_occurrence)
    elif step is not None:
        way.settle(step, outcome, slot_occurrence)
    return way.moves()


def answered(program: Program, state: State, step_key: str, value: Any, now: datetime) -> Moves:
    """An answer to this step came: it is kept, and the chain goes on."""
    way = Way(program, state, now)
    step = way.find(step_key)
    if step is not None:
        way.answers[step_key] = value
        way.answer(step)
    way.hear()
    return way.moves()


def heard(program: Program, state: State, now: datetime) -> Moves:
    """A message came that answers no question: waits end, and nudges have no reason any more."""
    way = Way(program, state, now)
    step = way.find(state.step_key)
    if step is not None and not step.asks:
        way.reply_to(step)
    way.hear()
    return way.moves(may_complete=bool(state.armed))


def replanned(
    program: Program,
    state: State,
    waiting: Mapping[str, str],
    handled: Mapping[str, str],
    now: datetime,
) -> Moves:
    """After an edit, a pause or a change of dates or zone: what waits, by the program as it is.

    `waiting` and `handled` give each step's occurrence that waits, and the last one that is done.
    A step that is in neither plans nor cancels keeps its slot.
    """
    way = Way(program, replace(state, armed={**(state.armed or {}), **waiting}), now)
    Replanning(way, waiting, handled).run()
    return way.moves()


def answer_until(step: Step, asked_at: datetime, zone: ZoneInfo) -> datetime | None:
    """Until when an answer to this step counts; None for a step that asks nothing."""
    return add_span(asked_at, step.patience, zone) if step.asks else None


def lateness(
    program: Program, state: State, step_key: str, slot_occurrence: str, now: datetime
) -> Literal["send", "skip"]:
    """Whether a slot that is looked at late is still sent.

    `send`: once, however late; `skip`: not at all; `collapse`: unless a later one is due as well,
    which is then planned in its stead. So no more than one of those missed is ever sent.
    """
    step = next((step for step in program.steps if step.key == step_key), None)
    if step is None or step.late_policy == "send":
        return "send"
    slot = named(slot_occurrence, state)
    if not is_over(step, state, slot, now):
        return "send"
    anchor = anchor_of(step, state, Way(program, state, now).trail.arrived.get(step_key))
    if step.late_policy == "skip" or anchor is None:
        return "skip"
    return "skip" if newest_missed(step, state, anchor, slot, now) else "send"


__all__ = [
    "ASKS",
    "Moves",
    "Outcome",
    "Plan",
    "State",
    "after",
    "answer_until",
    "answered",
    "begin",
    "given",
    "heard",
    "lateness",
    "replanned",
    "settled",
]
