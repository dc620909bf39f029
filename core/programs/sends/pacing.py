"""How many sends a channel is given ahead: what it takes in a few seconds, with room for replies.

A channel's row holds when its given sends will have left (`next_at`, a leaky bucket), and up to
when others were put off in a row behind them (`parked_to`): so each of a hundred thousand is
looked at about twice, not at every tick.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from core.channels import Rate
from shared.database import PgConnection

SHARE = 0.8  # of the rate; the rest is for people who wait for an answer
AHEAD = timedelta(seconds=3)
# What is put off comes back within this time, should those before it be cancelled.
FARTHEST = timedelta(minutes=5)

_READ = "SELECT channel_id, next_at, parked_to FROM app.channel_paces WHERE creator_id = $1"
_WRITE = """
INSERT INTO app.channel_paces (creator_id, channel_id, next_at, parked_to)
SELECT $1, p.* FROM unnest($2::uuid[], $3::timestamptz[], $4::timestamptz[])
  AS p (channel_id, next_at, parked_to)
ON CONFLICT (creator_id, channel_id)
  DO UPDATE SET next_at = excluded.next_at, parked_to = excluded.parked_to
"""


@dataclass(kw_only=True)
class Pace:
    """One channel's row while a batch is judged."""

    next_at: datetime
    parked_to: datetime
    now: datetime
    interval: timedelta  # between two sends; zero: no limit
    is_changed: bool = False

    def admit(self) -> bool:
        """Take a place ahead, if one is left."""
        if not self.interval:
            return True
        begins = max(self.next_at, self.now)
        if begins >= self.now + AHEAD:
            return False
        self.next_at, self.is_changed = begins + self.interval, True
        return True

    def park(self) -> datetime:
        """When to look again at one that found no place: behind all that were put off before."""
        behind = max(self.parked_to, self.next_at, self.now) + self.interval
        self.parked_to, self.is_changed = min(behind, self.now + FARTHEST), True
        return self.parked_to


class Paces:
    """The paces of one creator's channels, read before a batch is judged and written after."""

    def __init__(self, found: Mapping[UUID, tuple[datetime, datetime]], now: datetime) -> None:
        self._found = found
        self._now = now
        self._paces: dict[UUID, Pace] = {}

    @classmethod
    async def read(cls, connection: PgConnection, creator_id: UUID, now: datetime) -> "Paces":
        rows = await connection.fetch(_READ, creator_id)
        return cls({row["channel_id"]: (row["next_at"], row["parked_to"]) for row in rows}, now)

    def of(self, channel_id: UUID, rate: Rate | None) -> Pace:
        if channel_id not in self._paces:
            next_at, parked_to = self._found.get(channel_id, (self._now, self._now))
            limited = rate is not None and rate.per_second > 0
            per_send = 1 / (rate.per_second * SHARE) if rate is not None and limited else 0.0
            self._paces[channel_id] = Pace(
                next_at=self._within(next_at, AHEAD + timedelta(seconds=per_send)),
                parked_to=self._within(parked_to, FARTHEST),
                now=self._now,
                interval=timedelta(seconds=per_send),
            )
        return self._paces[channel_id]

    async def write(self, connection: PgConnection, creator_id: UUID) -> None:
        changed = {id_: pace for id_, pace in self._paces.items() if pace.is_changed}
        if changed:
            await connection.execute(_WRITE, creator_id, *_columns(changed.items()))

    def _within(self, moment: datetime, farthest: timedelta) -> datetime:
        # A clock that was set back would find its channels taken for that long.
        return moment if moment <= self._now + farthest else self._now


def _columns(paces: Iterable[tuple[UUID, Pace]]) -> tuple[list[object], ...]:
    rows = [(id_, pace.next_at, pace.parked_to) for id_, pace in paces]
    return tuple(list(column) for column in zip(*rows, strict=True))
