"""What a contact would get when, if they entered a program now and answered nothing. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from core.programs import flow
from core.programs.definition import Program, Step
from core.programs.flow import Moves, State
from core.programs.schedule import Slot
from core.programs.sends.gates import Verdict

HORIZON = timedelta(days=400)
MAX_EVENTS = 2_000  # among them waits and questions that run out
MAX_DEFERRALS = 10  # of one send

Judge = Callable[[Step, Slot, datetime], Verdict]


@dataclass(frozen=True, kw_only=True)
class Foreseen:
    """One send: its slot, when it would leave, and what the gates say. `held_by`: put off by."""

    step: Step
    slot: Slot
    at: datetime
    verdict: Verdict
    held_by: str | None = None


@dataclass
class _Simulation:
    program: Program
    state: State
    judge: Judge
    now: datetime
    pending: dict[str, Slot] = field(default_factory=dict)
    asked: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    found: list[Foreseen] = field(default_factory=list)
    is_over: bool = False

    def apply(self, moves: Moves) -> None:
        for key in moves.cancels:
            self.pending.pop(key, None)
        for plan in moves.plans:
            self.pending[plan.step_key] = plan.slot
        self.is_over = moves.status is not None
        self.state = replace(
            self.state,
            step_key=moves.step_key or self.state.step_key,
            answers=self.state.answers if moves.answers is None else moves.answers,
        )
        self._arm()

    def _arm(self, *busy: tuple[str, str]) -> None:
        armed = {key: occurrence for key, (_, occurrence) in self.asked.items()}
        armed |= {key: slot.occurrence for key, slot in self.pending.items()}
        self.state = replace(self.state, armed=armed | dict(busy))

    def step_on(self) -> bool:
        """The next thing that happens; False when nothing does."""
        events = [(slot.due_at, "send", key) for key, slot in self.pending.items()]
        events += [(until, "time_out", key) for key, (until, _) in self.asked.items()]
        if not events or self.is_over:
            return False
        due_at, kind, key = min(events)
        self.now = max(self.now, due_at)
        if kind == "send":
            self._send(key)
        else:
            _, occurrence = self.asked.pop(key)
            self._arm((key, occurrence))
            self._settle(key, "timed_out", occurrence, self.now)
        return True

    def _send(self, key: str) -> None:
        slot = self.pending.pop(key)
        step = next(one for one in self.program.steps if one.key == key)
        one = self._judged(step, slot)
        if step.kind not in ("wait", "branch") and (step.kind != "handoff" or step.content):
            self.found.append(one)
        outcome: flow.Outcome = "skipped" if one.verdict.kind in ("skip", "expire") else "sent"
        until = flow.answer_until(step, one.at, self.state.zone)
        self._arm((key, slot.occurrence))
        self._settle(key, outcome, slot.occurrence, one.at)
        if until is not None and outcome == "sent":
            self.asked[key] = (until, slot.occurrence)
            self._arm()

    def _judged(self, step: Step, slot: Slot) -> Foreseen:
        """When it would leave: what somebody has to end may last, only the night ends itself."""
        at, held_by = max(slot.due_at, self.now), None
        verdict = self.judge(step, slot, at)
        for _ in range(MAX_DEFERRALS):
            if verdict.kind != "defer" or verdict.until is None or verdict.reason != "quiet_hours":
                break
            at, held_by = verdict.until, verdict.reason
            verdict = self.judge(step, slot, at)
        return Foreseen(step=step, slot=slot, at=at, verdict=verdict, held_by=held_by)

    def _settle(self, key: str, outcome: flow.Outcome, occurrence: str, at: datetime) -> None:
        self.apply(flow.settled(self.program, self.state, key, outcome, occurrence, at))


def foresee(
    program: Program, state: State, now: datetime, *, sends: int, judge: Judge
) -> list[Foreseen]:
    """The next `sends` of them, in the order in which they are due."""
    simulation = _Simulation(program=program, state=state, judge=judge, now=now)
    simulation.apply(flow.begin(program, state, now))
    for _ in range(MAX_EVENTS):
        if len(simulation.found) >= sends or simulation.now > now + HORIZON:
            break
        if not simulation.step_on():
            break
    return simulation.found[:sends]
