"""Values of a segment's conditions: read strictly, handed to the database as arguments only."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NoReturn, TypeVar
from uuid import UUID

from shared.errors import InvalidInput

MAX_LIST = 200
MAX_TEXT = 300
MAX_NUMBER = 10**15
_MAX_DAYS = 3660
_SPAN = re.compile(r"([0-9]{1,6}) (minute|hour|day|week)s?")
_UNITS = {"minute": "minutes", "hour": "hours", "day": "days", "week": "weeks"}

T = TypeVar("T")


class Arguments:
    """Collects values; each is named by its placeholder, with its type."""

    def __init__(self, now: datetime, first: int) -> None:
        self.now = now
        self.values: list[Any] = []
        self._first = first

    def bind(self, value: Any, type: str) -> str:
        self.values.append(value)
        return f"${self._first + len(self.values) - 1}::{type}"


def refuse(path: str, reason: str) -> InvalidInput:
    return InvalidInput(f"{path}: {reason}", code="bad_filter")


def read_span(value: object, path: str) -> timedelta:
    """A length of time such as `30 days`, up to ten years."""
    found = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise refuse(path, "must be minutes, hours, days or weeks, as in 30 days")
    span = timedelta(**{_UNITS[found[2]]: int(found[1])})
    if span > timedelta(days=_MAX_DAYS):
        raise refuse(path, f"must be at most {_MAX_DAYS} days")
    return span


def read_text(value: object, path: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT:
        raise refuse(path, f"must be a text of 1 to {MAX_TEXT} characters")
    return value


def read_number(value: object, path: str) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refuse(path, "must be a number")
    if not (abs(value) <= MAX_NUMBER):  # false for NaN too
        raise refuse(path, "is too large a number")
    return value


def read_count(value: object, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 100_000:
        raise refuse(path, "must be a whole number, 0 to 100000")
    return value


def read_scalar(value: object, path: str) -> str | int | float | bool:
    if isinstance(value, bool):
        return value
    return read_text(value, path) if isinstance(value, str) else read_number(value, path)


def read_moment(value: object, path: str) -> datetime:
    """A day, its beginning in UTC, or a moment with its offset."""
    text = read_text(value, path)
    try:
        moment = datetime.fromisoformat(text)
        if len(text) == len("2026-01-31"):
            moment = moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC) if moment.tzinfo else _refuse_moment(path)
    except (ValueError, OverflowError):
        _refuse_moment(path)


def _refuse_moment(path: str) -> NoReturn:
    raise refuse(path, "must be a day as 2026-01-31, or a moment with its offset from UTC")


def read_day(value: object, path: str) -> str:
    """A day, in the form in which days compare as texts."""
    try:
        day = date.fromisoformat(read_text(value, path))
    except ValueError:
        raise refuse(path, "must be a day as 2026-01-31") from None
    return day.isoformat()


def read_id(value: object, path: str) -> UUID:
    try:
        return UUID(value) if isinstance(value, str) else _refuse_id(path)
    except ValueError:
        _refuse_id(path)


def _refuse_id(path: str) -> NoReturn:
    raise refuse(path, "must be an id")


def read_list(value: object, path: str, read: Callable[[object, str], T]) -> list[T]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_LIST:
        raise refuse(path, f"must be a list of 1 to {MAX_LIST}")
    return [read(item, f"{path}[{index}]") for index, item in enumerate(value)]


def read_one_of(allowed: Sequence[str]) -> Callable[[object, str], str]:
    def read(value: object, path: str) -> str:
        if value not in allowed:
            raise refuse(path, f"must be one of {', '.join(allowed)}")
        return str(value)

    return read
