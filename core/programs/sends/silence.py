"""When somebody in a program falls silent: two gentle words after some days, then the coach's list.

One row of the ladder waits for each contact. It is looked at when it is due: whoever has written
since begins again at its foot, so an inbound message costs nothing here. The row's occurrence is
`<rung>@<the moment the silence began>`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

from core.policies import load_policy
from core.programs import tickets
from core.programs.check_ins.words import WORDS
from core.programs.definition import Content
from core.programs.sends.claims import Send
from shared.database import PgConnection, Record
from shared.utils.ids import new_id

SILENCE: Literal["silence"] = "silence"
DETAIL = "No word for {days} days."
AT_LEAST_APART = timedelta(days=1)  # two rungs, however late the first one was
ENROLMENT_ENDED, HUMAN, STOPPED = "enrolment_ended", "human", "stopped"

# In a program that minds silence: where nobody is asked anything, it means nothing.
_IS_MINDED = """EXISTS (
  SELECT FROM app.enrolments e
  JOIN app.coaching_programs p ON p.creator_id = e.creator_id AND p.id = e.program_id
  JOIN app.program_versions v ON v.creator_id = e.creator_id AND v.program_id = p.id
    AND v.version = p.live_version
  WHERE e.creator_id = $1 AND e.contact_id = {contact} AND e.status = 'active'
    AND coalesce((v.definition ->> 'minds_silence')::boolean, true))"""
_PLAN = f"""
INSERT INTO app.scheduled_sends (creator_id, id, contact_id, source_kind, source_id, occurrence,
                                 class, purpose, planned_at, due_at)
SELECT $1, n.id, n.contact_id, 'silence', n.contact_id, n.occurrence, 'nudge', 'coaching',
       n.due_at, n.due_at
FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[])
  AS n (id, contact_id, occurrence, due_at)
JOIN app.contacts c ON c.creator_id = $1 AND c.id = n.contact_id
WHERE {_IS_MINDED.format(contact="n.contact_id")}
  AND NOT EXISTS (SELECT FROM app.scheduled_sends w
                  WHERE w.creator_id = $1 AND w.contact_id = n.contact_id
                    AND w.state IN ('waiting', 'claimed') AND w.source_kind = 'silence')
ON CONFLICT DO NOTHING
"""  # noqa: S608 - constants only
_FACTS = f"""
SELECT s.id, s.contact_id,
  (SELECT max(i.last_inbound_at) FROM app.contact_identities i
   WHERE i.creator_id = $1 AND i.contact_id = s.contact_id) AS last_inbound_at,
  {_IS_MINDED.format(contact="s.contact_id")} AS is_enrolled
FROM app.scheduled_sends s WHERE s.creator_id = $1 AND s.id = ANY ($2::uuid[])
"""  # noqa: S608 - constants only
# Two that were planned at one moment are one ladder too many.
_ALONE = """
UPDATE app.scheduled_sends SET state = 'cancelled', skip_reason = 'stopped', settled_at = $3
WHERE creator_id = $1 AND id IN (
  SELECT w.id FROM app.scheduled_sends s JOIN app.scheduled_sends w
    ON w.creator_id = $1 AND w.contact_id = s.contact_id AND w.id <> s.id
  WHERE s.creator_id = $1 AND s.id = ANY ($2::uuid[]) AND w.source_kind = 'silence'
    AND w.state = 'waiting'
  FOR UPDATE OF w SKIP LOCKED)
"""
_MOVE = """
UPDATE app.scheduled_sends s
SET occurrence = n.occurrence, planned_at = n.due_at, due_at = n.due_at, defer_reason = NULL,
    deferrals = 0
FROM unnest($2::uuid[], $3::text[], $4::timestamptz[]) AS n (id, occurrence, due_at)
WHERE s.creator_id = $1 AND s.id = n.id
"""
_END = """
UPDATE app.scheduled_sends s
SET state = n.state, skip_reason = n.reason, settled_at = $5
FROM unnest($2::uuid[], $3::text[], $4::text[]) AS n (id, state, reason)
WHERE s.creator_id = $1 AND s.id = n.id
"""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where on the ladder a row stands: which rung, counted from 1, of a silence since when."""

    rung: int
    since: datetime

    @property
    def occurrence(self) -> str:
        return f"{self.rung}@{self.since.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"

    def due_at(self, days: Sequence[int]) -> datetime:
        return self.since + timedelta(days=days[min(self.rung, len(days)) - 1])


def place_of(occurrence: str) -> Place:
    rung, _, since = occurrence.partition("@")
    return Place(rung=int(rung), since=datetime.fromisoformat(since))


def content_of(occurrence: str) -> Mapping[str, Content]:
    """What this rung says, by language."""
    last = min(place_of(occurrence).rung, 2) - 1
    return {tag: Content(text=words.reminders[last]) for tag, words in WORDS.items()}


async def plan_silence(
    connection: PgConnection, creator_id: UUID, contact_ids: Iterable[UUID], now: datetime
) -> None:
    """Begin the ladder for those in a program for whom none is waiting. One statement."""
    days = (await load_policy(connection, creator_id)).silence_days
    if days:
        foot = Place(rung=1, since=now)
        await _plan(connection, creator_id, [(id_, foot, foot.due_at(days)) for id_ in contact_ids])


async def due_silence(
    connection: PgConnection, creator_id: UUID, sends: Sequence[Send], now: datetime
) -> list[Send]:
    """Those of claimed sends that are to be judged and said; all that aren't silences among them.

    Of the others, who wrote waits anew, who left is let go, and who was silent to the last rung
    comes to the coach's list.
    """
    rungs = [send for send in sends if send.source_kind == SILENCE]
    if not rungs:
        return list(sends)
    days = (await load_policy(connection, creator_id)).silence_days
    ids = [send.id for send in rungs]
    await connection.execute(_ALONE, creator_id, ids, now)
    rows = await connection.fetch(_FACTS, creator_id, ids)
    round_ = _Round(days=days, facts={row["id"]: row for row in rows}, now=now)
    judged = [send if send.source_kind != SILENCE else round_.spoken(send) for send in sends]
    await _write(connection, creator_id, round_)
    return [send for send in judged if send is not None]


async def go_on(
    connection: PgConnection, creator_id: UUID, settled: Iterable[Send], now: datetime
) -> None:
    """Plan the next rung of those that were said, or could not be said."""
    rungs = [send for send in settled if send.source_kind == SILENCE]
    if not rungs:
        return
    days = (await load_policy(connection, creator_id)).silence_days
    planned = []
    for send in rungs:
        place = place_of(send.occurrence)
        if place.rung < len(days):
            following = Place(rung=place.rung + 1, since=place.since)
            due_at = max(following.due_at(days), now + AT_LEAST_APART)
            planned.append((send.contact_id, following, due_at))
    await _plan(connection, creator_id, planned)


class _Round:
    """What becomes of the rows of one batch. Pure: gathers what is to be written."""

    def __init__(self, *, days: Sequence[int], facts: Mapping[UUID, Record], now: datetime) -> None:
        self.days, self.now, self._facts = days, now, facts
        self.moved: list[tuple[UUID, Place]] = []
        self.ended: list[tuple[UUID, str, str]] = []
        self.shown: list[tuple[UUID, str]] = []

    def spoken(self, send: Send) -> Send | None:
        """The send as it is to be judged; None when nothing is said now."""
        facts, place = self._facts[send.id], place_of(send.occurrence)
        if reason := self._over(facts):
            self.ended.append((send.id, "cancelled", reason))
            return None
        heard = facts["last_inbound_at"]
        if heard is not None and heard > place.since:
            place = Place(rung=1, since=heard)
            self.moved.append((send.id, place))
            send = replace(send, occurrence=place.occurrence, planned_at=place.due_at(self.days))
            if send.planned_at > self.now:
                return None
        return None if self._is_last(send, place) else send

    def _over(self, facts: Record) -> str | None:
        if not self.days:
            return STOPPED
        return None if facts["is_enrolled"] else ENROLMENT_ENDED

    def _is_last(self, send: Send, place: Place) -> bool:
        """The top of the ladder speaks to the coach."""
        if place.rung < len(self.days):
            return False
        self.ended.append((send.id, "skipped", HUMAN))
        self.shown.append((send.contact_id, DETAIL.format(days=(self.now - place.since).days)))
        return True


async def _write(connection: PgConnection, creator_id: UUID, round_: _Round) -> None:
    if round_.moved:
        ids, places = zip(*round_.moved, strict=True)
        due = [place.due_at(round_.days) for place in places]
        occurrences = [place.occurrence for place in places]
        await connection.execute(_MOVE, creator_id, list(ids), occurrences, due)
    if round_.ended:
        ended, states, reasons = (list(column) for column in zip(*round_.ended, strict=True))
        await connection.execute(_END, creator_id, ended, states, reasons, round_.now)
    await tickets.open_tickets(connection, creator_id, round_.shown, round_.now, reason=SILENCE)


async def _plan(
    connection: PgConnection, creator_id: UUID, planned: Sequence[tuple[UUID, Place, datetime]]
) -> None:
    if planned:
        contacts, places, due = zip(*planned, strict=True)
        await connection.execute(
            _PLAN,
            creator_id,
            [new_id() for _ in planned],
            list(contacts),
            [place.occurrence for place in places],
            list(due),
        )
