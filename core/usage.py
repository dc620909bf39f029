"""Limits of a month: how much of them is used, and what follows when one is reached.

Nothing accepted is lost: over the limit a message is stored and answered with one line a day, an
answer is quoted instead of written by a model, what Cairn starts by itself waits, an upload is
refused. Over the soft limit the creator is told, once a month. Without a limit nothing is read.
"""

import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal, get_args
from uuid import UUID

from core.audit import note
from core.policies import Policy, Quota, Quotas, load_policy
from shared import telemetry
from shared.database import DatabaseManager, PgConnection
from shared.errors import AppError
from shared.models import usage
from shared.utils.clock import utc_now

QuotaName = Literal["messages", "tokens", "sends", "storage"]
State = Literal["ok", "soft", "hard"]

NAMES: tuple[QuotaName, ...] = get_args(QuotaName)
# What is counted against each; storage is measured.
METRICS: dict[QuotaName, tuple[str, ...]] = {
    "messages": ("messages_in", "messages_out"),
    "tokens": ("tokens_in", "tokens_out"),
    "sends": ("sends",),
}
COUNTED = [metric for metrics in METRICS.values() for metric in metrics]
SENDS_SHARDS = 16
FRESH_SECONDS = 5.0
REMEMBERED = 10_000
SYSTEM = "system"

# The policy and the month's counts in one statement; no row where no limit was set.
_AGAINST = """
SELECT p.policy -> 'quotas' AS quotas, u.metric, sum(u.value)::bigint AS value
FROM app.creator_policies p
LEFT JOIN app.usage_counters u ON u.creator_id = p.creator_id AND u.day >= $2 AND u.day < $3
  AND u.metric = ANY ($4::text[])
WHERE p.creator_id = $1 AND p.policy ? 'quotas' GROUP BY 1, 2
"""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How much of one limit is used."""

    used: int
    soft: int | None
    hard: int | None

    @property
    def state(self) -> State:
        if self.hard is not None and self.used >= self.hard:
            return "hard"
        if self.soft is not None and self.used >= self.soft:
            return "soft"
        return "ok"


Standings = Mapping[QuotaName, Standing]


def month_of(moment: datetime) -> tuple[date, date]:
    """The first days of a moment's month and of the next, in UTC."""
    first = moment.date().replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1)


def is_set(quotas: Quotas) -> bool:
    return any(_is_limited(getattr(quotas, name)) for name in NAMES)


def _is_limited(quota: Quota) -> bool:
    return quota.soft is not None or quota.hard is not None


def read_quotas(stored: dict[str, Any] | None) -> Quotas | None:
    """The limits of a stored policy; None when there are none."""
    quotas = Quotas.model_validate(stored, extra="ignore") if stored else None
    return quotas if quotas is not None and is_set(quotas) else None


async def standings(
    connection: PgConnection, creator_id: UUID, policy: Policy, now: datetime
) -> dict[QuotaName, Standing]:
    """Where a creator stands this month, with and without limits."""
    counts = await usage.between(connection, creator_id, *month_of(now), COUNTED)
    found = {name: _standing(name, policy.quotas, counts) for name in METRICS}
    stored = await storage(connection, creator_id, policy, now)
    limit = policy.quotas.storage
    return found | {"storage": Standing(used=stored, soft=limit.soft, hard=limit.hard)}


async def storage(connection: PgConnection, creator_id: UUID, policy: Policy, now: datetime) -> int:
    """Bytes stored at present: documents as they are, messages by their number and usual size."""
    kept = now.date() - timedelta(days=policy.retention_days) if policy.retention_days else None
    return await usage.measure_storage(connection, creator_id, kept)


async def has_room(
    connection: PgConnection, creator_id: UUID, size_bytes: int, now: datetime
) -> bool:
    """Whether so much more may be stored; nothing is measured without a limit."""
    policy = await load_policy(connection, creator_id)
    limit = policy.quotas.storage
    if not _is_limited(limit):
        return True
    used = await storage(connection, creator_id, policy, now)
    standing = Standing(used=used, soft=limit.soft, hard=limit.hard)
    await tell(connection, creator_id, {"storage": standing}, now)
    return limit.hard is None or used + size_bytes <= limit.hard


def _standing(name: QuotaName, quotas: Quotas, counts: Mapping[str, int]) -> Standing:
    limit: Quota = getattr(quotas, name)
    used = sum(counts.get(metric, 0) for metric in METRICS[name])
    return Standing(used=used, soft=limit.soft, hard=limit.hard)


async def counted(
    connection: PgConnection, creator_id: UUID, now: datetime
) -> dict[QuotaName, Standing]:
    """What is counted against a creator's limits, in one statement; empty without any limit."""
    rows = await connection.fetch(_AGAINST, creator_id, *month_of(now), COUNTED)
    quotas = read_quotas(rows[0]["quotas"]) if rows else None
    if quotas is None:
        return {}
    counts = {row["metric"]: row["value"] for row in rows if row["metric"]}
    return {name: _standing(name, quotas, counts) for name in METRICS}


async def sends_left(connection: PgConnection, creator_id: UUID, now: datetime) -> int | None:
    """How many more messages Cairn may start this month; None: as many as there are."""
    found = await counted(connection, creator_id, now)
    await tell(connection, creator_id, found, now)
    limits = [
        max(0, each.hard - each.used)
        for name, each in found.items()
        if name in ("sends", "messages") and each.hard is not None
    ]
    return min(limits, default=None)


async def count_sends(
    connection: PgConnection, creator_id: UUID, now: datetime, count: int
) -> None:
    """Count messages that Cairn started, with the transaction that wrote them."""
    if count > 0:
        shard = time.monotonic_ns() % SENDS_SHARDS
        await usage.add(connection, creator_id, now.date(), {"sends": count}, shard=shard)


async def tell(connection: PgConnection, creator_id: UUID, found: Standings, now: datetime) -> None:
    """Note limits that are reached in the audit log and as a metric, each once a month."""
    month, _ = month_of(now)
    for name, each in found.items():
        if each.state == "ok":
            continue
        if await usage.note_once(connection, creator_id, month, name, each.state, now):
            telemetry.QUOTAS.labels(str(creator_id), name, each.state).inc()
            await note(
                connection,
                creator_id,
                actor=SYSTEM,
                action=f"quota.{each.state}",
                target=name,
                used=each.used,
                soft=each.soft,
                hard=each.hard,
            )


class Meter:
    """Whether a limit is reached, remembered for a few seconds. Asked only where one is set."""

    def __init__(self, database: DatabaseManager, *, fresh_seconds: float = FRESH_SECONDS) -> None:
        self._database = database
        self._fresh_seconds = fresh_seconds
        self._known: OrderedDict[UUID, tuple[float, Standings]] = OrderedDict()

    async def is_over(self, creator_id: UUID, quotas: Quotas | None, name: QuotaName) -> bool:
        """False when it can't be told: a database that is away stops nobody from being answered."""
        if quotas is None or getattr(quotas, name).hard is None:
            return False
        try:
            standing = (await self._standings(creator_id)).get(name)
        except AppError:
            return False
        return standing is not None and standing.state == "hard"

    async def _standings(self, creator_id: UUID) -> Standings:
        known = self._known.get(creator_id)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        now = utc_now()
        async with self._database.transaction(creator_id) as connection:
            found = await counted(connection, creator_id, now)
            await tell(connection, creator_id, found, now)
        self._known[creator_id] = (time.monotonic() + self._fresh_seconds, found)
        self._known.move_to_end(creator_id)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return found
