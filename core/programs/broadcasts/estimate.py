"""What a broadcast would be: whom it reaches and whom not, in which languages, how long, how dear.

Quiet hours, caps and a person who answers just then move single sends; they are not foreseen.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from core.channels import ChannelAdapter, CountsSegments, OutboundPart
from core.dialogue.degrade import degrade
from core.pace import rates_of
from core.programs.broadcasts.reach import READY, Reached
from core.programs.definition import Content
from core.programs.sends.pacing import SHARE
from core.programs.sends.speaking import in_language
from shared.database import PgConnection
from shared.messages import Message

_NOBODY = UUID(int=0)
_CHANNELS = "SELECT id, type, name, settings FROM app.channels WHERE creator_id = $1"
_LOCALE = "SELECT locale FROM app.creators WHERE creator_id = $1"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one text is on one channel: parts to send, and segments where those are charged."""

    parts: int
    segments: int | None = None

    @property
    def weight(self) -> int:
        """How many places it takes in the channel's pace."""
        return max(self.parts, self.segments or 0)


@dataclass(frozen=True, kw_only=True)
class ChannelShare:
    """What one channel carries. `gap` is the seconds from one contact to the next."""

    channel_id: UUID
    type: str
    name: str
    recipients: int
    gap: float
    seconds: float
    segments: int | None  # of all texts; null where nothing is charged by the segment
    costs: Mapping[str, Cost]  # by the content's language


@dataclass(frozen=True, kw_only=True)
class LanguageShare:
    """Contacts of one language and the content's language they get."""

    language: str | None
    content: str
    recipients: int
    is_missing: bool


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """`recipients` are planned; `reached` of them could be sent to now, the others not, and why."""

    recipients: int
    reached: int
    left_out: Mapping[str, int]
    channels: Sequence[ChannelShare]
    languages: Sequence[LanguageShare]
    starts_at: datetime
    seconds: float

    @property
    def finishes_at(self) -> datetime:
        return self.starts_at + timedelta(seconds=self.seconds)

    @property
    def segments(self) -> int:
        return sum(channel.segments or 0 for channel in self.channels)

    @property
    def gaps(self) -> dict[UUID, float]:
        return {channel.channel_id: channel.gap for channel in self.channels}


@dataclass(frozen=True, kw_only=True)
class Means:
    """What an estimate rests on, beside the broadcast itself."""

    adapters: Mapping[str, ChannelAdapter]
    channels: Mapping[UUID, Mapping[str, Any]]
    creator_locale: str | None


async def read_means(
    connection: PgConnection, creator_id: UUID, adapters: Mapping[str, ChannelAdapter]
) -> Means:
    rows = await connection.fetch(_CHANNELS, creator_id)
    return Means(
        adapters=adapters,
        channels={row["id"]: dict(row) for row in rows if row["type"] in adapters},
        creator_locale=await connection.fetchval(_LOCALE, creator_id),
    )


def estimate(
    content: Mapping[str, Content],
    reached: Sequence[Reached],
    means: Means,
    *,
    starts_at: datetime,
    spread_seconds: float,
) -> Estimate:
    """Pure, from the counts by channel, verdict and locale."""
    ready = [one for one in reached if one.verdict == READY]
    shares = _shares(content, ready, means)
    paced = max((share.seconds for share in shares), default=0.0)
    return Estimate(
        recipients=sum(one.count for one in reached),
        reached=sum(one.count for one in ready),
        left_out=_left_out(reached),
        channels=shares,
        languages=_languages(content, ready, means),
        starts_at=starts_at,
        seconds=max(paced, float(spread_seconds) if shares else 0.0),
    )


def _left_out(reached: Sequence[Reached]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for one in reached:
        if one.verdict != READY:
            counts[one.verdict] += one.count
    return dict(counts)


def _shares(
    content: Mapping[str, Content], ready: Sequence[Reached], means: Means
) -> list[ChannelShare]:
    by_channel: dict[UUID, list[Reached]] = {}
    for one in ready:
        if one.channel_id is not None and one.channel_id in means.channels:
            by_channel.setdefault(one.channel_id, []).append(one)
    return [
        _share(channel_id, means.channels[channel_id], those, content, means)
        for channel_id, those in by_channel.items()
    ]


def cost_of(content: Content, adapter: ChannelAdapter) -> Cost:
    """Counted as written: a placeholder takes about the room of what will stand there."""
    message = Message(text=content.text, choices=content.choices)
    parts = degrade(message, adapter.capabilities, _NOBODY)
    return Cost(parts=max(1, len(parts)), segments=_segments(parts, adapter))


def _segments(parts: Sequence[OutboundPart], adapter: ChannelAdapter) -> int | None:
    if not isinstance(adapter, CountsSegments):
        return None
    return sum(adapter.segments(part) for part in parts)


def _share(
    channel_id: UUID,
    row: Mapping[str, Any],
    ready: Sequence[Reached],
    content: Mapping[str, Content],
    means: Means,
) -> ChannelShare:
    adapter = means.adapters[row["type"]]
    costs = {tag: cost_of(one, adapter) for tag, one in content.items()}
    counts: Counter[str] = Counter()
    for one in ready:
        counts[_tag(content, one, means)] += one.count
    rate = rates_of(row["settings"], adapter.capabilities)["account"]
    per_second = rate.per_second * SHARE if rate is not None else 0.0
    weight = sum(count * costs[tag].weight for tag, count in counts.items())
    seconds = weight / per_second if per_second else 0.0
    recipients = sum(counts.values())
    charged = isinstance(adapter, CountsSegments)
    return ChannelShare(
        channel_id=channel_id,
        type=row["type"],
        name=row["name"],
        recipients=recipients,
        gap=seconds / recipients,
        seconds=seconds,
        segments=(
            sum(count * (costs[tag].segments or 0) for tag, count in counts.items())
            if charged
            else None
        ),
        costs=costs,
    )


def _languages(
    content: Mapping[str, Content], ready: Sequence[Reached], means: Means
) -> list[LanguageShare]:
    counts: Counter[tuple[str | None, str]] = Counter()
    for one in ready:
        counts[_wanted(one, means), _tag(content, one, means)] += one.count
    return [
        LanguageShare(
            language=language,
            content=tag,
            recipients=count,
            is_missing=language is not None and language != tag.lower().partition("-")[0],
        )
        for (language, tag), count in counts.most_common()
    ]


def _wanted(one: Reached, means: Means) -> str | None:
    locale = one.locale or one.language or means.creator_locale
    return locale.lower().replace("_", "-").partition("-")[0] if locale else None


def _tag(content: Mapping[str, Content], one: Reached, means: Means) -> str:
    found = in_language(content, one.locale, one.language, means.creator_locale)
    return found[0] if found else ""
