"""The slots of a step in one enrolment: its first, the next of one that recurs, those missed."""

from datetime import date, datetime, timedelta

from core.programs.definition import Step
from core.programs.moves import Arrival, State
from core.programs.schedule import Slot, add_span, moment_of, next_due, resolve, slot_at

_YEARS = range(1900, 2200)
# How far back the latest missed slot is looked for: near first, so that it is soon found.
_LOOK_BACK = tuple(timedelta(days=days) for days in (1, 8, 40, 400))


def anchor_of(step: Step, state: State, arrival: Arrival | None = None) -> datetime | None:
    """From when a step counts; None: the contact has no such date."""
    if step.when.anchor == "date":
        return date_of(state.attributes.get(step.when.attribute or ""), state)
    if arrival is not None and arrival.anchor is not None:
        return arrival.anchor
    if step.when.anchor == "last_inbound":
        return state.last_inbound_at or state.started_at
    return state.started_at


def date_of(value: object, state: State) -> datetime | None:
    """The moment of a contact's date: a day begins on their own clock; None: it is no date."""
    try:
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day)
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        return None
    if moment.year not in _YEARS:
        return None
    return moment if moment.tzinfo else resolve(moment, state.zone)


def due_slot(
    step: Step, state: State, anchor: datetime, after: datetime | None = None
) -> Slot | None:
    """The first slot after `after`; of a wait, when it is over."""
    slot = next_due(step.when, anchor=anchor, zone=state.zone, after=after)
    if slot is None or step.kind != "wait" or step.timeout is None:
        return slot
    return slot_at(add_span(slot.due_at, step.timeout, state.zone), state.zone)


def coming_slot(
    step: Step, state: State, anchor: datetime, now: datetime, after: datetime | None = None
) -> Slot | None:
    """The first slot that isn't over; one of a few minutes ago counts as due now."""
    slot = due_slot(step, state, anchor, after)
    if slot is not None and is_over(step, state, slot, now):
        newest = newest_missed(step, state, anchor, slot, now)
        # However many were missed, what recurs goes on.
        is_missed = newest is None or is_over(step, state, newest, now)
        slot = due_slot(step, state, anchor, now) if is_missed else newest
    return slot if slot is None or not is_over(step, state, slot, now) else None


def next_slot(
    step: Step, state: State, anchor: datetime, now: datetime, settled: Slot, *, is_sent: bool
) -> Slot | None:
    """What a step that recurs does after a slot: of those missed meanwhile at most the latest."""
    if not is_sent:
        newest = newest_missed(step, state, anchor, settled, now)
        if newest and (step.late_policy == "collapse" or not is_over(step, state, newest, now)):
            return newest
    later = max(now, settled.due_at)
    return next_due(step.when, anchor=anchor, zone=state.zone, after=later)


def newest_missed(
    step: Step, state: State, anchor: datetime, since: Slot, now: datetime
) -> Slot | None:
    """The latest slot after `since` that is due by now."""
    if step.when.rrule is None:
        return None
    newest = None
    for back in _LOOK_BACK:
        after = max(since.due_at, now - back)
        while True:
            slot = next_due(step.when, anchor=anchor, zone=state.zone, after=after)
            if slot is None or slot.due_at > now:
                break
            newest, after = slot, slot.due_at
        if newest is not None or after == since.due_at:
            break
    return newest


def is_over(step: Step, state: State, slot: Slot, now: datetime) -> bool:
    """Whether it is too late to be on time."""
    return add_span(slot.due_at, step.late_after, state.zone) < now


def named(occurrence: str, state: State) -> Slot:
    """The slot of this name, on the clock that counts now."""
    return Slot(occurrence, moment_of(occurrence, state.zone))
