"""Read a program as a person writes it, JSON or YAML, and say in one line what is wrong with it.

YAML is read as YAML 1.2: `10:30` is a time and no number, `no` is Norwegian and not false.
"""

import math
import re
from collections.abc import Collection
from typing import Any

import orjson
import yaml
from pydantic import ValidationError

from core.llm.prompt_catalog import CATALOG
from core.programs.checks import problems_of
from core.programs.definition import Program
from core.programs.segments.filters import check_filter
from shared.errors import AppError, InvalidInput, PayloadTooLarge
from shared.utils.json import parse_json

MAX_BYTES = 256 * 1024
MAX_PROBLEMS = 5  # that are told at once
BAD_PROGRAM = "bad_program"

_INT = re.compile(r"[-+]?[0-9]+$")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$")

_NOT_READ = (RecursionError, ValueError, TypeError, LookupError, AttributeError, InvalidInput)


class _Loader(yaml.SafeLoader):
    """Plain values only: no aliases, which could grow without end, and no key twice."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not read here")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(keys)) != len(keys):
            raise yaml.YAMLError("a key stands twice in one place")
        return super().construct_mapping(node, deep=deep)


def _int(loader: _Loader, node: Any) -> int:
    return int(loader.construct_scalar(node))


def _float(loader: _Loader, node: Any) -> float:
    value = float(loader.construct_scalar(node))
    if not math.isfinite(value):
        raise yaml.YAMLError("a number is out of range")
    return value


_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(?:~|null|)$"), ["~", "n", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(?:true|false)$"), list("tf"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", _INT, list("-+0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))
_Loader.add_constructor("tag:yaml.org,2002:int", _int)
_Loader.add_constructor("tag:yaml.org,2002:float", _float)


def read_yaml(text: str | bytes) -> Any:
    """The value of a YAML document. Raises InvalidInput (`malformed_yaml`)."""
    try:
        value = yaml.load(text, _Loader)  # noqa: S506 - a safe loader, narrowed
        return parse_json(orjson.dumps(value))  # as strict about what is inside
    except yaml.YAMLError as error:
        raise InvalidInput(f"This is not YAML: {_place(error)}", code="malformed_yaml") from error
    except _NOT_READ as error:  # what the reader's own types fail with, as `!!bool maybe`
        raise InvalidInput("This YAML can't be read.", code="malformed_yaml") from error


def read_program(body: bytes, *, is_yaml: bool) -> Program:
    """A program from a document. Raises InvalidInput, PayloadTooLarge."""
    if len(body) > MAX_BYTES:
        raise PayloadTooLarge(f"a program has at most {MAX_BYTES // 1024} KB")
    return to_program(read_yaml(body) if is_yaml else parse_json(body, is_stored=True))


def to_program(value: Any) -> Program:
    """A program from a plain value. Raises InvalidInput (`bad_program`) naming the places."""
    try:
        return Program.model_validate(value)
    except ValidationError as error:
        raise _refuse([_told(item) for item in error.errors()]) from error


def check_program(program: Program, *, bots: Collection[str] | None = None) -> None:
    """Raise InvalidInput when parts of it don't fit together, or name what there isn't."""
    problems = [
        *problems_of(program),
        *_problems_of_templates(program),
        *_problems_of_segments(program),
    ]
    if bots is not None and program.bot and program.bot not in bots:
        problems.append(f"bot: there is no bot {program.bot!r}")
    if problems:
        raise _refuse(problems)


def _problems_of_templates(program: Program) -> list[str]:
    return [
        f"steps[{number}].template: there is no prompt template {step.template!r}"
        for number, step in enumerate(program.steps)
        if step.template is not None and step.template not in CATALOG
    ]


def _problems_of_segments(program: Program) -> list[str]:
    problems = []
    for name, filter_ in (("entry", program.entry), ("exit", program.exit)):
        if filter_ is None:
            continue
        try:
            check_filter(filter_)
        except InvalidInput as error:
            problems.append(f"{name}: {error.message}")
    return problems


def _told(item: Any) -> str:
    # Never the value: it may be long, or a secret in the wrong place.
    place = ""
    for part in item["loc"]:
        place += f"[{part}]" if isinstance(part, int) else f".{part}"
    return f"{place.lstrip('.') or 'program'}: {item['msg'].removeprefix('Value error, ')}"


def _refuse(problems: list[str]) -> AppError:
    more = f"; and {len(problems) - MAX_PROBLEMS} more" if len(problems) > MAX_PROBLEMS else ""
    return InvalidInput("; ".join(problems[:MAX_PROBLEMS]) + more, code=BAD_PROGRAM)


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or "it can't be read"
    if mark is None:
        return str(error).splitlines()[0] if str(error) else what
    return f"line {mark.line + 1}: {what}"
