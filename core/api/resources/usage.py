"""/api/v1/usage: what the creator's bots did, by day and metric."""

from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from core.api.deps import TenantDb
from shared.errors import InvalidInput
from shared.models.usage import Usage
from shared.utils.clock import utc_now

router = APIRouter(prefix="/api/v1/usage", tags=["usage"])

MAX_DAYS = 366


class UsageItem(BaseModel):
    """`day` is a day in UTC."""

    day: date
    metric: str
    value: int


class UsageReport(BaseModel):
    items: list[UsageItem]


@router.get("")
async def read_usage(
    db: TenantDb,
    first: Annotated[date | None, Query(alias="from", description="30 days ago by default")] = None,
    last: Annotated[date | None, Query(alias="to", description="today by default")] = None,
) -> UsageReport:
    """Counts by day and metric; days on which nothing happened are left out."""
    end = last or utc_now().date()
    start = first or end - timedelta(days=min(29, (end - date.min).days))
    if not timedelta(0) <= end - start <= timedelta(days=MAX_DAYS):
        raise InvalidInput(f"from and to span 1 to {MAX_DAYS} days", code="bad_period")
    rows = await Usage(db).by_day(start, end)
    return UsageReport(
        items=[UsageItem(day=day, metric=metric, value=value) for day, metric, value in rows]
    )
