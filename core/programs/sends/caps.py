"""How often one person is written to first: counted by class over all their channels.

Days are those of the person's own calendar, weeks begin on Monday.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from core.policies import Cap, Caps
from core.programs.schedule import resolve
from core.programs.sends.claims import Send
from shared.database import PgConnection

# Person by person, by the index: a plan for all at once would read everything that was ever sent.
_COUNT = """
SELECT k.contact_id, s.today, s.week
FROM unnest($2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[])
  AS k (contact_id, class, day, week)
CROSS JOIN LATERAL (
  SELECT count(*) FILTER (WHERE settled_at >= k.day) AS today, count(*) AS week
  FROM app.scheduled_sends
  WHERE creator_id = $1 AND contact_id = k.contact_id AND state = 'sent' AND class = k.class
    AND message_id IS NOT NULL AND settled_at >= k.week AND settled_at <= $6) s
"""


@dataclass(frozen=True, kw_only=True)
class Counted:
    """How many of a class went to a person since their day and their week began."""

    today: int = 0
    week: int = 0


NONE = Counted()


def day_began(now: datetime, zone: ZoneInfo) -> datetime:
    return _days_on(now, zone, 0)


def week_began(now: datetime, zone: ZoneInfo) -> datetime:
    return _days_on(now, zone, -now.astimezone(zone).weekday())


def free_at(
    cap: Cap, counted: Counted, planned_at: datetime, now: datetime, zone: ZoneInfo
) -> datetime | None:
    """When the next one may be sent: at the planned time of the next free day. None: now."""
    if cap.per_week is not None and counted.week >= cap.per_week:
        days = 7 - now.astimezone(zone).weekday()
    elif cap.per_day is not None and counted.today >= cap.per_day:
        days = 1
    else:
        return None
    at = planned_at.astimezone(zone).time()
    return resolve(datetime.combine(now.astimezone(zone).date() + timedelta(days=days), at), zone)


async def count(
    connection: PgConnection,
    creator_id: UUID,
    sends: Sequence[Send],
    zones: Mapping[UUID, ZoneInfo],
    caps: Caps,
    now: datetime,
) -> dict[UUID, Counted]:
    """What the contacts of these sends had already, by contact; sends have one contact each."""
    capped = [send for send in sends if caps.of(send.send_class) != Cap()]
    if not capped:
        return {}
    rows = await connection.fetch(
        _COUNT,
        creator_id,
        [send.contact_id for send in capped],
        [send.send_class for send in capped],
        [day_began(now, zones[send.contact_id]) for send in capped],
        [week_began(now, zones[send.contact_id]) for send in capped],
        now,
    )
    return {row["contact_id"]: Counted(today=row["today"], week=row["week"]) for row in rows}


def _days_on(now: datetime, zone: ZoneInfo, days: int) -> datetime:
    day = now.astimezone(zone).date() + timedelta(days=days)
    return resolve(datetime.combine(day, datetime.min.time()), zone)
