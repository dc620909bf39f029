"""A year, or a part of it, on the clock of a school with people all over the world.

Nothing is delivered: what counts is which slot becomes a message, when, and how often. The slots
are found another way, by `oracle.py`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from core import consent
from core.runtime import Runtime
from shared.utils.ids import new_id
from tests.core.programs import oracle
from tests.core.programs.coaching import Coach, program

START = datetime(2027, 1, 1, tzinfo=UTC)  # a Friday
DAILY, THRICE = "FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,WE,FR"
MORNING, NIGHT = time(9), time(21, 30)
QUIET = (time(21), time(8))
# Whatever moves its clocks in its own way, and some that never do.
ZONES = (
    *("UTC", "Europe/Berlin", "Europe/Lisbon", "Europe/London", "Europe/Dublin", "Asia/Tokyo"),
    *("America/New_York", "America/Los_Angeles", "America/Sao_Paulo", "America/St_Johns"),
    *("America/Santiago", "America/Havana", "Africa/Cairo", "Africa/Casablanca", "Africa/Lagos"),
    *("Asia/Kolkata", "Asia/Kathmandu", "Asia/Beirut", "Asia/Tehran", "Asia/Gaza"),
    *("Australia/Sydney", "Australia/Lord_Howe", "Australia/Adelaide", "Australia/Perth"),
    *("Pacific/Auckland", "Pacific/Chatham", "Pacific/Apia", "Pacific/Kiritimati"),
    *("Pacific/Pago_Pago", "Atlantic/Azores"),
)
_PEOPLE = """
WITH given AS (
  SELECT * FROM unnest($3::uuid[], $4::text[], $5::bytea[]) AS g (id, zone, hash)
), people AS (
  INSERT INTO app.contacts (creator_id, id, name, timezone) SELECT $1, id, '', zone FROM given
), identities AS (
  INSERT INTO app.contact_identities (creator_id, id, contact_id, channel_id, address)
  SELECT $1, id, id, $2, id FROM given
), consents AS (
  INSERT INTO app.consents (creator_id, scope, address_hash, purpose, event_id, at)
  SELECT $1, $6, hash, 'coaching', id, $7 FROM given
)
INSERT INTO app.ai_conversations (creator_id, id, channel_id, contact_id, key, address)
SELECT $1, id, $2, id, id, jsonb_build_object('chat', id, 'person', id) FROM given
"""
_NEXT = """
SELECT min(due_at) AS at FROM app.scheduled_sends
WHERE creator_id = $1 AND state = 'waiting' AND due_slot = (
  SELECT min(due_slot) FROM app.scheduled_sends WHERE creator_id = $1 AND state = 'waiting')
"""
_HANDLED = """
SELECT s.contact_id, c.timezone, s.step_key, s.planned_at, s.settled_at, s.state, s.skip_reason,
  (SELECT count(*) FROM app.messages m WHERE m.creator_id = $1 AND m.id = s.message_id) AS messages
FROM app.scheduled_sends s JOIN app.contacts c ON c.creator_id = $1 AND c.id = s.contact_id
WHERE s.creator_id = $1
"""


@dataclass(kw_only=True)
class Findings:
    """What a year came to. The lists are empty when every promise was kept."""

    sent: int = 0
    ticks: int = 0
    lost: list[Any] = field(default_factory=list)
    unplanned: list[Any] = field(default_factory=list)
    doubled: list[Any] = field(default_factory=list)
    at_night: list[Any] = field(default_factory=list)
    without_reason: list[Any] = field(default_factory=list)

    @property
    def broken(self) -> dict[str, list[Any]]:
        kinds = ("lost", "unplanned", "doubled", "at_night", "without_reason")
        return {kind: found[:3] for kind in kinds if (found := getattr(self, kind))}


@dataclass(kw_only=True)
class Year:
    """`step` is how long the clock jumps at least: a scheduler that looks that seldom."""

    runtime: Runtime
    creator_id: UUID
    channel_id: UUID
    people: int
    days: int = 365
    step: timedelta = timedelta(minutes=15)
    zones: Sequence[str] = ZONES
    start: datetime = START

    @property
    def end(self) -> datetime:
        return self.start + timedelta(days=self.days)

    async def run(self) -> Findings:
        coach = Coach(database=self.runtime.database, id=self.creator_id)
        self.runtime.clock.move_to(self.start)
        contacts = await self._fill(coach)
        for slug, when, more in (
            ("daily", _when(MORNING, DAILY), {}),
            ("thrice", _when(NIGHT, THRICE), {"quiet_hours": {"start": "21:00", "end": "08:00"}}),
        ):
            said = {"key": slug, "when": when, "content": {"en": {"text": slug}}}
            program_id = await coach.runs(program(said, slug=slug, **more), self.start)
            await coach.enrols(program_id, contacts, self.start)
        found = Findings(ticks=await self._live(coach))
        return judged(found, await coach.rows(_HANDLED), self.start, self.end)

    async def _fill(self, coach: Coach) -> list[UUID]:
        ids = [new_id() for _ in range(self.people)]
        zones = [self.zones[n % len(self.zones)] for n in range(self.people)]
        scope = consent.scope_of("web", "coach")
        hashes = [consent.address_hash(self.creator_id, scope, str(id_)) for id_ in ids]
        await coach.rows(_PEOPLE, self.channel_id, ids, zones, hashes, scope, self.start)
        await coach.rows(
            "INSERT INTO app.creator_policies (creator_id, policy) VALUES ($1, $2)",
            {"silence_days": []},
        )
        return ids

    async def _live(self, coach: Coach) -> int:
        """From due time to due time."""
        clock, ticks = self.runtime.clock, 0
        while True:
            [row] = await coach.rows(_NEXT)
            if row["at"] is None or row["at"] >= self.end:
                return ticks
            clock.move_to(_rounded(max(row["at"], clock.now()), self.step))
            while await self.runtime.scheduler.tick():
                ticks += 1


def _when(at: time, rrule: str) -> dict[str, Any]:
    return {"anchor": "enrolment", "at": at.isoformat(), "rrule": rrule}


def _rounded(moment: datetime, step: timedelta) -> datetime:
    """The first multiple of `step` after midnight that isn't before."""
    passed = moment - START
    return START + (passed + step - timedelta(microseconds=1)) // step * step


def judged(found: Findings, rows: Sequence[Any], start: datetime, end: datetime) -> Findings:
    """Compare what was settled with what the calendars say."""
    expected = {
        (zone, slug): _slots(zone, at, rrule, start, end)
        for zone in {row["timezone"] for row in rows}
        for slug, at, rrule in (("daily", MORNING, DAILY), ("thrice", NIGHT, THRICE))
    }
    handled: dict[tuple[Any, str, str], list[datetime]] = {}
    for row in (row for row in rows if row["planned_at"] < end):
        who = (row["contact_id"], row["timezone"], row["step_key"])
        slots = handled.setdefault(who, [])
        if row["state"] != "waiting":
            slots.append(row["planned_at"])
            _look(found, row, who)
    for who, planned in handled.items():
        _compare(found, who, planned, expected[who[1:]], end)
    return found


def _compare(
    found: Findings,
    who: tuple[Any, str, str],
    planned: list[datetime],
    wanted: list[datetime],
    end: datetime,
) -> None:
    found.unplanned += [(*who, at) for at in set(planned) - set(wanted)]
    sure = [at for at in wanted if at < end - timedelta(days=2)]
    found.lost += [(*who, at) for at in set(sure) - set(planned)]
    found.doubled += [(*who, at) for at, times in Counter(planned).items() if times > 1]


def _look(found: Findings, row: Any, who: tuple[Any, str, str]) -> None:
    if row["state"] != "sent":
        if not row["skip_reason"]:
            found.without_reason.append(who)
        return
    found.sent += 1
    if row["messages"] != 1:
        found.doubled.append((who, row["planned_at"]))
    if row["step_key"] == "thrice" and oracle.is_quiet(row["settled_at"], who[1], *QUIET):
        found.at_night.append((who, row["settled_at"]))


def _slots(zone: str, at: time, rrule: str, start: datetime, end: datetime) -> list[datetime]:
    first = start.date() - timedelta(days=1)
    last: date = end.date() + timedelta(days=1)
    moments = oracle.expected_moments(zone, first_day=first, last_day=last, at=at, rrule=rrule)
    return [moment for moment in moments if start <= moment < end]
