"""One event's way through a program: goes from step to step, and gathers what is to be written."""

from datetime import datetime, timedelta

from core.programs.branching import chosen, following
from core.programs.definition import END, Program, Step
from core.programs.moves import LULL, Arrival, Moves, Outcome, Plan, State, Trail, given
from core.programs.schedule import Slot, moment_of, slot_at
from core.programs.slots import anchor_of, coming_slot, due_slot, named, next_slot

ENDS = ("paused", "exited")
_MINUTE = len("2026-11-23T09:30")


class Way:
    """Knows what is armed meanwhile; `moves` says what it all comes to."""

    def __init__(self, program: Program, state: State, now: datetime) -> None:
        self.program, self.state, self.now = program, state, now
        self.answers = given(state.answers)
        self.trail = Trail.read(state.answers)
        self.armed = dict(state.armed or {})
        self._steps = {step.key: step for step in program.steps}
        self._plans: dict[str, Plan] = {}
        self._cancels: dict[str, None] = {}
        self._step_key: str | None = None
        self._status: str | None = None
        self._ticket: str | None = None

    def find(self, key: str | None) -> Step | None:
        return self._steps.get(key or "")

    def moves(self, *, may_complete: bool = True) -> Moves:
        answers = {**self.answers, **self.trail.write()}
        status = self._status or ("completed" if may_complete and self._is_done else None)
        stops = status in ENDS
        return Moves(
            plans=() if status else tuple(self._plans.values()),
            cancels=tuple(self.state.armed or ()) if stops else tuple(self._cancels),
            step_key=self._step_key,
            status=status,
            reason="replied" if stops else None,
            ticket=self._ticket,
            answers=answers if answers != self.state.answers else None,
        )

    @property
    def _is_done(self) -> bool:
        is_known = self.state.armed is not None
        return is_known and not (self.armed or self.trail.arrived or self.trail.asked)

    # What waits

    def plan(self, step: Step, slot: Slot, arrival: Arrival) -> None:
        """Let a step wait for its slot; another one of it that waits is given up."""
        slot = self._unspent(step, slot)
        self.trail.arrived[step.key] = arrival
        if self.armed.get(step.key) == slot.occurrence:
            return
        if step.key in self.armed and step.key not in self._plans:
            self._cancels[step.key] = None
        self._plans[step.key] = Plan(step.key, slot)
        self.armed[step.key] = slot.occurrence

    def _unspent(self, step: Step, slot: Slot) -> Slot:
        """Come back to within the same minute, a step needs a slot of another name."""
        spent = self.trail.spent.get(step.key, "")
        if slot.occurrence > spent or slot.occurrence[:_MINUTE] != spent[:_MINUTE]:
            return slot
        behind = datetime.fromisoformat(spent) - datetime.fromisoformat(slot.occurrence)
        return slot_at(slot.due_at + behind + timedelta(seconds=1), self.state.zone)

    def cancel(self, key: str) -> None:
        """Give up what waits of a step. Whether the chain goes on is the caller's to say."""
        if self.armed.pop(key, None) is not None and self._plans.pop(key, None) is None:
            self._cancels[key] = None
        self.trail.arrived.pop(key, None)

    def arm(self, step: Step) -> None:
        """Plan a step by its own anchor; one whose time is over is left out."""
        anchor = anchor_of(step, self.state)
        slot = coming_slot(step, self.state, anchor, self.now) if anchor else None
        if slot is not None:
            self.plan(step, slot, Arrival(None, None))

    # From step to step

    def arrive(self, step: Step | None, since: datetime, came_from: str | None) -> None:
        """Go on to a step and plan it; a branch, and a hand-off that is due, happen at once."""
        for _ in range(len(self.program.steps) + 1):
            if step is None:
                return
            if step.kind == "branch":
                step = self.target(chosen(self.program, step, self.answers))
                continue
            arrival = Arrival(since, came_from)
            slot = self._first_slot(step, arrival)
            if slot is not None and (step.kind != "handoff" or slot.due_at > self.now):
                self.plan(step, slot, arrival)
                return
            if slot is not None:
                self.hand_off(step)
            step = following(self.program, step)

    def _first_slot(self, step: Step, arrival: Arrival) -> Slot | None:
        anchor = anchor_of(step, self.state, arrival)
        return coming_slot(step, self.state, anchor, self.now) if anchor else None

    def follow(self, step: Step, target: str | None = None, *, is_reply: bool = False) -> None:
        """Go on after a step: to the target or the next one; after a reply past the nudges."""
        onward = self.target(target) if target else following(self.program, step)
        while is_reply and onward is not None and onward.kind == "nudge":
            onward = following(self.program, onward)
        self.arrive(onward, self.now, step.key)

    def target(self, key: str) -> Step | None:
        return None if key == END else self.find(key)

    def hand_off(self, step: Step) -> None:
        self._ticket = self._ticket or step.reason or step.key
        self._step_key = step.key

    # A row is settled

    def settle(self, step: Step, outcome: Outcome, occurrence: str) -> None:
        """A slot was sent or passed over: plan the next of it, and go on in the chain."""
        arrival = self.trail.arrived.get(step.key)
        self.trail.spent[step.key] = occurrence
        if self.armed.get(step.key) == occurrence:
            del self.armed[step.key]
        if arrival is None:  # it was given up meanwhile, and the chain has gone on
            return
        is_sent = outcome == "sent"
        self._recur(step, arrival, occurrence, is_sent=is_sent)
        if is_sent:
            self._sent(step)
        if is_sent and step.asks:
            self._ask(step, occurrence)
        else:
            self.follow(step, step.on_timeout if step.kind == "wait" else None)

    def _sent(self, step: Step) -> None:
        if step.kind == "handoff":
            self.hand_off(step)
        elif step.kind != "wait":
            self._step_key = step.key
            if self.trail.replied == step.key:
                self.trail.replied = None

    def _recur(self, step: Step, arrival: Arrival, occurrence: str, *, is_sent: bool) -> None:
        """Plan the next slot of a step that recurs; any other, or the last one, is done."""
        anchor, slot = anchor_of(step, self.state, arrival), None
        if step.when.rrule is not None and anchor is not None:
            settled = named(occurrence, self.state)
            slot = next_slot(step, self.state, anchor, self.now, settled, is_sent=is_sent)
        if slot is not None:
            self.plan(step, slot, arrival)
        elif step.when.rrule is not None or not (step.asks and is_sent):
            self.trail.arrived.pop(step.key, None)

    def _ask(self, step: Step, occurrence: str) -> None:
        """It was asked: an earlier answer is none to it, and one not given is missed."""
        if step.key in self.trail.asked:
            self.time_out(step, self.trail.asked[step.key])
        self.answers.pop(step.key, None)
        self.trail.asked[step.key] = occurrence

    def time_out(self, step: Step, occurrence: str) -> None:
        """Nobody answered in time."""
        if self.trail.asked.get(step.key) == occurrence:
            self.answers.pop(step.key, None)
            self.close(step)
            self.follow(step, step.on_timeout)

    def close(self, step: Step) -> None:
        """It is asked no more; of a step that recurs the next slot goes on waiting."""
        occurrence = self.trail.asked.pop(step.key)
        if self.armed.get(step.key) == occurrence:
            del self.armed[step.key]
        if step.when.rrule is None:
            self.trail.arrived.pop(step.key, None)

    # Somebody wrote

    def answer(self, step: Step) -> None:
        """An answer goes on in the chain; one that comes too late is kept, and no more."""
        if step.key not in self.trail.asked:
            return
        self.close(step)
        self.reply_to(step)
        if self._status != "exited":
            self.follow(step, is_reply=True)

    def reply_to(self, step: Step) -> None:
        """Do what the step says about a reply, once for each time that it was sent."""
        if step.on_reply == "continue" or self.trail.replied == step.key:
            return
        self.trail.replied = step.key
        if step.on_reply in ("pause", "exit"):
            self._status = "paused" if step.on_reply == "pause" else "exited"
        elif step.on_reply == "cancel_step":
            self.cancel(step.key)
        else:
            self._ticket = self._ticket or step.reason or step.key

    def hear(self) -> None:
        """What any message changes: waits end, nudges are needless, silence begins anew."""
        if self._status == "exited":
            return
        for key, occurrence in (self.state.armed or {}).items():
            step = self.find(key)
            is_there = key in self.armed and key not in self._plans
            if step is not None and is_there and self._ends_on_a_message(step, occurrence):
                self._end(step, occurrence)
        for step in self.program.steps:
            if step.when.anchor == "last_inbound":
                self._await_silence(step)

    def _ends_on_a_message(self, step: Step, occurrence: str) -> bool:
        if step.kind not in ("wait", "nudge") or step.when.anchor == "last_inbound":
            return False
        is_near = moment_of(occurrence, self.state.zone) <= self.now + LULL
        return step.when.rrule is None or is_near

    def _end(self, step: Step, occurrence: str) -> None:
        """A wait is over; a nudge is needless, though of one that recurs only the next to come."""
        arrival = self.trail.arrived.get(step.key)
        if arrival is not None and step.when.rrule is not None:
            self._pass_over(step, arrival, occurrence)
            return
        self.cancel(step.key)
        if arrival is not None:
            self.trail.spent[step.key] = occurrence
            self.follow(step, is_reply=True)

    def _pass_over(self, step: Step, arrival: Arrival, occurrence: str) -> None:
        anchor = anchor_of(step, self.state, arrival)
        coming = due_slot(step, self.state, anchor, self.now) if anchor else None
        if coming is not None and coming.occurrence < occurrence:
            return  # the next one is passed over already
        self.cancel(step.key)
        self._recur(step, arrival, occurrence, is_sent=True)

    def _await_silence(self, step: Step) -> None:
        """Plan from this message on what counts from the last one."""
        slot = due_slot(step, self.state, self.now)
        if slot is not None:
            self.plan(step, slot, Arrival(self.now, None))
