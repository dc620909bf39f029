"""What all conditions of a segment share: their parts, their operators, how values compare."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from core.programs.segments.values import (
    Arguments,
    read_list,
    read_one_of,
    read_scalar,
    read_text,
    refuse,
)

SIGNS = {"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
ORDER = frozenset(("lt", "le", "gt", "ge"))
EQUAL = frozenset(("eq", "ne", "in", "not_in"))
THERE = frozenset(("known", "unknown"))
COUNTS = ORDER | {"eq", "ne"}
_NEGATED = frozenset(("ne", "not_in", "unknown", "none_of"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition: where it stands, what follows its field's colon, what it says."""

    path: str
    key: str
    op: str
    value: Any
    within: timedelta | None

    @property
    def value_path(self) -> str:
        return f"{self.path}.value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """`write` yields a condition in SQL that is never null."""

    ops: frozenset[str]
    write: Callable[[Condition, Arguments], str]
    key_pattern: re.Pattern[str] | None = None
    key_hint: str = ""
    is_key_optional: bool = False
    is_counted: bool = False


def compare_json(one: Condition, arguments: Arguments, value: str) -> str:
    """Compare a JSON value: numbers as numbers, texts in the order of their code points."""
    if one.op in THERE:
        return negated(one.op, f"coalesce({value}, 'null') <> 'null'")
    if one.op in ("in", "not_in"):
        wanted = arguments.bind(read_list(one.value, one.value_path, read_scalar), "jsonb[]")
        return negated(one.op, f"coalesce({value} = ANY ({wanted}), false)")
    scalar = read_scalar(one.value, one.value_path)
    if one.op in ("eq", "ne"):
        wanted = arguments.bind(scalar, "jsonb")
        return negated(one.op, f"coalesce({value} = {wanted}, false)")
    if isinstance(scalar, bool):
        raise refuse(one.value_path, "yes and no have no order; use eq or ne")
    sign = SIGNS[one.op]
    kind = "string" if isinstance(scalar, str) else "number"
    if isinstance(scalar, str):
        test = f"(v.x #>> '{{}}') COLLATE \"C\" {sign} {arguments.bind(scalar, 'text')}"
    else:
        test = f"v.x {sign} {arguments.bind(scalar, 'jsonb')}"
    # OFFSET 0: a value that has to be looked up is looked up once.
    return (
        f"coalesce((SELECT jsonb_typeof(v.x) = '{kind}' AND {test}"  # noqa: S608 - values are arguments
        f" FROM (SELECT {value} AS x OFFSET 0) v), false)"
    )


def has_identity(condition: str) -> str:
    return (
        "EXISTS (SELECT FROM app.contact_identities i"
        f" WHERE i.creator_id = $1 AND i.contact_id = c.id AND {condition})"
    )


def texts(one: Condition) -> list[str]:
    if one.op in ("eq", "ne"):
        return [read_text(one.value, one.value_path)]
    return read_list(one.value, one.value_path, read_text)


def words(one: Condition, allowed: tuple[str, ...]) -> list[str]:
    read = read_one_of(allowed)
    if one.op in ("eq", "ne"):
        return [read(one.value, one.value_path)]
    return read_list(one.value, one.value_path, read)


def negated(op: str, condition: str) -> str:
    return f"NOT ({condition})" if op in _NEGATED else condition
