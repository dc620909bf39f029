"""Cursor paging: `?limit=&cursor=` → `{items, next_cursor}`. A cursor says where a page ended."""

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from datetime import MAXYEAR, datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import orjson
from fastapi import Query
from pydantic import BaseModel

from shared.errors import InvalidInput

T = TypeVar("T")
R = TypeVar("R")

Limit = Annotated[int, Query(ge=1, le=200, description="items on this page")]
Cursor = Annotated[
    str | None, Query(max_length=500, description="`next_cursor` of the page before")
]


class Page(BaseModel, Generic[T]):
    """One page; `next_cursor` is null on the last."""

    items: list[T]
    next_cursor: str | None = None


def to_moment(text: str) -> datetime:
    """A position in time. The calendar's first and last days have none in every zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or not 1 < moment.year < MAXYEAR:
        raise ValueError("not a moment that we have written")
    return moment


def to_number(text: str) -> int:
    number = int(text)
    if not 0 <= number < 2**31:
        raise ValueError("out of range")
    return number


class Cursors:
    """Writes and reads the cursors of one list of one creator; any other's are refused."""

    def __init__(self, name: str, creator_id: UUID) -> None:
        digest = hashlib.sha256(f"{name}:{creator_id}".encode()).digest()
        self._mark = base64.urlsafe_b64encode(digest[:9]).decode()

    def write(self, *position: object) -> str:
        data = orjson.dumps([self._mark, *(str(part) for part in position)])
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    def read(self, cursor: str | None, *readers: Callable[[str], Any]) -> list[Any] | None:
        """The position, each part through its reader. Raises InvalidInput, None without cursor."""
        if cursor is None:
            return None
        try:
            padded = cursor.encode() + b"=" * (-len(cursor) % 4)
            mark, *position = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
            if mark != self._mark or len(position) != len(readers):
                raise ValueError("another list's cursor")
            return [reader(part) for reader, part in zip(readers, position, strict=True)]
        except (ValueError, TypeError, AttributeError, binascii.Error) as error:
            raise InvalidInput("this cursor is not of this list", code="bad_cursor") from error

    def page(
        self,
        rows: Sequence[R],
        limit: int,
        show: Callable[[R], T],
        position: Callable[[R], Sequence[object]],
    ) -> Page[T]:
        """A page from up to `limit` + 1 rows: the one too many says that there is a next page."""
        shown = rows[:limit]
        more = len(rows) > limit
        return Page(
            items=[show(row) for row in shown],
            next_cursor=self.write(*position(shown[-1])) if more else None,
        )

    def read_id(self, cursor: str | None) -> UUID | None:
        """The position of a list that is ordered by id alone."""
        position = self.read(cursor, UUID)
        return position[0] if position else None
