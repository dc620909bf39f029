"""Who would get what when, for contacts that there are, before a program is live. Writes nothing.

It goes the way that a send goes: the flow plans, the schedule dates, the gates judge.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from core.channels import ChannelAdapter
from core.programs import planning, store
from core.programs.definition import Program, Step
from core.programs.flow import State
from core.programs.foresight import Foreseen, foresee
from core.programs.schedule import Slot
from core.programs.segments.filters import EVERYONE, compile_filter
from core.programs.sends import facts, sources, speaking
from core.programs.sends.claims import Send
from core.programs.sends.facts import Creator
from core.programs.sends.gates import Facts, Place, Verdict, judge
from core.programs.sends.reasons import in_words
from core.programs.sends.sources import Source
from shared.database import DatabaseManager, PgConnection, Record
from shared.errors import NotFound
from shared.messages import Message
from shared.models import programs as rows
from shared.utils.ids import new_id

MOST_CONTACTS = 50
MOST_SENDS = 100

_PEOPLE = """
SELECT c.id, c.name, c.locale, c.language, c.timezone, c.quiet_hours, c.preferred_channel_id,
  c.attributes,
  (SELECT max(i.last_inbound_at) FROM app.contact_identities i
   WHERE i.creator_id = c.creator_id AND i.contact_id = c.id) AS last_inbound_at
FROM app.contacts c WHERE {where} ORDER BY c.id DESC LIMIT {limit}
"""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which program for whom: `contact_ids`, else of its entry segment, else the newest."""

    program_id: UUID
    version: int | None = None
    contact_ids: tuple[UUID, ...] = ()
    contacts: int = 5
    sends: int = 10


@dataclass(frozen=True, kw_only=True)
class Preview:
    """One send to come. `verdict`: send, defer or skip; `reason` and `why` what stands in its way
    or has put it off. `text` is None where it is only written when it is due."""

    step_key: str
    kind: str
    planned_at: datetime
    leaves_at: datetime
    local_time: str
    verdict: str
    reason: str | None
    why: str | None
    channel_id: UUID | None
    channel: str | None
    text: str | None
    choices: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ContactPreview:
    contact_id: UUID
    name: str
    timezone: str
    sends: tuple[Preview, ...]


@dataclass(frozen=True, kw_only=True)
class _Person:
    """A contact with all that their sends are judged and said by."""

    row: Record
    creator: Creator
    program: Program
    places: Sequence[Place]

    @property
    def zone(self) -> ZoneInfo:
        return planning.zone_of(self.row["timezone"], self.program, self.creator.row["timezone"])

    def judge(self, step: Step, slot: Slot, at: datetime) -> Verdict:
        source = _source(self.program, step)
        send = _send(self.row["id"], self.program, step, slot)
        allowed = facts.allowed(self.places, send, source, self.row["preferred_channel_id"])
        found = Facts(
            zone=self.zone,
            places=allowed,
            quiet=facts.quiet_of(self.row, source, self.creator),
            is_suspended=self.creator.row["is_suspended"],
            is_silent=sources.is_silent(step),
            has_content=sources.has_content(source),
        )
        return judge(send, found, at)

    def foresee(self, now: datetime, sends: int) -> ContactPreview:
        state = State(
            started_at=now,
            zone=self.zone,
            attributes=self.row["attributes"],
            last_inbound_at=self.row["last_inbound_at"],
        )
        found = foresee(self.program, state, now, sends=sends, judge=self.judge)
        return ContactPreview(
            contact_id=self.row["id"],
            name=self.row["name"],
            timezone=str(self.zone),
            sends=tuple(self._shown(one) for one in found),
        )

    def _shown(self, one: Foreseen) -> Preview:
        step, place = one.step, one.verdict.place
        reason = one.verdict.reason or one.held_by
        message = self._words(step)
        return Preview(
            step_key=step.key,
            kind=step.kind,
            planned_at=one.slot.due_at,
            leaves_at=one.at,
            local_time=one.at.astimezone(self.zone).isoformat(timespec="minutes"),
            verdict=one.verdict.kind,
            reason=reason,
            why=in_words(reason),
            channel_id=place.channel_id if place else None,
            channel=place.type if place else None,
            text=message.text if message else None,
            choices=tuple(choice.label for choice in message.choices) if message else (),
        )

    def _words(self, step: Step) -> Message | None:
        """What is said, unless it is only written when it is due."""
        if step.template or step.show or step.action:
            return None
        return speaking.message(step.content, locales=self._locales, values=self._values)

    @property
    def _locales(self) -> tuple[str | None, ...]:
        return (self.row["locale"], self.row["language"], self.creator.row["locale"])

    @property
    def _values(self) -> Mapping[str, str]:
        known = {key: str(value) for key, value in self.row["attributes"].items()}
        return known | {"name": self.row["name"]}


async def preview(
    database: DatabaseManager,
    adapters: Mapping[str, ChannelAdapter],
    creator_id: UUID,
    wanted: Wanted,
    now: datetime,
) -> list[ContactPreview]:
    """Raises NotFound for a program, version or contact that there isn't."""
    async with database.transaction(creator_id) as db:
        people = await _read(db, adapters, creator_id, wanted, now)
    return await asyncio.to_thread(
        lambda: [person.foresee(now, min(wanted.sends, MOST_SENDS)) for person in people]
    )


async def _read(
    db: PgConnection,
    adapters: Mapping[str, ChannelAdapter],
    creator_id: UUID,
    wanted: Wanted,
    now: datetime,
) -> list[_Person]:
    row = await rows.find(db, creator_id, wanted.program_id)
    if row is None:
        raise NotFound("no program with this id")
    program = await store.load(db, creator_id, row.id, wanted.version or row.version)
    found = await _people(db, creator_id, program, wanted, now)
    creator = await facts.read_creator(db, creator_id, adapters, now)
    step, slot = program.steps[0], Slot("", now)
    sends = [_send(person["id"], program, step, slot) for person in found]
    places = await facts.places_of(db, creator, sends)
    return [
        _Person(row=person, creator=creator, program=program, places=places.get(person["id"], ()))
        for person in found
    ]


async def _people(
    db: PgConnection, creator_id: UUID, program: Program, wanted: Wanted, now: datetime
) -> list[Record]:
    limit = min(wanted.contacts, MOST_CONTACTS)
    if wanted.contact_ids:
        where, arguments = "c.creator_id = $1 AND c.id = ANY ($2)", (list(wanted.contact_ids),)
        found = await db.fetch(
            _PEOPLE.format(where=where, limit=MOST_CONTACTS), creator_id, *arguments
        )
        if len(found) < len(set(wanted.contact_ids)):
            raise NotFound("one of these contacts is unknown")
        return found
    compiled = compile_filter(program.entry or EVERYONE, now=now)
    sql = _PEOPLE.format(where=compiled.where, limit=limit)
    return await db.fetch(sql, creator_id, *compiled.arguments)


def _send(contact_id: UUID, program: Program, step: Step, slot: Slot) -> Send:
    return Send(
        id=new_id(),
        contact_id=contact_id,
        source_kind="step",
        source_id=contact_id,
        step_key=step.key,
        occurrence=slot.occurrence,
        generation=1,
        send_class=step.send_class,
        purpose=program.purpose,
        planned_at=slot.due_at,
        due_at=slot.due_at,
        window_end=None,
        channel_id=None,
        created_at=slot.due_at,
    )


def _source(program: Program, step: Step) -> Source:
    return Source(
        content=step.content,
        step=step,
        bot=program.bot,
        quiet=program.quiet_hours,
        timezone=program.timezone,
    )
