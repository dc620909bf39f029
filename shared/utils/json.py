"""Read JSON that strangers send: strict where it is ambiguous, cleaned for a database to take.

The standard reader accepts NaN, keeps the last of duplicate keys and fails with RecursionError on
deep nesting; any of these lets two readers of one signed body disagree about what it says.
"""

import json
from math import isfinite
from typing import Any, NoReturn

from shared.errors import InvalidInput
from shared.utils.text import clean_text

MAX_DEPTH = 64
"""Deeper than any platform's webhook; a Telegram reply chain stays under 20."""

_STORABLE = range(-(2**63), 2**64)  # what orjson writes


def parse_json(body: bytes, *, is_stored: bool = False) -> Any:
    """Decode a JSON body; every string comes back through `clean_text`.

    Raises InvalidInput (code `malformed_json`) on anything but one unambiguous JSON value, and
    (code `number_out_of_range`) on a number that can't be stored, where it is to be.
    """
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_unique_object,
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
            parse_int=_storable_int if is_stored else None,
        )
    except (ValueError, RecursionError):
        _refuse("The body is not valid JSON.")
    return _cleaned(value, MAX_DEPTH)


def _refuse(message: str) -> NoReturn:
    raise InvalidInput(message, code="malformed_json")


def _refuse_constant(name: str) -> NoReturn:
    _refuse(f"{name} is not JSON.")


def _finite_float(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        _refuse("A number is out of range.")
    return number


def _storable_int(digits: str) -> int:
    number = int(digits)
    if number not in _STORABLE:
        raise InvalidInput("A number has more than 64 bits.", code="number_out_of_range")
    return number


def _unique_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        _refuse("An object names a key twice.")
    return unique


def _cleaned(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if not isinstance(value, list | dict):
        return value
    if depth == 0:
        _refuse(f"The body is nested deeper than {MAX_DEPTH} levels.")
    if isinstance(value, list):
        return [_cleaned(item, depth - 1) for item in value]
    return {clean_text(key): _cleaned(item, depth - 1) for key, item in value.items()}
