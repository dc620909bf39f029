"""What /api/v1/broadcasts reads and shows."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core.api.resources.segments import EXAMPLE, Filter
from core.api.strict import Body, Moment
from core.programs.broadcasts.estimate import ChannelShare, Estimate
from core.programs.definition import Contents, Slug, Span
from shared.models.broadcasts import Broadcast, Progress
from shared.utils.text import is_blank

MAX_SPREAD = 30 * 86_400
MAX_EXPIRY = 30 * 86_400
_UNIT_SECONDS = {"minutes": 60, "hours": 3600, "days": 86_400, "weeks": 7 * 86_400}

State = Literal["waiting", "sent", "skipped", "cancelled", "expired"]


def _seconds(span: Span) -> int:
    unit = _UNIT_SECONDS.get(span.unit)
    if unit is None or not 60 <= span.n * unit <= MAX_EXPIRY:
        raise ValueError("must be 1 minute to 30 days")
    return span.n * unit


class BroadcastPatch(Body):
    """What is left out stays. A segment and a filter replace each other."""

    name: str = Field("", min_length=1, max_length=200)
    content: Contents = Field({}, min_length=1, max_length=50, description="by language")
    purpose: Slug = Field("broadcast", description="what contacts must have agreed to")
    segment_id: UUID | None = None
    filter: Filter | None = Field(None, examples=[EXAMPLE])
    channel_id: UUID | None = Field(None, description="only this one; null: each contact's own")
    starts_at: Moment | None = Field(None, description="null: when it is started")
    spread_seconds: int = Field(0, ge=0, le=MAX_SPREAD, description="at least over this time")
    expires_after: Span = Field(
        Span(n=1), description="not sent later than this after its time", examples=["6 hours"]
    )

    @model_validator(mode="after")
    def _check(self) -> "BroadcastPatch":
        if self.segment_id is not None and self.filter is not None:
            raise ValueError("give a filter or a segment_id")
        if any(is_blank(one.text) for one in self.content.values()):
            raise ValueError("a text of the content says nothing")
        _seconds(self.expires_after)
        return self

    def values(self) -> dict[str, Any]:
        """What was given, as it is stored."""
        return self._stored(self.model_fields_set)

    def _stored(self, names: Iterable[str]) -> dict[str, Any]:
        given = {name: getattr(self, name) for name in names}
        if "content" in given:
            given["content"] = {k: v.model_dump(mode="json") for k, v in self.content.items()}
        if "expires_after" in given:
            given["expires_after_seconds"] = _seconds(given.pop("expires_after"))
        if self.segment_id is None and given.get("filter") is None:
            given.pop("filter", None)
            given.pop("segment_id", None)
        else:
            given |= {"segment_id": self.segment_id, "filter": self.filter}
        return given


class NewBroadcast(BroadcastPatch):
    """`filter` or `segment_id` says who gets it; `{"all": []}` is everybody."""

    name: str = Field(min_length=1, max_length=200)
    content: Contents = Field(min_length=1, max_length=50, description="by language")

    @model_validator(mode="after")
    def _for_somebody(self) -> "NewBroadcast":
        if self.segment_id is None and self.filter is None:
            raise ValueError("give a filter or a segment_id")
        return self

    def values(self) -> dict[str, Any]:
        return self._stored(type(self).model_fields)


class BroadcastShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    state: str
    purpose: str
    content: dict[str, Any]
    filter: Filter
    segment_id: UUID | None
    channel_id: UUID | None
    starts_at: datetime | None
    spread_seconds: int
    expires_after_seconds: int
    planned: int
    actor: str
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None


class ProgressShown(BaseModel):
    """Contacts by what became of them. `reasons`: of those skipped, cancelled and expired.

    `delivered`, `failed` and `uncertain` are of those sent, where the channel tells.
    """

    model_config = ConfigDict(from_attributes=True)

    planned: int
    waiting: int
    sent: int
    skipped: int
    cancelled: int
    expired: int
    reasons: dict[str, int]
    delivered: int
    failed: int
    uncertain: int
    last_due_at: datetime | None = Field(description="when the last one that waits is due")


class BroadcastDetails(BroadcastShown):
    progress: ProgressShown


class DryRun(Body):
    price_per_segment: Decimal | None = Field(
        None, ge=0, le=1000, decimal_places=6, description="of a text message"
    )
    currency: str = Field("USD", pattern="^[A-Z]{3}$")


class CostShown(BaseModel):
    """One text: parts to send; segments where they are charged."""

    model_config = ConfigDict(from_attributes=True)

    parts: int
    segments: int | None


class ChannelShown(BaseModel):
    """What one channel carries, and how long it takes at its pace."""

    channel_id: UUID
    type: str
    name: str
    recipients: int
    seconds: float
    segments: int | None
    texts: dict[str, CostShown] = Field(description="by language")


class LanguageShown(BaseModel):
    """Contacts of one language, and which content they get; missing: it isn't theirs."""

    model_config = ConfigDict(from_attributes=True)

    language: str | None
    content: str
    recipients: int
    is_missing: bool


class EstimateShown(BaseModel):
    """What starting it now would do. `left_out` may change until each one's time comes."""

    recipients: int
    reached: int
    left_out: dict[str, int]
    channels: list[ChannelShown]
    languages: list[LanguageShown]
    starts_at: datetime
    finishes_at: datetime
    seconds: float
    segments: int
    cost: Decimal | None
    currency: str | None


class RecipientShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    contact_id: UUID
    name: str
    state: str
    skip_reason: str | None
    defer_reason: str | None
    due_at: datetime
    settled_at: datetime | None
    message_id: UUID | None
    message_status: str | None
    error_code: str | None


def details(found: Broadcast, progress: Progress) -> BroadcastDetails:
    shown = BroadcastShown.model_validate(found).model_dump()
    return BroadcastDetails(**shown, progress=ProgressShown.model_validate(progress))


def show_estimate(found: Estimate, wanted: DryRun) -> EstimateShown:
    price = wanted.price_per_segment
    return EstimateShown(
        recipients=found.recipients,
        reached=found.reached,
        left_out=dict(found.left_out),
        channels=[_show_channel(one) for one in found.channels],
        languages=[LanguageShown.model_validate(one) for one in found.languages],
        starts_at=found.starts_at,
        finishes_at=found.finishes_at,
        seconds=found.seconds,
        segments=found.segments,
        cost=None if price is None else price * found.segments,
        currency=None if price is None else wanted.currency,
    )


def _show_channel(one: ChannelShare) -> ChannelShown:
    return ChannelShown(
        channel_id=one.channel_id,
        type=one.type,
        name=one.name,
        recipients=one.recipients,
        seconds=one.seconds,
        segments=one.segments,
        texts={tag: CostShown(**asdict(cost)) for tag, cost in one.costs.items()},
    )
