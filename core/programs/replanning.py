"""The way through a program that has changed under way: by an edit, a pause, a date, a zone."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from core.programs.branching import following
from core.programs.definition import Step
from core.programs.moves import Arrival
from core.programs.schedule import Slot, slot_at
from core.programs.slots import anchor_of, coming_slot, due_slot, named
from core.programs.way import Way


class Replanning:
    """Finds each step's slot as the program is now; what is as it was stays untouched."""

    def __init__(self, way: Way, waiting: Mapping[str, str], handled: Mapping[str, str]) -> None:
        self._way, self._waiting, self._handled = way, waiting, handled

    def run(self) -> None:
        gone = self._gone()
        for step in self._way.program.steps:
            if step.kind != "branch":
                self._replan(step)
        for arrival in gone:
            self._pick_up(arrival)

    def _gone(self) -> list[Arrival]:
        """Give up what is no step any more; where the chain had come from before each."""
        way = self._way
        known = {step.key for step in way.program.steps if step.kind != "branch"}
        lost = [a for key, a in way.trail.arrived.items() if key not in known and a.anchor]
        for key in {*self._waiting, *way.trail.arrived, *way.trail.asked} - known:
            way.trail.asked.pop(key, None)
            way.cancel(key)
        return lost

    def _replan(self, step: Step) -> None:
        way = self._way
        self._close(step)
        asked, armed = way.trail.asked.get(step.key), way.armed.get(step.key)
        if asked is not None and step.when.rrule is None:
            self._ask_once(step)
            return
        if armed not in (None, asked) and step.key not in self._waiting:
            return  # it is on its way
        arrival = way.trail.arrived.get(step.key)
        by_itself = step.when.anchor != "previous"
        if arrival is not None and not (by_itself and arrival.anchor is None):
            self._replan_arrived(step, arrival)
        elif by_itself:
            self._keep(step, self._own_slot(step), arrival or Arrival(None, None))

    def _close(self, step: Step) -> None:
        """What is no question any more waits for no answer."""
        if step.key in self._way.trail.asked and not step.asks:
            self._way.close(step)
            self._way.follow(step)

    def _ask_once(self, step: Step) -> None:
        """What was asked waits for its answer, and isn't asked again."""
        arrival = self._way.trail.arrived.get(step.key)
        if step.key in self._waiting:
            self._way.cancel(step.key)
        if arrival is not None:
            self._way.trail.arrived[step.key] = arrival

    def _replan_arrived(self, step: Step, arrival: Arrival) -> None:
        """A step of the chain is never too late: the rest of the chain waits for it."""
        way = self._way
        anchor = anchor_of(step, way.state, arrival)
        slot = self._still_valid(step, anchor) if anchor else None
        if anchor is not None and slot is None:
            is_single = step.when.rrule is None
            slot = due_slot(step, way.state, anchor) if is_single else self._coming(step, anchor)
        if self._keep(step, slot, arrival) is None and step.key not in way.trail.asked:
            way.follow(step)

    def _own_slot(self, step: Step) -> Slot | None:
        """By its own anchor. What was sent once isn't sent again, except for another date."""
        anchor, is_handled = anchor_of(step, self._way.state), step.key in self._handled
        if anchor is None or (is_handled and step.when.anchor != "date" and not step.when.rrule):
            return None
        return self._still_valid(step, anchor) or self._coming(step, anchor)

    def _still_valid(self, step: Step, anchor: datetime) -> Slot | None:
        """What waits, if the program as it is now would have it wait: also when it is overdue."""
        waiting = self._waiting.get(step.key)
        if waiting is None:
            return None
        state = self._way.state
        before = named(waiting, state).due_at - timedelta(microseconds=1)
        slot = due_slot(step, state, anchor, before if step.when.rrule else None)
        return slot if slot is not None and slot.occurrence == waiting else None

    def _coming(self, step: Step, anchor: datetime) -> Slot | None:
        state, last = self._way.state, self._handled.get(step.key)
        after = named(last, state).due_at if last else None
        return coming_slot(step, state, anchor, self._way.now, after)

    def _keep(self, step: Step, slot: Slot | None, arrival: Arrival) -> Slot | None:
        """Let the slot wait, now if it is past; None: nothing waits of this step any more."""
        way = self._way
        if slot is None:
            if step.key in way.trail.asked and step.key not in self._waiting:
                way.trail.arrived.pop(step.key, None)
            else:
                way.cancel(step.key)
            return None
        if slot.due_at < way.now and slot.occurrence != self._waiting.get(step.key):
            slot = slot_at(way.now, way.state.zone)
        way.plan(step, slot, arrival)
        return slot

    def _pick_up(self, arrival: Arrival) -> None:
        """Go on where the chain stood, from the step before the one that is gone."""
        way = self._way
        before = way.find(arrival.came_from)
        if before is None:
            first = way.program.steps[0]
            if (
                arrival.came_from is None
                and first.when.anchor == "previous"
                and self._is_new(first)
            ):
                way.arrive(first, way.now, None)
            return
        missed = before.asks and before.key not in way.answers
        onward = way.find(before.on_timeout) if missed else following(way.program, before)
        if onward is None or self._is_new(onward):
            way.follow(before, before.on_timeout if missed else None)

    def _is_new(self, step: Step) -> bool:
        return step.key not in self._handled and step.key not in self._way.trail.arrived
