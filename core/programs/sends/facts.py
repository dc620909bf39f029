"""Read what a batch of sends is judged by: a constant number of statements, however many they are.

Rows that somebody else holds (an edit of the program, a turn of the contact) are not waited for:
their sends are left out and looked at again at the next tick.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from core.channels import Address, Capabilities, ChannelAdapter, Rate, Reaches
from core.consent import address_hash, left, refusal, scope_of, standing
from core.pace import rates_of
from core.policies import Policy, load_policy
from core.programs import flow
from core.programs.check_ins.progress import Progress, read_progress
from core.programs.definition import QuietHours, Step
from core.programs.moves import LULL
from core.programs.sends import caps
from core.programs.sends.claims import Send
from core.programs.sends.gates import IMPOSED, Facts, Place
from core.programs.sends.sources import (
    Source,
    has_content,
    is_silent,
    read_sources,
    tells_progress,
)
from core.usage import sends_left
from shared.database import PgConnection, Record
from shared.utils.zones import is_zone

_PEOPLE = """
SELECT c.id, c.name, c.locale, c.language, c.timezone, c.quiet_hours, c.preferred_channel_id,
  c.attributes,
  (SELECT max(i.last_inbound_at) FROM app.contact_identities i
   WHERE i.creator_id = $1 AND i.contact_id = c.id) AS last_inbound_at
FROM app.contacts c WHERE c.creator_id = $1 AND c.id = ANY ($2)
"""
# Every identity with the newest conversation that is theirs alone. Posts have keys of their own.
_PLACES = """
SELECT i.contact_id, i.channel_id, i.address, i.reachable, i.opted_out_at IS NOT NULL AS is_out,
  v.id AS conversation_id, v.address AS place, v.status AS owner, v.last_message_at
FROM app.contact_identities i
LEFT JOIN LATERAL (
  SELECT v.id, v.address, v.status, v.last_message_at FROM app.ai_conversations v
  WHERE v.creator_id = $1 AND v.contact_id = i.contact_id AND v.channel_id = i.channel_id
    AND v.address ->> 'person' = i.address AND v.key NOT LIKE 'post:%'
    AND (v.address ->> 'chat' = i.address OR (v.address ->> 'direct')::boolean)
  ORDER BY v.last_message_at DESC LIMIT 1) v ON true
WHERE i.creator_id = $1 AND i.contact_id = ANY ($2)
ORDER BY v.last_message_at DESC NULLS LAST, i.id
"""
_CHANNELS = "SELECT id, type, bot, status, settings FROM app.channels WHERE creator_id = $1"
_CREATOR = """
SELECT status <> 'active' AS is_suspended, timezone, locale FROM app.creators WHERE creator_id = $1
"""


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A creator's channel as far as a send asks for it."""

    id: UUID
    type: str
    bot: str
    is_active: bool
    rate: Rate | None
    capabilities: Capabilities


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A send with everything it is judged, said and written by."""

    send: Send
    facts: Facts
    person: Record
    source: Source
    locales: tuple[str | None, ...]
    progress: Progress | None = None


@dataclass(frozen=True, kw_only=True)
class Creator:
    """What is the same for all sends of a batch."""

    id: UUID
    row: Record
    policy: Policy
    channels: Mapping[UUID, Channel]
    adapters: Mapping[str, ChannelAdapter]
    sends_left: int | None = None  # this month; None: no limit


async def read_creator(
    connection: PgConnection,
    creator_id: UUID,
    adapters: Mapping[str, ChannelAdapter],
    now: datetime,
) -> Creator:
    row = await connection.fetchrow(_CREATOR, creator_id)
    assert row is not None  # noqa: S101 - its rows are bound to it
    channels = await connection.fetch(_CHANNELS, creator_id)
    return Creator(
        id=creator_id,
        row=row,
        policy=await load_policy(connection, creator_id),
        channels={
            c["id"]: _channel(c, adapters[c["type"]]) for c in channels if c["type"] in adapters
        },
        adapters=adapters,
        sends_left=await sends_left(connection, creator_id, now),
    )


def _channel(row: Record, adapter: ChannelAdapter) -> Channel:
    return Channel(
        id=row["id"],
        type=row["type"],
        bot=row["bot"],
        is_active=row["status"] == "active",
        rate=rates_of(row["settings"], adapter.capabilities)["account"],
        capabilities=adapter.capabilities,
    )


async def read(
    connection: PgConnection, creator: Creator, sends: Sequence[Send], now: datetime
) -> list[Subject]:
    """The sends with all they are judged by, without those that somebody else is at."""
    sources = await read_sources(connection, creator.id, sends, now)
    contact_ids = [send.contact_id for send in sends]
    people = {row["id"]: row for row in await connection.fetch(_PEOPLE, creator.id, contact_ids)}
    sends = [send for send in sends if send.id in sources and send.contact_id in people]
    known = {
        send.id: _Known(
            creator=creator,
            person=people[send.contact_id],
            source=sources[send.id],
            zone=_zone(people[send.contact_id], sources[send.id], creator),
        )
        for send in sends
    }
    places = await places_of(connection, creator, sends)
    zones = {send.contact_id: known[send.id].zone for send in sends}
    counted = await caps.count(connection, creator.id, sends, zones, creator.policy.caps, now)
    progress = await _progress(connection, creator, sends, sources, now)
    return [
        replace(
            known[send.id],
            places=places.get(send.contact_id, ()),
            counted=counted.get(send.contact_id, caps.NONE),
            progress=progress.get(send.contact_id),
        ).subject(send, now)
        for send in sends
    ]


async def _progress(
    connection: PgConnection,
    creator: Creator,
    sends: Sequence[Send],
    sources: Mapping[UUID, Source],
    now: datetime,
) -> dict[UUID, Progress]:
    """How those are getting on who are told of it."""
    telling = [send.contact_id for send in sends if tells_progress(sources[send.id])]
    return await read_progress(connection, creator.id, telling, now) if telling else {}


# --- where a contact can be reached


async def places_of(
    connection: PgConnection, creator: Creator, sends: Sequence[Send]
) -> dict[UUID, tuple[Place, ...]]:
    """By contact, the newest conversation first, with what was agreed to for their send."""
    purposes = {send.contact_id: send.purpose for send in sends}
    rows = await connection.fetch(_PLACES, creator.id, list(purposes))
    rows = [row for row in rows if row["channel_id"] in creator.channels]
    asked = {id(row): _asked(creator, row, purposes[row["contact_id"]]) for row in rows}
    stands = await standing(connection, creator.id, list(asked.values()))
    gone = await _gone(connection, creator, sends, rows, asked)
    found: dict[UUID, tuple[Place, ...]] = {}
    for row in rows:
        key = asked[id(row)]
        refused = refusal(
            stands[key],
            type_=creator.channels[row["channel_id"]].type,
            purpose=key[2],
            policy=creator.policy,
        )
        is_out = row["is_out"] or id(row) in gone
        place = _place(creator, row, "opted_out" if is_out else refused)
        found[row["contact_id"]] = (*found.get(row["contact_id"], ()), place)
    return found


async def _gone(
    connection: PgConnection,
    creator: Creator,
    sends: Sequence[Send],
    rows: Sequence[Record],
    asked: Mapping[int, tuple[str, bytes, str]],
) -> frozenset[int]:
    """Rows of people who said STOP there after their broadcast was planned.

    A START since doesn't bring it back; a STOP that found it held by a pause couldn't cancel it.
    """
    planned = {send.contact_id: send.id for send in sends if send.source_kind == "broadcast"}
    keys = {
        id(row): (planned[row["contact_id"]], asked[id(row)])
        for row in rows
        if row["contact_id"] in planned
    }
    found = await left(connection, creator.id, list(keys.values()))
    return frozenset(row for row, (send_id, key) in keys.items() if (send_id, *key[:2]) in found)


def _asked(creator: Creator, row: Record, purpose: str) -> tuple[str, bytes, str]:
    channel = creator.channels[row["channel_id"]]
    scope = scope_of(channel.type, channel.bot)
    return scope, address_hash(creator.id, scope, row["address"]), purpose


def _place(creator: Creator, row: Record, refused: Any) -> Place:
    channel = creator.channels[row["channel_id"]]
    key, to = "", row["place"] and Address.model_validate(row["place"])
    adapter = creator.adapters[channel.type]
    if to is None and isinstance(adapter, Reaches):
        key, to = adapter.place_of(row["address"])
    return Place(
        channel_id=channel.id,
        type=channel.type,
        bot=channel.bot,
        address=row["address"],
        is_active=channel.is_active,
        reachable=row["reachable"],
        refusal=refused,
        owner=row["owner"] or "bot",
        conversation_id=row["conversation_id"],
        to=to,
        key=key,
    )


def allowed(
    places: Sequence[Place], send: Send, source: Source, preferred: UUID | None
) -> tuple[Place, ...]:
    """Those on channels that the send may use; the one the person prefers comes first."""
    only = source.channel_id or send.channel_id
    allowed = [
        place
        for place in places
        if (only is None or place.channel_id == only) and source.bot in ("", place.bot)
    ]
    return tuple(sorted(allowed, key=lambda place: place.channel_id != preferred))


# --- all of it together


def _zone(person: Record, source: Source, creator: Creator) -> ZoneInfo:
    for name in (person["timezone"], source.timezone, creator.row["timezone"]):
        if name and is_zone(name):
            return ZoneInfo(name)
    return ZoneInfo("UTC")


@dataclass(frozen=True, kw_only=True)
class _Known:
    """The rows that one send is judged by."""

    creator: Creator
    person: Record
    source: Source
    zone: ZoneInfo
    places: Sequence[Place] = ()
    counted: caps.Counted = caps.NONE
    progress: Progress | None = None

    def subject(self, send: Send, now: datetime) -> Subject:
        person, source = self.person, self.source
        cap = self.creator.policy.caps.of(send.send_class)
        facts = Facts(
            zone=self.zone,
            places=allowed(self.places, send, source, person["preferred_channel_id"]),
            quiet=quiet_of(person, source, self.creator),
            halt=source.halt,
            is_suspended=self.creator.row["is_suspended"],
            is_silent=is_silent(source.step),
            is_late=_is_late(send, source, now),
            has_replied=_has_replied(send, source, person, now),
            has_content=has_content(source),
            free_at=caps.free_at(cap, self.counted, send.planned_at, now, self.zone),
        )
        return Subject(
            send=send,
            facts=facts,
            person=person,
            source=source,
            locales=(person["locale"], person["language"], self.creator.row["locale"]),
            progress=self.progress,
        )


def quiet_of(person: Record, source: Source, creator: Creator) -> QuietHours | None:
    if person["quiet_hours"]:
        return QuietHours.model_validate(person["quiet_hours"])
    return source.quiet or creator.policy.quiet_hours


def _is_late(send: Send, source: Source, now: datetime) -> bool:
    """Whether it was missed, by us or because others held it up, and isn't made up for."""
    if source.enrolled is None or source.step is None or not _may_be_late(send, source.step):
        return False
    definition, state = source.enrolled.program.definition, source.enrolled.state
    return flow.lateness(definition, state, send.step_key, send.occurrence, now) == "skip"


def _may_be_late(send: Send, step: Step) -> bool:
    """Waits of ours make nothing late. Where others hold it up, the author who said until when
    the words are good has decided; of several that wait only the latest is sent, all the same."""
    if send.defer_reason is None:
        return True
    is_good = send.window_end is not None and step.late_policy != "collapse"
    return send.defer_reason in IMPOSED and not is_good


def _has_replied(send: Send, source: Source, person: Record, now: datetime) -> bool:
    """Whether the person wrote after this nudge was decided on; lately, for one that recurs."""
    heard = person["last_inbound_at"]
    if heard is None or send.source_kind != "step" or send.send_class != "nudge":
        return False
    recurs = source.step is not None and source.step.when.rrule is not None
    since = now - LULL if recurs else send.created_at
    return bool(heard > since)
