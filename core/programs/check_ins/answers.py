"""Read an answer by what its question expects: buttons, numbers, number words, yes and no. Pure.

What isn't surely an answer is none: a wrong value in somebody's record is worse than one question
more. `sure=False` asks the person first.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal
from uuid import UUID

from core.llm.number_words import UNITS
from core.programs.check_ins.quantities import quantities
from core.programs.check_ins.words import shown, words_in
from core.programs.check_ins.yes_no import yes_or_no
from core.programs.definition import Expects
from shared.messages import Choice

Value = bool | int | float | str
Source = Literal["button", "number", "words", "model", "api"]

MAX_TEXT = 2000
MOST_BUTTONS = 11  # 0 to 10
AGAIN = "?"  # the value of a button that says: I meant something else
_BUTTON = re.compile(r"answer:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):(.*)", re.DOTALL)
_TRUE, _FALSE = ("true", "yes", "1"), ("false", "no", "0")
# A question goes to whoever knows the answer; these begin one, with or without a question mark.
_ASKS = re.compile(
    r"(?:what|how|why|when|where|who|which|can|could|should|tell me|explain"
    r"|was|wie|warum|wieso|wann|wo|wer|welche\w*|kann|soll|erklär\w*"
    r"|que|quoi|quel\w*|comment|pourquoi|quand|où|qui|est-ce|explique"
    r"|qué|cómo|por qué|cuándo|dónde|quién|cuál|explica"
    r"|o que|como|por que|quando|onde|quem|qual"
    r"|cosa|che cosa|come|perché|dove|chi|quale|spiega\w*)\b[ '’].*\w.*\w",
    re.IGNORECASE | re.DOTALL,
)
_LONGEST_ANSWER = 200  # characters in which a number or a yes is looked for


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What was answered; `sure` is false when the person should be asked whether it is meant."""

    value: Value
    source: Source
    sure: bool = True


@dataclass(frozen=True, kw_only=True)
class OutOfRange:
    """A number that the question doesn't allow."""

    value: int | float


@dataclass(frozen=True, kw_only=True)
class Tapped:
    """A button of a question: which send it belongs to, and what it says."""

    send_id: UUID
    value: str

    @property
    def is_again(self) -> bool:
        return self.value == AGAIN


def read_answer(expects: Expects, text: str, locale: str | None) -> Answer | OutOfRange | None:
    """What a text answers; None when it can't be told, or is a question itself."""
    bare = text.strip()
    if not bare:
        return None
    if expects.kind == "text":
        is_answer = not bare.endswith(("?", "？"))
        return Answer(value=bare[:MAX_TEXT], source="words") if is_answer else None
    if len(bare) > _LONGEST_ANSWER or is_question(bare):
        return None
    return _yes_or_no(bare) if expects.kind == "bool" else _number(expects, bare, locale)


def read_button(text: str) -> Tapped | None:
    """The button that a text is the value of."""
    match = _BUTTON.fullmatch(text)
    return Tapped(send_id=UUID(match[1]), value=match[2]) if match else None


def read_value(expects: Expects, raw: str) -> Value | None:
    """The value behind a button; None when the question doesn't allow it."""
    if expects.kind == "text":
        return raw[:MAX_TEXT] or None
    if expects.kind == "bool":
        wanted = raw.casefold()
        return wanted in _TRUE if wanted in (*_TRUE, *_FALSE) else None
    value = _plain_number(raw)
    return value if value is not None and in_range(expects, value) else None


def value_of(expects: Expects, given: object) -> Value | None:
    """A JSON value as this kind of answer; None when it is none."""
    if expects.kind == "text":
        return given[:MAX_TEXT] if isinstance(given, str) and given.strip() else None
    if expects.kind == "bool":
        return given if isinstance(given, bool) else None
    if isinstance(given, bool) or not isinstance(given, int | float):
        return None
    return given if in_range(expects, given) else None


def in_range(expects: Expects, value: float) -> bool:
    low = expects.minimum if expects.minimum is not None else float("-inf")
    high = expects.maximum if expects.maximum is not None else float("inf")
    return abs(value) < float("inf") and low <= value <= high


def is_met(expects: Expects, value: Value, target: float | None) -> bool:
    """Whether an answer counts for the streak."""
    if isinstance(value, bool):
        return value
    target = expects.target if expects.target is not None else target
    if target is None or not isinstance(value, int | float):
        return True
    return value >= target


def is_question(text: str) -> bool:
    """Whether a text asks something, as far as its form tells."""
    bare = text.strip().lstrip("¿¡ ")
    return bare.rstrip(" .!").endswith(("?", "？")) or bool(_ASKS.match(bare))


def looks_like_answer(text: str) -> bool:
    """Whether it is worth asking what a text means that couldn't be read."""
    bare = text.strip()
    return 0 < len(bare) <= _LONGEST_ANSWER and not is_question(bare)


# --- what is offered


def button(send_id: UUID, value: str) -> str:
    return f"answer:{send_id}:{value}"


def choices_for(
    expects: Expects, offered: Sequence[Choice], send_id: UUID, locale: str | None
) -> tuple[Choice, ...]:
    """The step's own choices as buttons of this send, else those that go without saying."""
    if offered:
        return tuple(
            (
                choice
                if choice.value.startswith("/")
                else Choice(label=choice.label, value=button(send_id, choice.value))
            )
            for choice in offered
        )
    said = words_in(locale)
    if expects.kind == "bool":
        pairs = [(said.yes, "true"), (said.no, "false")]
    else:
        pairs = [(str(n), str(n)) for n in _steps(expects)]
    return tuple(Choice(label=label, value=button(send_id, value)) for label, value in pairs)


def ask_again(expects: Expects, locale: str | None) -> str:
    """How a question wants to be answered."""
    said = words_in(locale)
    if expects.kind == "bool":
        return said.yes_or_no
    low, high = expects.minimum, expects.maximum
    shown_low, shown_high = (shown(n, "", locale) if n is not None else "" for n in (low, high))
    if low is not None and high is not None:
        return said.between.format(low=shown_low, high=shown_high)
    if low is not None:
        return said.at_least.format(low=shown_low)
    return said.at_most.format(high=shown_high) if high is not None else said.a_number


def confirmation(
    value: Value, expects: Expects, send_id: UUID, locale: str | None
) -> tuple[str, tuple[Choice, ...]]:
    """(text, choices) that ask whether this is what was meant."""
    said = words_in(locale)
    raw = str(value).lower() if isinstance(value, bool) else str(value)
    return said.meant.format(value=shown(value, expects.unit, locale)), (
        Choice(label=said.yes, value=button(send_id, raw)),
        Choice(label=said.no, value=button(send_id, AGAIN)),
    )


def _steps(expects: Expects) -> range:
    """The whole numbers of a scale, as long as they are few."""
    low, high = expects.minimum, expects.maximum
    if expects.kind != "scale" or low is None or high is None or high - low >= MOST_BUTTONS:
        return range(0)
    return range(int(low), int(high) + 1) if low == int(low) and high == int(high) else range(0)


# --- reading


def _yes_or_no(text: str) -> Answer | None:
    found = yes_or_no(text)
    return None if found is None else Answer(value=found.value, source="words", sure=found.sure)


def _number(expects: Expects, text: str, locale: str | None) -> Answer | OutOfRange | None:
    found = quantities(text, locale)
    if len(found) != 1:
        return None
    [quantity] = found
    value = _in_unit(quantity.value, quantity.unit, expects.unit)
    if value is None or quantity.of not in (None, _whole_of(expects)):
        return None
    if in_range(expects, value):
        is_plain = quantity.other is None or not in_range(expects, quantity.other)
        source: Source = "words" if quantity.is_word else "number"
        return Answer(value=value, source=source, sure=quantity.is_all and is_plain)
    other = _other_reading(expects, quantity.other)
    return other or (OutOfRange(value=value) if quantity.is_all else None)


def _other_reading(expects: Expects, other: float | None) -> Answer | None:
    if other is None or not in_range(expects, other):
        return None
    return Answer(value=_tidy(other), source="number")


def _whole_of(expects: Expects) -> float | None:
    """What "7/10" must be a part of."""
    return expects.maximum if expects.maximum is not None else expects.target


# Of times only: whoever writes miles means miles.
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}


def _in_unit(value: float, unit: str, wanted: str) -> int | float | None:
    """The number in the question's own unit; None when it is in one that doesn't convert."""
    known = UNITS.get(wanted.casefold(), wanted.casefold())
    if not unit or unit == known:
        return _tidy(value)
    if unit in _SECONDS and known in _SECONDS:
        return _tidy(round(value * _SECONDS[unit] / _SECONDS[known], 4))
    return None


def _tidy(value: float) -> int | float:
    return int(value) if value == int(value) else value


def _plain_number(raw: str) -> int | float | None:
    try:
        value = Decimal(raw.strip())
    except InvalidOperation:
        return None
    return _tidy(float(value)) if value.is_finite() and abs(value) < Decimal(10) ** 15 else None
