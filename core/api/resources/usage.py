"""/api/v1/usage: what the creator's bots did, by day and metric, and how much of the month's
limits is used."""

from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from core.api.deps import CreatorId, RuntimeDep
from core.policies import load_policy
from core.usage import QuotaName, State, standings, tell
from shared.errors import InvalidInput
from shared.models.usage import Usage
from shared.utils.clock import utc_now

router = APIRouter(prefix="/api/v1/usage", tags=["usage"])

MAX_DAYS = 366


class UsageItem(BaseModel):
    """`day` is a day in UTC. `storage_bytes` is what was there on that day."""

    day: date
    metric: str
    value: int


class QuotaShown(BaseModel):
    """What is used of a limit this month; `storage` is what is there now.

    `soft`: the creator was told. `hard`: messages are stored and no longer answered, answers quote
    instead of asking a model, what Cairn starts by itself waits, uploads are refused.
    """

    used: int
    soft: int | None
    hard: int | None
    state: State


class UsageReport(BaseModel):
    items: list[UsageItem]
    quotas: dict[QuotaName, QuotaShown]


@router.get("")
async def read_usage(
    creator_id: CreatorId,
    runtime: RuntimeDep,
    first: Annotated[date | None, Query(alias="from", description="30 days ago by default")] = None,
    last: Annotated[date | None, Query(alias="to", description="today by default")] = None,
) -> UsageReport:
    """Counts by day and metric; days on which nothing happened are left out."""
    end = last or utc_now().date()
    start = first or end - timedelta(days=min(29, (end - date.min).days))
    if not timedelta(0) <= end - start <= timedelta(days=MAX_DAYS):
        raise InvalidInput(f"from and to span 1 to {MAX_DAYS} days", code="bad_period")
    async with runtime.database.get_session(creator_id) as session:
        rows = await Usage(session).by_day(start, end)
    now = utc_now()
    async with runtime.database.transaction(creator_id) as connection:
        found = await standings(
            connection, creator_id, await load_policy(connection, creator_id), now
        )
        await tell(connection, creator_id, found, now)
    return UsageReport(
        items=[UsageItem(day=day, metric=metric, value=value) for day, metric, value in rows],
        quotas={
            name: QuotaShown(used=s.used, soft=s.soft, hard=s.hard, state=s.state)
            for name, s in found.items()
        },
    )
