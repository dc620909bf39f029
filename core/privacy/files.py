"""Rows as JSON and as CSV that no spreadsheet takes for formulas. Pure."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import orjson

from shared.utils.spreadsheets import defused


def json_rows(rows: Iterable[Mapping[str, Any]]) -> list[bytes]:
    return [orjson.dumps(dict(row), default=_other) for row in rows]


def _other(value: Any) -> str:
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return str(value)


def csv_line(cells: Iterable[Any]) -> bytes:
    return csv_lines([list(cells)])


def csv_lines(rows: Iterable[Sequence[Any]]) -> bytes:
    """Lines that end in CR LF; line breaks within a cell stay, in quotes (RFC 4180)."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerows([[cell(value) for value in row] for row in rows])
    return buffer.getvalue().encode()


def cell(value: Any) -> str:
    """A value as text. What a person wrote never begins like a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return defused(value if isinstance(value, str) else _as_text(value))


def _as_text(value: Any) -> str:
    if isinstance(value, dict | list | tuple):
        return orjson.dumps(value, default=_other).decode()
    return str(value)
