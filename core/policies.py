"""A creator's policy: when, how often and with whose consent people are written to first."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from core.programs.definition import Declared, QuietHours, SendClass
from shared.database import PgConnection
from shared.models import policies

# Without any word of the creator: no text at night.
DEFAULT_QUIET_HOURS = QuietHours()

Words = Annotated[str, StringConstraints(min_length=2, max_length=100, strip_whitespace=True)]


Language = Annotated[str, StringConstraints(max_length=35)]
CrisisText = Annotated[str, StringConstraints(min_length=2, max_length=2000)]


class Cap(Declared):
    """At most so many sends of a class to one person; null: no limit."""

    per_day: int | None = Field(None, ge=0, le=1000)
    per_week: int | None = Field(None, ge=0, le=7000)


class Caps(Declared):
    check_in: Cap = Cap(per_day=6)
    nudge: Cap = Cap(per_day=2)
    broadcast: Cap = Cap(per_day=1)

    def of(self, send_class: SendClass) -> Cap:
        """The cap of a class; a reply has none."""
        found: Cap = getattr(self, send_class, Cap())
        return found


class Room(Declared):
    """Where the team is told, such as a Slack channel."""

    channel_id: UUID
    chat: str = Field(min_length=1, max_length=200)
    space: str | None = Field(None, max_length=200, description="the workspace, if several")


class HandoffRule(Declared):
    """Call a person when a message holds one of these words."""

    words: tuple[Words, ...] = Field(min_length=1, max_length=50)
    is_urgent: bool = False
    note: str = Field("", max_length=300)


class Handoff(Declared):
    sla_minutes: int = Field(60, ge=1, le=10_080, description="within which a person answers")
    room: Room | None = None
    crisis_words: tuple[Words, ...] = Field((), max_length=200, description="beside Cairn's own")
    crisis_texts: dict[Language, CrisisText] = Field(
        {},
        max_length=50,
        description="by language, instead of Cairn's own; {line} is the country's help line",
    )
    rules: tuple[HandoffRule, ...] = Field((), max_length=50)


class Quota(Declared):
    """Limits a month: over `soft` the creator is told, over `hard` nothing more is begun."""

    soft: int | None = Field(None, ge=0)
    hard: int | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _in_order(self) -> "Quota":
        if self.soft is not None and self.hard is not None and self.soft > self.hard:
            raise ValueError("the soft limit must not be above the hard one")
        return self


class Quotas(Declared):
    messages: Quota = Quota()
    tokens: Quota = Quota()
    sends: Quota = Quota()
    storage: Quota = Field(Quota(), description="bytes")


Days = Annotated[int, Field(ge=1, le=365)]


def _in_order(days: tuple[int, ...]) -> tuple[int, ...]:
    if list(days) != sorted(set(days)):
        raise ValueError("days must grow, each once")
    return days


class Policy(Declared):
    """What a creator has set; every field has a default that does no harm."""

    quiet_hours: QuietHours | None = Field(
        None, description="null: the channel's, 21:00 to 08:00 for SMS; start = end: none"
    )
    caps: Caps = Caps()
    silence_days: Annotated[tuple[Days, ...], AfterValidator(_in_order)] = Field(
        (2, 5, 10), max_length=10, description="after which silence is answered, and then shown"
    )
    handoff: Handoff = Handoff()
    retention_days: int | None = Field(None, ge=1, le=36_500, description="null: for ever")
    quotas: Quotas = Quotas()
    broadcast_consent: Literal["explicit", "implied"] = Field(
        "explicit", description="implied: who opened the bot gets them; never on sms"
    )
    unsubscribe_links: bool = Field(False, description="broadcasts end with a link that ends them")


async def load_policy(connection: PgConnection, creator_id: UUID) -> Policy:
    """A creator's policy; the defaults when none was set."""
    stored = await policies.read(connection, creator_id)
    # A newer version's fields are no reason to stop: what is known of it holds.
    return Policy.model_validate(stored.policy, extra="ignore") if stored else Policy()
