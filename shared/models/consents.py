"""Consent: what was said about being written to, event by event, and what stands now.

Keyed by the kind of channel with its bot (`sms/concierge`) and a hash of the address, so that a
wish outlives the contact, the channel and another import of the same people.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal, NamedTuple
from uuid import UUID

from shared.database import PgConnection, Record
from shared.utils.ids import new_id

Action = Literal["granted", "withdrawn"]
Source = Literal[
    "word", "command", "button", "link", "platform", "import", "api", "enrolment", "start"
]
Asked = tuple[str, bytes, str]
"""(scope, address hash, purpose)"""

ALL = "*"

# The same as `address_hash`, of a channel `c` and an identity `i`.
HASH_SQL = (
    "sha256(convert_to(i.creator_id || '/' || c.type || '/' || c.bot || '/' || i.address, 'UTF8'))"
)

_ADD_EVENTS = """
INSERT INTO app.consent_events (creator_id, id, contact_id, channel_id, scope, address_hash,
                                purpose, action, source, evidence, actor, at)
SELECT $1, e.id, $4, $5, $2, $3, e.purpose, $8, $9, $10, $11, $12
FROM unnest($6::uuid[], $7::text[]) AS e (id, purpose)
"""
_AGREE = """
INSERT INTO app.consents (creator_id, scope, address_hash, purpose, event_id, at)
SELECT $1, $2, $3, e.purpose, e.id, $6 FROM unnest($4::uuid[], $5::text[]) AS e (id, purpose)
ON CONFLICT (creator_id, scope, address_hash, purpose)
  DO UPDATE SET event_id = excluded.event_id, at = excluded.at
"""
_REFUSE = """
INSERT INTO app.opt_outs (creator_id, scope, address_hash, purpose, event_id, at)
SELECT $1, $2, $3, e.purpose, e.id, $6 FROM unnest($4::uuid[], $5::text[]) AS e (id, purpose)
ON CONFLICT DO NOTHING
"""
_DISAGREE = """
DELETE FROM app.consents
WHERE creator_id = $1 AND scope = $2 AND address_hash = $3 AND purpose = ANY ($4::text[])
"""
_UNREFUSE = """
DELETE FROM app.opt_outs
WHERE creator_id = $1 AND scope = $2 AND address_hash = $3 AND purpose = ANY ($4::text[])
"""
_REFUSED = """
SELECT purpose FROM app.opt_outs WHERE creator_id = $1 AND scope = $2 AND address_hash = $3
"""
_STANDING = """
SELECT a.scope, a.hash, a.purpose,
  EXISTS (SELECT FROM app.opt_outs o WHERE o.creator_id = $1 AND o.scope = a.scope
          AND o.address_hash = a.hash AND o.purpose IN ('*', a.purpose)) AS is_out,
  EXISTS (SELECT FROM app.consents g WHERE g.creator_id = $1 AND g.scope = a.scope
          AND g.address_hash = a.hash AND g.purpose = a.purpose) AS is_granted
FROM unnest($2::text[], $3::bytea[], $4::text[]) AS a (scope, hash, purpose)
"""
# Ids grow with time: what was said after a send was planned has a greater one.
_LEFT = """
SELECT a.send_id, a.scope, a.hash
FROM unnest($2::uuid[], $3::text[], $4::bytea[], $5::text[]) AS a (send_id, scope, hash, purpose)
WHERE EXISTS (
  SELECT FROM app.consent_events e WHERE e.creator_id = $1 AND e.address_hash = a.hash
    AND e.id > a.send_id AND e.scope = a.scope AND e.action = 'withdrawn'
    AND e.purpose IN ('*', a.purpose))
"""

_REFUSALS = """
SELECT o.purpose, e.source FROM app.opt_outs o
JOIN app.consent_events e ON e.creator_id = $1 AND e.id = o.event_id
WHERE o.creator_id = $1 AND o.scope = $2 AND o.address_hash = $3 AND o.purpose = ANY ($4::text[])
"""
_PEOPLE = """
SELECT i.channel_id, i.address, c.type || '/' || c.bot AS scope
FROM app.contact_identities i JOIN app.channels c ON c.creator_id = $1 AND c.id = i.channel_id
WHERE i.creator_id = $1 AND i.contact_id = $2 ORDER BY i.id
"""
# By what was said there before: an address can't be read off its hash.
_BY_HASH = f"""
SELECT i.channel_id, i.address
FROM app.contact_identities i JOIN app.channels c ON c.creator_id = $1 AND c.id = i.channel_id
WHERE i.creator_id = $1 AND c.type || '/' || c.bot = $2 AND {HASH_SQL} = $3
  AND i.contact_id IN (SELECT contact_id FROM app.consent_events
                       WHERE creator_id = $1 AND address_hash = $3)
ORDER BY i.id LIMIT 1
"""  # noqa: S608 - constants only
_CURRENT = """
SELECT scope, purpose, 'granted' AS state, at, event_id FROM app.consents
WHERE creator_id = $1 AND scope = $2 AND address_hash = $3
UNION ALL
SELECT scope, purpose, 'refused', at, event_id FROM app.opt_outs
WHERE creator_id = $1 AND scope = $2 AND address_hash = $3 ORDER BY purpose, state
"""
# Also what was said before this contact was made anew, or on a channel that is gone.
_EVENTS = """
SELECT id, scope, channel_id, purpose, action, source, evidence, actor, at
FROM app.consent_events
WHERE creator_id = $1 AND (contact_id = $2 OR address_hash = ANY ($3::bytea[]))
  AND ($4::uuid IS NULL OR id < $4)
ORDER BY id DESC LIMIT $5
"""


class Standing(NamedTuple):
    """What stands for one purpose. Who is out gets nothing, whatever was granted."""

    is_out: bool
    is_granted: bool


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody by their address on one kind of channel; the contact may not be there yet."""

    creator_id: UUID
    scope: str
    address: str
    contact_id: UUID | None = None
    channel_id: UUID | None = None
    hashed: bytes | None = None  # of somebody whose address isn't known any more

    @property
    def channel_type(self) -> str:
        return self.scope.split("/", 1)[0]

    @property
    def key(self) -> tuple[UUID, str, bytes]:
        hashed = self.hashed or address_hash(self.creator_id, self.scope, self.address)
        return self.creator_id, self.scope, hashed


@dataclass(frozen=True, kw_only=True)
class Said:
    """How we know: by which way, when, from whom; `evidence` names the message or the paper."""

    source: Source
    actor: str
    at: datetime
    evidence: dict[str, Any] = field(default_factory=dict)
    noted_at: datetime | None = None  # by the clock that programs go by, where `at` is another's

    @property
    def now(self) -> datetime:
        return self.noted_at or self.at


def address_hash(creator_id: UUID, scope: str, address: str) -> bytes:
    """Names an address without telling it; another for each creator, kind of channel and bot."""
    return sha256(f"{creator_id}/{scope}/{address}".encode()).digest()


async def add_events(
    connection: PgConnection, person: Person, purposes: Sequence[str], action: Action, said: Said
) -> list[UUID]:
    ids = [new_id() for _ in purposes]
    await connection.execute(
        _ADD_EVENTS,
        *person.key,
        person.contact_id,
        person.channel_id,
        ids,
        list(purposes),
        action,
        said.source,
        said.evidence,
        said.actor,
        said.at,
    )
    return ids


async def agree(
    connection: PgConnection, person: Person, purposes: Sequence[str], said: Said
) -> None:
    """Let these purposes stand as agreed to, and no longer as refused."""
    ids = await add_events(connection, person, purposes, "granted", said)
    await connection.execute(_AGREE, *person.key, ids, list(purposes), said.at)
    await connection.execute(_UNREFUSE, *person.key, list(purposes))


async def refuse(
    connection: PgConnection, person: Person, purposes: Sequence[str], said: Said
) -> None:
    """Let these purposes stand as refused. `*` leaves what was agreed to for a later START."""
    ids = await add_events(connection, person, purposes, "withdrawn", said)
    await connection.execute(_REFUSE, *person.key, ids, list(purposes), said.at)
    await connection.execute(_DISAGREE, *person.key, list(purposes))


async def unrefuse(connection: PgConnection, person: Person, said: Said) -> None:
    """End the refusal of everything: what was agreed to before counts again, and no more."""
    await add_events(connection, person, [ALL], "granted", said)
    await connection.execute(_UNREFUSE, *person.key, [ALL])


async def refused(connection: PgConnection, person: Person) -> frozenset[str]:
    """What stands as refused there: purposes, or `*` for all of them."""
    rows = await connection.fetch(_REFUSED, *person.key)
    return frozenset(row["purpose"] for row in rows)


async def standing(
    connection: PgConnection, creator_id: UUID, asked: Sequence[Asked]
) -> dict[Asked, Standing]:
    """What stands, for many at once: two look-ups by primary key each, whatever the history."""
    if not asked:
        return {}
    scopes, hashes, purposes = (list(column) for column in zip(*set(asked), strict=True))
    rows: list[Record] = await connection.fetch(_STANDING, creator_id, scopes, hashes, purposes)
    return {
        (row["scope"], row["hash"], row["purpose"]): Standing(row["is_out"], row["is_granted"])
        for row in rows
    }


async def left(
    connection: PgConnection, creator_id: UUID, asked: Sequence[tuple[UUID, Asked]]
) -> frozenset[tuple[UUID, str, bytes]]:
    """Those (send, scope, hash) whose person took the purpose back after the send was planned.

    It counts also when they have agreed again since.
    """
    if not asked:
        return frozenset()
    columns = zip(*((send_id, *key) for send_id, key in asked), strict=True)
    rows = await connection.fetch(_LEFT, creator_id, *(list(column) for column in columns))
    return frozenset((row["send_id"], row["scope"], row["hash"]) for row in rows)


# --- to be shown


async def refusals(
    connection: PgConnection, person: Person, purposes: Sequence[str]
) -> dict[str, str]:
    """Which of these stand as refused, and by which way each came."""
    rows = await connection.fetch(_REFUSALS, *person.key, list(purposes))
    return {row["purpose"]: row["source"] for row in rows}


async def people(connection: PgConnection, creator_id: UUID, contact_id: UUID) -> list[Person]:
    """Who a contact is on each channel."""
    rows = await connection.fetch(_PEOPLE, creator_id, contact_id)
    return [
        Person(
            creator_id=creator_id,
            scope=row["scope"],
            address=row["address"],
            contact_id=contact_id,
            channel_id=row["channel_id"],
        )
        for row in rows
    ]


async def find_by_hash(
    connection: PgConnection, creator_id: UUID, scope: str, hashed: bytes
) -> tuple[UUID, str] | None:
    """The channel and address behind a hash, where something was said before."""
    row = await connection.fetchrow(_BY_HASH, creator_id, scope, hashed)
    return (row["channel_id"], row["address"]) if row else None


async def is_contact(connection: PgConnection, creator_id: UUID, contact_id: UUID) -> bool:
    sql = "SELECT true FROM app.contacts WHERE creator_id = $1 AND id = $2"
    return bool(await connection.fetchval(sql, creator_id, contact_id))


async def current(
    connection: PgConnection, persons: Sequence[Person]
) -> list[tuple[UUID | None, dict[str, Any]]]:
    """What stands for each person, with the channel they have it on."""
    found: list[tuple[UUID | None, dict[str, Any]]] = []
    for person in persons:
        rows = await connection.fetch(_CURRENT, *person.key)
        found += [(person.channel_id, dict(row)) for row in rows]
    return found


async def events(
    connection: PgConnection,
    creator_id: UUID,
    contact_id: UUID,
    persons: Sequence[Person],
    limit: int,
    before: UUID | None,
) -> list[Record]:
    """What was said, newest first."""
    hashes = [person.key[2] for person in persons]
    return list(await connection.fetch(_EVENTS, creator_id, contact_id, hashes, before, limit))
