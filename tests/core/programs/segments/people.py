"""Contacts made up for segments, and what a filter says of one of them, worked out in Python."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

NOW = datetime.fromisoformat("2026-03-15T12:00:00+00:00")
_SPANS = {"hours": 1 / 24, "days": 1, "weeks": 7}
_OPS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: bool(a == b),
    "ne": lambda a, b: bool(a != b),
    "lt": lambda a, b: bool(a < b),
    "le": lambda a, b: bool(a <= b),
    "gt": lambda a, b: bool(a > b),
    "ge": lambda a, b: bool(a >= b),
}
_POSITIVE = {"ne": "eq", "not_in": "in", "unknown": "known", "none_of": "any_of"}


@dataclass(kw_only=True)
class Made:
    """A contact with all that segments ask for; `sent` are check-ins: (when, answered)."""

    id: UUID = field(default_factory=uuid4)
    tags: list[str] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)
    locale: str | None = None
    timezone: str | None = None
    created_at: datetime = NOW
    heard: list[datetime | None] = field(default_factory=list)  # one for each identity
    channels: list[str] = field(default_factory=list)
    enrolments: list[tuple[datetime, str, dict[str, Any]]] = field(default_factory=list)
    goal: str | None = None  # its status
    check_ins: list[tuple[datetime, Any]] = field(default_factory=list)
    sent: list[tuple[datetime, bool]] = field(default_factory=list)
    agreed: bool = False
    is_out: bool = False
    broadcast: str | None = None  # the state of its send


def matches(node: dict[str, Any], person: Made) -> bool:
    """The filter's meaning, independent of its SQL."""
    if "all" in node:
        return all(matches(one, person) for one in node["all"])
    if "any" in node:
        return any(matches(one, person) for one in node["any"])
    if "not" in node:
        return not matches(node["not"], person)
    kind, _, key = node["field"].partition(":")
    op, value = node["op"], node.get("value")
    if op in _POSITIVE and kind not in ("check_ins", "missed"):
        return not _holds(kind, key, _POSITIVE[op], value, node, person)
    return _holds(kind, key, op, value, node, person)


def _holds(kind: str, key: str, op: str, value: Any, node: dict[str, Any], person: Made) -> bool:
    return _FIELDS[kind](key, op, value, node, person)


def _tags(_key: str, op: str, value: Any, _node: dict[str, Any], person: Made) -> bool:
    if op == "has":
        return value in person.tags
    return (all if op == "all_of" else any)(tag in person.tags for tag in value)


def _attribute(key: str, op: str, value: Any, _node: dict[str, Any], person: Made) -> bool:
    found = person.attributes.get(key)
    if op in ("before", "after", "on", "within_last", "within_next"):
        return _on_day(found, op, value)
    return _scalar(found, op, value)


def _on_day(found: Any, op: str, value: str) -> bool:
    try:
        day = date.fromisoformat(found[:10]) if isinstance(found, str) else None
    except ValueError:
        day = None
    if day is None:
        return False
    if op in ("before", "after", "on"):
        compare = {"before": "lt", "after": "gt", "on": "eq"}[op]
        return _OPS[compare](day, date.fromisoformat(value))
    other = (NOW - _span(value) if op == "within_last" else NOW + _span(value)).date()
    low, high = sorted((NOW.date(), other))
    return low <= day <= high


def _scalar(found: Any, op: str, value: Any) -> bool:
    if op == "known":
        return found is not None
    if op == "in":
        return any(_equal(found, one) for one in value)
    if op == "eq":
        return _equal(found, value)
    both = str if isinstance(value, str) else (int, float)
    if isinstance(found, bool) or not isinstance(found, both):
        return False
    return _OPS[op](found, value)


def _equal(found: Any, value: Any) -> bool:
    return isinstance(found, bool) == isinstance(value, bool) and bool(found == value)


def _locale(_key: str, op: str, value: Any, _node: dict[str, Any], person: Made) -> bool:
    if op == "known" or person.locale is None:
        return person.locale is not None
    tags = [value] if op == "eq" else value
    mine = person.locale.lower()
    return any(mine == tag.lower() or mine.startswith(f"{tag.lower()}-") for tag in tags)


def _timezone(_key: str, op: str, value: Any, _node: dict[str, Any], person: Made) -> bool:
    return _scalar(person.timezone, op, value)


def _channel(_key: str, op: str, value: Any, _node: dict[str, Any], person: Made) -> bool:
    wanted = [value] if op == "eq" else value
    return any(one in wanted for one in person.channels)


def _time(moment: datetime | None, op: str, value: str) -> bool:
    if op == "known" or moment is None:
        return moment is not None
    if op in ("before", "after"):
        other = datetime.fromisoformat(f"{value}T00:00:00+00:00")
        return moment >= other if op == "after" else moment < other
    other = NOW - _span(value)
    return moment >= other if op == "within_last" else moment < other


def _created_at(_key: str, op: str, value: Any, _node: dict[str, Any], person: Made) -> bool:
    return _time(person.created_at, op, value)


def _last_inbound_at(_key: str, op: str, value: Any, _node: dict[str, Any], person: Made) -> bool:
    return _time(_last_heard(person), op, value)


def _silent(_key: str, _op: str, value: Any, _node: dict[str, Any], person: Made) -> bool:
    last = max(_last_heard(person) or person.created_at, person.created_at)
    return last <= NOW - _span(value)


def _last_heard(person: Made) -> datetime | None:
    return max((one for one in person.heard if one is not None), default=None)


def _program(_key: str, op: str, value: Any, _node: dict[str, Any], person: Made) -> bool:
    states = [status for _, status, _ in person.enrolments]
    wanted = {"known": states, "eq": [value], "in": value}[op]
    return any(state in wanted for state in states)


def _answer(_key: str, op: str, value: Any, _node: dict[str, Any], person: Made) -> bool:
    answered = [one for one in person.enrolments if "mood" in one[2]]
    latest = max(answered, key=lambda one: one[0], default=None)
    return _scalar(latest[2]["mood"] if latest else None, op, value)


def _goal(_key: str, op: str, value: Any, _node: dict[str, Any], person: Made) -> bool:
    return _scalar(person.goal, op, value)


def _check_ins(_key: str, op: str, value: Any, node: dict[str, Any], person: Made) -> bool:
    count = sum(_is_recent(at, node) for at, _ in person.check_ins)
    return _OPS[op](count, value)


def _latest(_key: str, op: str, value: Any, _node: dict[str, Any], person: Made) -> bool:
    latest = max(person.check_ins, key=lambda one: one[0], default=None)
    return _scalar(latest[1] if latest else None, op, value)


def _missed(_key: str, op: str, value: Any, node: dict[str, Any], person: Made) -> bool:
    missed = [at for at, answered in person.sent if not answered and at <= NOW - timedelta(days=1)]
    return _OPS[op](sum(_is_recent(at, node) for at in missed), value)


def _consent(_key: str, _op: str, value: Any, _node: dict[str, Any], person: Made) -> bool:
    return bool(person.agreed and person.channels and not person.is_out) is value


def _broadcast(_key: str, op: str, value: Any, _node: dict[str, Any], person: Made) -> bool:
    return _scalar(person.broadcast, op, value)


def _is_recent(at: datetime, node: dict[str, Any]) -> bool:
    return "within" not in node or at >= NOW - _span(node["within"])


def _span(text: str) -> timedelta:
    number, unit = text.split()
    return timedelta(days=int(number) * _SPANS[unit])


_FIELDS: dict[str, Callable[[str, str, Any, dict[str, Any], Made], bool]] = {
    "tags": _tags,
    "attribute": _attribute,
    "locale": _locale,
    "timezone": _timezone,
    "channel": _channel,
    "created_at": _created_at,
    "last_inbound_at": _last_inbound_at,
    "silent": _silent,
    "program": _program,
    "answer": _answer,
    "goal": _goal,
    "check_ins": _check_ins,
    "latest": _latest,
    "missed": _missed,
    "consent": _consent,
    "broadcast": _broadcast,
}
