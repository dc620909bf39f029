"""The sandbox that prompt templates run in: a template is a stranger's program.

While one renders, its steps, characters and processor time are counted, and it ends early rather
than late. Of filters, functions and methods there are those named here, no others.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import BuiltinMethodType
from typing import Any

from jinja2 import StrictUndefined, TemplateRuntimeError, pass_environment
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_STEPS = 10_000
# All the text that a rendering makes, also what it throws away again.
MAX_CHARACTERS = 400_000
# Of this thread: a busy machine must not make a good template fail.
MAX_CPU_SECONDS = 0.2
MAX_NUMBER = 10**12

_FILTERS = (
    *("abs", "capitalize", "count", "d", "default", "first", "float", "int", "last", "length"),
    *("lower", "reverse", "round", "title", "trim", "truncate", "upper"),
)
_METHODS = frozenset(
    (
        *("capitalize", "endswith", "get", "items", "keys", "lower"),
        *("startswith", "strip", "title", "upper", "values"),
    )
)


class TooGreedy(TemplateRuntimeError):
    """A template asked for more than a prompt needs."""


@dataclass(kw_only=True)
class Meter:
    """What one rendering may still do."""

    ends_at: float
    steps: int = MAX_STEPS
    characters: int = MAX_CHARACTERS

    def step(self) -> None:
        self.steps -= 1
        if self.steps < 0:
            raise TooGreedy(f"more than {MAX_STEPS} steps")
        if time.thread_time() > self.ends_at:
            raise TooGreedy(f"more than {MAX_CPU_SECONDS} seconds")

    def take(self, characters: int) -> None:
        """To be called before a text is made that may be longer than what it is made of."""
        self.characters -= characters
        if self.characters < 0:
            raise TooGreedy(f"more than {MAX_CHARACTERS} characters")


_METER: ContextVar[Meter] = ContextVar("prompt_meter")


@contextmanager
def metering() -> Iterator[Meter]:
    """Count what is rendered inside."""
    meter = Meter(ends_at=time.thread_time() + MAX_CPU_SECONDS)
    token = _METER.set(meter)
    try:
        yield meter
    finally:
        _METER.reset(token)


def writable(value: Any) -> Any:
    """What may be written: texts and numbers. A list would be written the way Python does."""
    if isinstance(value, Undefined):
        return str(value)  # raises: which variable it is
    if not isinstance(value, str | int | float):
        raise TemplateRuntimeError(f"a {type(value).__name__} cannot be written; loop over it")
    return value


def joined(*parts: Any) -> str:
    """What `~` makes."""
    texts = [str(writable(part)) for part in parts]
    _METER.get().take(sum(map(len, texts)))
    return "".join(texts)


def counted(items: Iterable[Any]) -> Iterator[Any]:
    """What a `for` runs over."""
    for item in items:
        _METER.get().step()
        yield item


def bounded_range(*bounds: int) -> range:
    numbers = range(*bounds)
    if len(numbers) > MAX_STEPS:
        raise TooGreedy(f"more than {MAX_STEPS} steps")
    return numbers


@pass_environment
def _join(
    environment: ImmutableSandboxedEnvironment,
    items: Iterable[Any],
    separator: str = "",
    attribute: str | None = None,
) -> str:
    parts: list[Any] = []
    for item in counted(items):
        part = environment.getattr(item, attribute) if attribute else item
        parts += [separator, part] if parts else [part]
    return joined(*parts)


def _replace(text: str, old: str, new: str) -> str:
    meter = _METER.get()
    meter.step()
    meter.take(len(text) + str(text).count(old) * len(new))
    return str(text).replace(old, new)


def _metered(make: Callable[..., Any]) -> Callable[..., Any]:
    """A filter of Jinja's that makes about as much as it is given."""

    def filtered(*arguments: Any, **named: Any) -> Any:
        meter = _METER.get()
        meter.step()
        meter.take(sum(len(given) for given in arguments if isinstance(given, str)))
        return make(*arguments, **named)

    for name in ("jinja_pass_arg",):  # whether it wants the environment before its input
        if hasattr(make, name):
            setattr(filtered, name, getattr(make, name))
    return filtered


class PromptSandbox(ImmutableSandboxedEnvironment):
    """Jinja without its ways to grow, and with every call and calculation counted."""

    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "**", "%"))
    # For the nodes that a template's own are replaced by.
    counted = staticmethod(counted)
    joined = staticmethod(joined)

    def __init__(self) -> None:
        super().__init__(
            undefined=StrictUndefined,
            autoescape=False,  # a prompt is plain text, not HTML
            trim_blocks=True,
            lstrip_blocks=True,
            optimized=False,  # nothing is calculated while a template is read
            finalize=writable,
        )
        self.filters = {name: _metered(FILTERS[name]) for name in _FILTERS}
        self.filters |= {"join": _join, "replace": _replace}
        self.globals = {"range": bounded_range}

    def is_safe_callable(self, obj: Any) -> bool:
        if isinstance(obj, BuiltinMethodType):
            return isinstance(obj.__self__, str | Mapping) and obj.__name__ in _METHODS
        return any(obj is ours for ours in (bounded_range, counted, joined))

    def call(__self, __context: Context, __obj: Any, *args: Any, **named: Any) -> Any:
        _METER.get().step()
        if isinstance(__obj, Undefined):
            str(__obj)  # raises: which name it is
        if not __self.is_safe_callable(__obj):
            name = getattr(__obj, "__name__", type(__obj).__name__)
            raise SecurityError(f"{name} cannot be called in a prompt template")
        return __context.call(__obj, *args, **named)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        _METER.get().step()
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return joined(left, right)
        if operator == "**" or not all(isinstance(side, int | float) for side in (left, right)):
            raise TemplateRuntimeError(f"{operator} cannot be used on these; join texts with ~")
        result = super().call_binop(context, operator, left, right)
        if abs(result) > MAX_NUMBER:
            raise TooGreedy(f"a number above {MAX_NUMBER}")
        return result
