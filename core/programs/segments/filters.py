"""Compile a segment's filter to one parametrised SELECT of contacts; all else uses it as it is.

A filter is `{all: […]}`, `{any: […]}`, `{not: …}` or a condition `{field, op, value}`, with
`within` where something is counted. Every condition is true or false, never unknown: who has no
value of a field matches none of its conditions but `unknown`, `ne`, `not_in` and `none_of`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from core.programs.segments.conditions import Condition, Field
from core.programs.segments.fields import FIELDS
from core.programs.segments.values import Arguments, read_span, refuse
from shared.database import PgConnection, Record

MAX_DEPTH = 6
MAX_CONDITIONS = 50
MAX_PARTS = 200  # conditions and groups
MAX_BYTES = 64 * 1024
EVERYONE: dict[str, Any] = {"all": []}

_GROUPS = ("all", "any", "not")
_KEYS = frozenset(("field", "op", "value", "within"))
# Checks what is said, not when: any moment does.
_SOME_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """`SELECT c.id …` under row level security: `$1` is the creator, `arguments` go on from there.

    `where` is its condition alone, on `app.contacts c`, for statements that select more.
    """

    sql: str
    where: str
    arguments: tuple[Any, ...]


def compile_filter(filter: Mapping[str, Any], *, now: datetime, first: int = 2) -> Compiled:
    """The filter as SQL whose placeholders are numbered from `first` on.

    Raises InvalidInput (`bad_filter`) that names the place, as in `filter.all[1].op: …`.
    """
    compiler = _Compiler(now, first)
    where = f"c.creator_id = $1 AND {compiler.compile(filter, 'filter', MAX_DEPTH)}"
    return Compiled(
        sql=f"SELECT c.id FROM app.contacts c WHERE {where}",  # noqa: S608 - values are arguments
        where=where,
        arguments=tuple(compiler.arguments.values),
    )


def check_filter(filter: Mapping[str, Any]) -> None:
    """Raise InvalidInput (`bad_filter`) unless the filter can be compiled."""
    compile_filter(filter, now=_SOME_MOMENT)
    if len(orjson.dumps(filter)) > MAX_BYTES:
        raise refuse("filter", f"is larger than {MAX_BYTES // 1024} KB")


async def preview(
    connection: PgConnection,
    creator_id: UUID,
    filter: Mapping[str, Any],
    *,
    now: datetime,
    limit: int,
) -> tuple[int, list[Record]]:
    """How many contacts match, and the first of them by age."""
    compiled = compile_filter(filter, now=now)
    count = await connection.fetchval(
        f"SELECT count(*) FROM app.contacts c WHERE {compiled.where}",  # noqa: S608 - as above
        creator_id,
        *compiled.arguments,
    )
    rows = await connection.fetch(
        f"SELECT c.id, c.name, c.locale, c.timezone FROM app.contacts c WHERE {compiled.where}"  # noqa: S608
        f" ORDER BY c.id LIMIT {limit:d}",
        creator_id,
        *compiled.arguments,
    )
    return count, rows


class _Compiler:
    def __init__(self, now: datetime, first: int) -> None:
        self.arguments = Arguments(now, first)
        self._left = MAX_CONDITIONS
        self._parts = MAX_PARTS

    def compile(self, node: object, path: str, depth: int) -> str:
        if not isinstance(node, Mapping):
            raise refuse(path, "must be an object")
        self._parts -= 1
        if self._parts < 0:
            raise refuse(path, f"is one part too many; {MAX_PARTS} are allowed")
        if depth == 0:
            raise refuse(path, f"is nested deeper than {MAX_DEPTH} levels")
        if "field" in node:
            return self._condition(node, path)
        if len(node) != 1 or (group := next(iter(node))) not in _GROUPS:
            raise refuse(path, "must hold one of all, any and not, or field, op and value")
        place = f"{path}.{group}"
        if group == "not":
            return f"NOT {self.compile(node[group], place, depth - 1)}"
        return self._joined(group, node[group], place, depth)

    def _joined(self, group: str, nodes: object, path: str, depth: int) -> str:
        if not isinstance(nodes, list):
            raise refuse(path, "must be a list")
        if not nodes and group == "any":
            raise refuse(path, "is empty and would match nobody; `all: []` is everybody")
        word = " AND " if group == "all" else " OR "
        parts = [self.compile(n, f"{path}[{i}]", depth - 1) for i, n in enumerate(nodes)]
        return f"({word.join(parts)})" if parts else "true"

    def _condition(self, node: Mapping[str, Any], path: str) -> str:
        if unknown := sorted(map(str, set(node) - _KEYS)):
            raise refuse(f"{path}.{unknown[0]}", f"is not known; {_listed(_KEYS)} are")
        self._left -= 1
        if self._left < 0:
            raise refuse(path, f"is one condition too many; {MAX_CONDITIONS} are allowed")
        field, key = _field(node["field"], path)
        op = node.get("op")
        if not isinstance(op, str) or op not in field.ops:
            raise refuse(f"{path}.op", f"{node['field']} has {_listed(field.ops)}")
        if "within" in node and not field.is_counted:
            raise refuse(f"{path}.within", f"{node['field']} is not counted over a time")
        within = node.get("within")
        condition = Condition(
            path=path,
            key=key,
            op=op,
            value=node.get("value"),
            within=None if within is None else read_span(within, f"{path}.within"),
        )
        return f"({field.write(condition, self.arguments)})"


def _field(name: object, path: str) -> tuple[Field, str]:
    """The field and what stands after its colon: `attribute:group`."""
    place = f"{path}.field"
    if not isinstance(name, str):
        raise refuse(place, "must be a string")
    kind, colon, key = name.partition(":")
    field = FIELDS.get(kind)
    if field is None:
        raise refuse(place, f"is not known; {_listed(FIELDS)} are")
    if not colon and field.key_pattern and not field.is_key_optional:
        raise refuse(place, f"needs a name: {kind}:{field.key_hint}")
    if colon and not (field.key_pattern and field.key_pattern.fullmatch(key)):
        hint = f"{kind}:{field.key_hint}" if field.key_pattern else kind
        raise refuse(place, f"must be written {hint}")
    return field, key


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
