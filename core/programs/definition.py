"""What a creator declares: a program, its steps, when each is due, what it says and awaits.

The same declaration is written in `bots/<bot>/programs.py`, in YAML and over REST. It may be short:
`offset: 2 days before`, `at: "9:30"`, `weekdays: mo-fr`, `expects: scale`, and a text for `content`
where English is enough. Whether its steps fit together is found out in `checks`.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_serializer,
    model_validator,
)

from shared.messages import Choice
from shared.utils.zones import find_zones, is_language_tag, is_zone

Kind = Literal["message", "check_in", "question", "wait", "branch", "nudge", "handoff"]
Anchor = Literal["enrolment", "date", "previous", "last_inbound"]
SendClass = Literal["reply", "check_in", "nudge", "broadcast"]
Weekday = Literal["mo", "tu", "we", "th", "fr", "sa", "su"]
AnswerKind = Literal["bool", "number", "scale", "text"]
OnReply = Literal["continue", "pause", "cancel_step", "exit", "handoff"]
LatePolicy = Literal["send", "skip", "collapse"]
Unit = Literal["minutes", "hours", "days", "weeks", "months"]

Scalar = bool | int | float | str
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
END = "end"  # as a target of a branch: the chain ends here
ASKS: tuple[Kind, ...] = ("check_in", "question")

MAX_DAYS = 3660  # of a span
_DAYS: dict[Unit, float] = {"minutes": 1 / 1440, "hours": 1 / 24, "days": 1, "weeks": 7}
_SPAN = re.compile(r"([+-]?\d{1,6})\s*(minute|hour|day|week|month)s?(?:\s+(before|after))?")
_TIME = re.compile(r"\d{1,2}:\d{2}(?::\d{2})?")
_WEEKDAYS: tuple[str, ...] = ("mo", "tu", "we", "th", "fr", "sa", "su")


def _check_zone(name: str) -> str:
    if not is_zone(name):
        near = find_zones(name)
        known = f"did you mean {near[0]}?" if near else "use a name like Europe/Lisbon"
        raise ValueError(f"no such time zone; {known}")
    return name


def _read_time(value: object) -> object:
    """A number would be taken for seconds, and a local time has no zone of its own."""
    if isinstance(value, str) and _TIME.fullmatch(value):
        return value.zfill(5) if value.count(":") == 1 else value.zfill(8)
    if isinstance(value, time) and value.tzinfo is None:
        return value
    raise ValueError('a local time is written "09:30"')


def _read_date(value: object) -> object:
    is_day = isinstance(value, date) and not isinstance(value, datetime)
    if is_day or (isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value)):
        return value
    raise ValueError('a day is written "2026-12-24"')


def _read_weekdays(value: object) -> object:
    """`mo-fr` and `mo, th` as well as a list; each day once, in the order of the week."""
    if isinstance(value, str):
        value = [day for part in re.split(r"[,\s]+", value.strip()) for day in _days_of(part)]
    if isinstance(value, list | tuple):
        days = {str(day).lower() for day in value}
        if days.issubset(_WEEKDAYS):
            return tuple(sorted(days, key=_WEEKDAYS.index))
    raise ValueError('weekdays are written "mo-fr", "mo, th" or [mo, th]')


def _days_of(part: str) -> list[str]:
    first, _, last = part.lower().partition("-")
    if first not in _WEEKDAYS or (last and last not in _WEEKDAYS):
        return [part]
    if not last:
        return [first]
    start, end = _WEEKDAYS.index(first), _WEEKDAYS.index(last)
    return [_WEEKDAYS[(start + n) % 7] for n in range((end - start) % 7 + 1)]


def _read_languages(value: object) -> object:
    """A plain text, or one content without a language, is English."""
    is_plain = isinstance(value, str | Content) or (isinstance(value, Mapping) and "text" in value)
    return {"en": value} if is_plain else value


def _check_languages(contents: dict[str, "Content"]) -> dict[str, "Content"]:
    for tag in contents:
        if not is_language_tag(tag):
            raise ValueError(f"{tag!r} is no language tag; write en, pt-BR, …")
    return contents


Zone = Annotated[str, StringConstraints(max_length=64), AfterValidator(_check_zone)]
LocalTime = Annotated[time, BeforeValidator(_read_time)]
Day = Annotated[date, BeforeValidator(_read_date)]
Weekdays = Annotated[tuple[Weekday, ...], BeforeValidator(_read_weekdays)]


class Declared(BaseModel):
    """A frozen value of a declaration; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Span(Declared):
    """A length of time. Days, weeks and months are of the calendar, in the contact's zone."""

    n: int
    unit: Unit = "days"

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        """`2 days`, `90 minutes`, `1 week before` (the same as `-1 weeks`)."""
        if not isinstance(value, str):
            return value
        match = _SPAN.fullmatch(value.strip().lower())
        if match is None:
            raise ValueError('a span is written "2 days", "90 minutes" or "1 week before"')
        sign = -1 if match[3] == "before" else 1
        return {"n": sign * int(match[1]), "unit": match[2] + "s"}

    @model_validator(mode="after")
    def _check(self) -> Self:
        if abs(self.n) * _DAYS.get(self.unit, 30) > MAX_DAYS:
            raise ValueError("a span is at most ten years")
        return self

    @model_serializer
    def _write(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return f"{self.n} {self.unit[:-1] if abs(self.n) == 1 else self.unit}"


class QuietHours(Declared):
    """Local times between which nothing is started; `start` after `end` spans midnight."""

    start: LocalTime = time(21)
    end: LocalTime = time(8)


class When(Declared):
    """When a step is due: from its anchor on by `offset`, then at `at`, on one of `weekdays`.

    `rrule` (RFC 5545) makes it recur, from that moment on. Days in `exdates` are left out.
    `previous` is the step before it in the program; the first step counts from the enrolment.
    """

    anchor: Anchor = "previous"
    attribute: str | None = Field(None, description="of the contact, for the anchor `date`")
    offset: Span = Span(n=0)
    at: LocalTime | None = Field(None, description="local time; null: whenever the offset ends")
    weekdays: Weekdays = ()
    rrule: str | None = Field(None, max_length=500)
    exdates: tuple[Day, ...] = Field((), max_length=400)


class Content(Declared):
    """What is said in one language; `{name}`, `{goal}`, `{streak}` and the like are filled in."""

    text: str = Field(min_length=1, max_length=4000)
    choices: tuple[Choice, ...] = Field((), max_length=20)

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        """A plain text, and choices that say what they mean."""
        if isinstance(value, str):
            return {"text": value}
        if not isinstance(value, Mapping) or not isinstance(value.get("choices"), list | tuple):
            return value
        choices = [{"label": c, "value": c} if isinstance(c, str) else c for c in value["choices"]]
        return {**value, "choices": choices}


Contents = Annotated[
    dict[str, Content], BeforeValidator(_read_languages), AfterValidator(_check_languages)
]


class Expects(Declared):
    """The answer that a check-in or a question awaits. `goal`: whose progress it is."""

    kind: AnswerKind = "text"
    minimum: float | None = None
    maximum: float | None = None
    unit: str = Field("", max_length=40)
    goal: str | None = Field(None, max_length=64, description="the goal's slug")
    target: float | None = Field(None, description="what counts as met, for numbers and scales")
    thanks: Contents = Field({}, description="by language; said on an answer")

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        """`bool` alone, and a scale from 1 to 5 where nothing else is said."""
        read = {"kind": value} if isinstance(value, str) else value
        if isinstance(read, Mapping) and read.get("kind") == "scale":
            return {"minimum": 1, "maximum": 5, **read}
        return read


class Branch(Declared):
    """Go to a step when an answer is such. `missed`: none came in time."""

    step: str | None = Field(None, description="whose answer; null: the step before")
    op: Literal["eq", "ne", "lt", "le", "gt", "ge", "in", "missed", "answered"]
    value: Scalar | tuple[Scalar, ...] | None = None
    goto: str


class Step(Declared):
    """One step of a program."""

    key: Slug
    kind: Kind = "message"
    when: When = When()
    content: Contents = Field({}, description="by language tag; `en` is the fallback")
    template: str | None = Field(None, description="a prompt template that writes it instead")
    action: str | None = Field(
        None, max_length=100, description="an action of the program's bot that says it instead"
    )
    show: Literal["progress", "week"] | None = None
    expects: Expects | None = None
    branches: tuple[Branch, ...] = Field((), max_length=20)
    otherwise: str | None = Field(None, description="where a branch goes when none matches")
    timeout: Span | None = Field(None, description="how long a wait or an answer is waited for")
    on_timeout: str | None = None
    then: str | None = Field(None, description="the step after it; null: the next; `end`: none")
    on_reply: OnReply = "continue"
    late_policy: LatePolicy = "send"
    late_after: Span = Span(n=15, unit="minutes")
    expires_after: Span | None = None
    reason: str = Field("", max_length=300, description="of a hand-off, for the coach")

    @property
    def asks(self) -> bool:
        return self.kind in ASKS

    @property
    def patience(self) -> Span:
        """How long an answer is waited for: a question never holds a program up for ever."""
        return self.timeout or Span(n=1 if self.kind == "check_in" else 3, unit="days")

    @property
    def send_class(self) -> SendClass:
        return "nudge" if self.kind == "nudge" else "check_in"


class Program(Declared):
    """A program: who enters, when they leave, and its steps in order."""

    slug: Slug
    name: str = Field(min_length=1, max_length=200)
    bot: str = Field("", max_length=64, description="only on channels of this bot")
    purpose: Slug = "coaching"
    timezone: Zone | None = Field(None, description="of contacts whose own isn't known")
    quiet_hours: QuietHours | None = None
    entry: dict[str, Any] | None = Field(None, description="a segment's filter")
    exit: dict[str, Any] | None = Field(None, description="who matches leaves")
    joins_on_start: bool = Field(False, description="everyone who opens the bot is enrolled")
    minds_silence: bool = Field(True, description="who falls silent in it is asked how they are")
    steps: tuple[Step, ...] = Field(min_length=1, max_length=200)
