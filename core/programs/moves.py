"""The values of a flow: how an enrolment stands, and what to write when something happened."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, Self
from zoneinfo import ZoneInfo

from core.programs.schedule import Slot

# Whoever wrote so shortly before needs no nudge; the next of one that recurs comes all the same.
LULL = timedelta(days=1)

Outcome = Literal["sent", "skipped", "expired", "timed_out"]
TRAIL = "@"  # beside the answers, which are kept by the keys of steps; no step is named so


@dataclass(frozen=True, kw_only=True)
class State:
    """How an enrolment stands.

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

    def and_then(self, later: Self) -> "Moves":
        """What both come to, when `later` was worked out from the state that this one leaves."""
        replaced = {*later.cancels, *(plan.step_key for plan in later.plans)}
        kept = tuple(plan for plan in self.plans if plan.step_key not in replaced)
        said = {name: value for name in _LATER if (value := getattr(later, name)) is not None}
        return replace(
            self,
            plans=() if later.status else (*kept, *later.plans),
            cancels=tuple(dict.fromkeys((*self.cancels, *later.cancels))),
            **said,
        )


_LATER = ("step_key", "status", "reason", "ticket", "answers")  # the later one counts


def after(state: State, moves: Moves) -> State:
    """How the enrolment stands once these moves are written."""
    armed = dict(state.armed or {})
    for key in moves.cancels:
        armed.pop(key, None)
    armed |= {plan.step_key: plan.slot.occurrence for plan in moves.plans}
    return replace(
        state,
        step_key=moves.step_key or state.step_key,
        answers=state.answers if moves.answers is None else moves.answers,
        armed=None if state.armed is None else armed,
    )


def given(answers: Mapping[str, Any]) -> dict[str, Any]:
    """The answers alone, without what the flow keeps beside them."""
    return {key: value for key, value in answers.items() if key != TRAIL}


class Arrival(NamedTuple):
    """Since when a step that isn't done counts, and the step before it.

    Without a moment it counts from its own anchor.
    """

    anchor: datetime | None
    came_from: str | None


@dataclass(kw_only=True)
class Trail:
    """What a flow keeps between events: steps arrived at, questions asked, the reply seen last.

    It stands beside the answers, so that one write moves an enrolment.
    """

    arrived: dict[str, Arrival] = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)  # occurrence by step
    spent: dict[str, str] = field(default_factory=dict)  # the last slot that was handled, by step
    replied: str | None = None  # the step whose `on_reply` was followed

    @classmethod
    def read(cls, answers: Mapping[str, Any]) -> Self:
        kept = answers.get(TRAIL) or {}
        arrived = {
            key: Arrival(datetime.fromisoformat(since) if since else None, came_from)
            for key, (since, came_from) in kept.get("arrived", {}).items()
        }
        asked, spent = dict(kept.get("asked", {})), dict(kept.get("spent", {}))
        return cls(arrived=arrived, asked=asked, spent=spent, replied=kept.get("replied"))

    def write(self) -> dict[str, Any]:
        arrived = {
            key: [arrival.anchor and arrival.anchor.isoformat(), arrival.came_from]
            for key, arrival in self.arrived.items()
        }
        whole = {"arrived": arrived, "asked": self.asked, "spent": self.spent}
        kept = {name: value for name, value in {**whole, "replied": self.replied}.items() if value}
        return {TRAIL: kept} if kept else {}
