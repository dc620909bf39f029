"""What a creator declares: a program, its steps, when each is due, what it says and awaits.

The same declaration is written in `bots/<bot>/programs.py`, in YAML and over REST.
"""

from datetime import date, time
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from shared.messages import Choice
from shared.utils.zones import is_zone

Kind = Literal["message", "check_in", "question", "wait", "branch", "nudge", "handoff"]
Anchor = Literal["enrolment", "date", "previous", "last_inbound"]
SendClass = Literal["reply", "check_in", "nudge", "broadcast"]
Weekday = Literal["mo", "tu", "we", "th", "fr", "sa", "su"]
AnswerKind = Literal["bool", "number", "scale", "text"]
OnReply = Literal["continue", "pause", "cancel_step", "exit", "handoff"]
LatePolicy = Literal["send", "skip", "collapse"]
Unit = Literal["minutes", "hours", "days", "weeks", "months"]

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
END = "end"  # as a target of a branch: the chain ends here


def _check_zone(name: str) -> str:
    if not is_zone(name):
        raise ValueError("no such time zone; use a name like Europe/Lisbon")
    return name


Zone = Annotated[str, StringConstraints(max_length=64), AfterValidator(_check_zone)]


class Declared(BaseModel):
    """A frozen value of a declaration; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Span(Declared):
    """A length of time. Days, weeks and months are of the calendar, in the contact's zone."""

    n: int = Field(ge=-1000, le=100_000)
    unit: Unit = "days"


class QuietHours(Declared):
    """Local times between which nothing is started; `start` after `end` spans midnight."""

    start: time = time(21)
    end: time = time(8)


class When(Declared):
    """When a step is due: from its anchor on by `offset`, then at `at`, on one of `weekdays`.

    `rrule` (RFC 5545) makes it recur, from that moment on, without `exdates`.
    """

    anchor: Anchor = "previous"
    attribute: str | None = Field(None, description="of the contact, for the anchor `date`")
    offset: Span = Span(n=0)
    at: time | None = Field(None, description="local time; null: whenever the offset ends")
    weekdays: tuple[Weekday, ...] = ()
    rrule: str | None = Field(None, max_length=500)
    exdates: tuple[date, ...] = Field((), max_length=400)


class Content(Declared):
    """What is said in one language; `{name}`, `{goal}`, `{streak}` and the like are filled in."""

    text: str = Field(min_length=1, max_length=4000)
    choices: tuple[Choice, ...] = Field((), max_length=20)


class Expects(Declared):
    """The answer that a check-in or a question awaits. `goal`: whose progress it is."""

    kind: AnswerKind = "text"
    minimum: float | None = None
    maximum: float | None = None
    unit: str = Field("", max_length=40)
    goal: str | None = Field(None, max_length=64, description="the goal's slug")
    target: float | None = Field(None, description="what counts as met, for numbers and scales")
    thanks: dict[str, Content] = Field({}, description="by language; said on an answer")


class Branch(Declared):
    """Go to a step when an answer is such. `missed`: none came in time."""

    step: str | None = Field(None, description="whose answer; null: the step before")
    op: Literal["eq", "ne", "lt", "le", "gt", "ge", "in", "missed", "answered"]
    value: Any = None
    goto: str


class Step(Declared):
    """One step of a program."""

    key: Slug
    kind: Kind = "message"
    when: When = When()
    content: dict[str, Content] = Field({}, description="by language tag; `en` is the fallback")
    template: str | None = Field(None, description="a prompt template that writes it instead")
    show: Literal["progress", "week"] | None = None
    expects: Expects | None = None
    branches: tuple[Branch, ...] = Field((), max_length=20)
    otherwise: str | None = Field(None, description="where a branch goes when none matches")
    timeout: Span | None = Field(None, description="how long a wait or an answer is waited for")
    on_timeout: str | None = None
    on_reply: OnReply = "continue"
    late_policy: LatePolicy = "send"
    late_after: Span = Span(n=15, unit="minutes")
    expires_after: Span | None = None
    reason: str = Field("", max_length=300, description="of a hand-off, for the coach")

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
    steps: tuple[Step, ...] = Field(min_length=1, max_length=200)
