"""A contact in a program, played without a database: rows as the flow wants them, one by one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from core.programs import flow
from core.programs.definition import Program, Step
from core.programs.flow import Moves, Outcome, State
from core.programs.schedule import Slot

DAILY = {"rrule": "FREQ=DAILY", "at": "20:00"}
MONDAY = datetime(2026, 11, 23, 12, tzinfo=UTC)


def program(*steps: Step | dict[str, Any]) -> Program:
    return Program(slug="plan", name="Plan", steps=steps)


@dataclass(kw_only=True)
class Journey:
    """Holds what the tables would, and checks what must be true of them at every moment."""

    program: Program
    now: datetime = MONDAY
    zone: str = "Europe/Lisbon"
    attributes: dict[str, Any] = field(default_factory=dict)
    waiting: dict[str, Slot] = field(default_factory=dict)
    open: dict[str, tuple[str, datetime]] = field(default_factory=dict)  # until when, by step
    spent: set[tuple[str, str]] = field(default_factory=set)
    handled: dict[str, str] = field(default_factory=dict)
    sent: list[tuple[str, str]] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)
    step_key: str | None = None
    status: str = "active"
    tickets: list[str] = field(default_factory=list)
    started_at: datetime | None = None
    last_inbound_at: datetime | None = None

    @property
    def state(self) -> State:
        armed = {key: occurrence for key, (occurrence, _) in self.open.items()}
        armed |= {key: slot.occurrence for key, slot in self.waiting.items()}
        return State(
            started_at=self.started_at or self.now,
            zone=ZoneInfo(self.zone),
            step_key=self.step_key,
            answers=self.answers,
            attributes=self.attributes,
            last_inbound_at=self.last_inbound_at,
            armed=armed,
        )

    @property
    def plans(self) -> dict[str, str]:
        """What waits: occurrence by step."""
        return {key: slot.occurrence for key, slot in self.waiting.items()}

    def begin(self) -> "Journey":
        self.started_at = self.now
        self._apply(flow.begin(self.program, self.state, self.now))
        return self

    def wait(self, **span: float) -> "Journey":
        """Let time pass, and send everything that becomes due, in order."""
        end = self.now + timedelta(**span)
        while self.status == "active" and (event := self._next_event(end)):
            moment, key, is_send = event
            self.now = max(self.now, moment)
            if is_send:
                self.settle(key)
            else:
                self.time_out(key)
        self.now = end
        return self

    def _next_event(self, end: datetime) -> tuple[datetime, str, bool] | None:
        events = [(slot.due_at, key, True) for key, slot in self.waiting.items()]
        events += [(until, key, False) for key, (_, until) in self.open.items()]
        return min((event for event in events if event[0] <= end), default=None)

    def settle(self, key: str, outcome: Outcome = "sent") -> None:
        state, slot = self.state, self.waiting.pop(key)
        self.spent.add((key, slot.occurrence))
        self.handled[key] = slot.occurrence
        step = self.step(key)
        if outcome == "sent" and step.kind not in ("wait", "handoff"):
            self.sent.append((key, slot.occurrence))
        if outcome == "sent" and (until := flow.answer_until(step, self.now, state.zone)):
            self.open[key] = (slot.occurrence, until)
        self._apply(flow.settled(self.program, state, key, outcome, slot.occurrence, self.now))

    def time_out(self, key: str) -> None:
        occurrence, _ = self.open.pop(key)
        moves = flow.settled(self.program, self.state, key, "timed_out", occurrence, self.now)
        self._apply(moves)

    def answer(self, key: str, value: Any) -> "Journey":
        state = self.state
        self.open.pop(key, None)
        self.last_inbound_at = self.now
        self._apply(flow.answered(self.program, state, key, value, self.now))
        return self

    def write(self) -> "Journey":
        self.last_inbound_at = self.now
        self._apply(flow.heard(self.program, self.state, self.now))
        return self

    def edit(self, *steps: Step | dict[str, Any]) -> "Journey":
        self.program = program(*steps)
        return self.replan()

    def resume(self) -> "Journey":
        assert self.status == "paused"
        self.status = "active"
        return self.replan()

    def replan(self) -> "Journey":
        known = {step.key for step in self.program.steps}
        self.open = {key: asked for key, asked in self.open.items() if key in known}
        moves = flow.replanned(self.program, self.state, self.plans, self.handled, self.now)
        self._apply(moves)
        return self

    def step(self, key: str) -> Step:
        return next(step for step in self.program.steps if step.key == key)

    def _apply(self, moves: Moves) -> None:
        self._check(moves)
        for key in moves.cancels:
            self.waiting.pop(key, None)
        for plan in moves.plans:
            assert plan.step_key not in self.waiting, f"two rows for {plan.step_key}"
            self.waiting[plan.step_key] = plan.slot
        self.step_key = moves.step_key or self.step_key
        self.answers = self.answers if moves.answers is None else moves.answers
        self.tickets += [moves.ticket] if moves.ticket else []
        if moves.status is not None:
            self.status = moves.status
            self.waiting.clear()
        if self.status != "active" and self.status != "paused":
            self.open.clear()

    def _check(self, moves: Moves) -> None:
        keys = [plan.step_key for plan in moves.plans]
        assert len(keys) == len(set(keys)), f"two plans for one step: {keys}"
        for plan in moves.plans:
            step, slot = self.step(plan.step_key), plan.slot
            late = timedelta(0) if step.late_policy != "collapse" else timedelta(days=4000)
            assert slot.due_at >= self.now - max(late, timedelta(minutes=15)), "planned in the past"
            assert (step.key, slot.occurrence) not in self.spent, "a slot is used twice"
        assert not (moves.status and moves.plans), "an enrolment that ends plans nothing"


def keys(sent: Sequence[tuple[str, str]]) -> list[str]:
    return [key for key, _ in sent]


def says(key: str, **fields: Any) -> dict[str, Any]:
    return {"key": key, "content": f"This is {key}.", **fields}


def asks(key: str, **fields: Any) -> dict[str, Any]:
    return says(key, kind="question", expects="scale", **fields)


def journey(*steps: Any, **fields: Any) -> Journey:
    return Journey(program=program(*steps), **fields).begin()
