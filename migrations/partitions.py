"""Monthly partitions of messages. Their key is the version 7 UUID, which begins with the time."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from uuid import UUID

from migrations import rls


def months_from(first: date, count: int) -> Iterator[date]:
    """The first days of `count` months, beginning with the month of `first`."""
    month = first.replace(day=1)
    for _ in range(count):
        yield month
        month = _next(month)


def lower_bound(month: date) -> UUID:
    """The smallest UUID of a month: 48 bits of Unix milliseconds, then zeros (RFC 9562 §5.7)."""
    start = datetime(month.year, month.month, 1, tzinfo=UTC)
    return UUID(int=int(start.timestamp() * 1000) << 80)


def partition_name(month: date) -> str:
    return f"messages_{month:%Y_%m}"


def create_month_sql(month: date) -> str:
    name = partition_name(month)
    return f"""
    CREATE TABLE IF NOT EXISTS app.{name} PARTITION OF app.messages
      FOR VALUES FROM ('{lower_bound(month)}') TO ('{lower_bound(_next(month))}');
    ALTER TABLE app.{name} ENABLE ROW LEVEL SECURITY;
    ALTER TABLE app.{name} FORCE ROW LEVEL SECURITY;
    GRANT SELECT ON app.{name} TO cairn_backup;
    """


def create_month(month: date) -> None:
    rls.script(create_month_sql(month))


def _next(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)
