"""Imports of contacts: the file until it is done, how far it has come, the lines it refused.

Always within one creator, on a driver connection of `DatabaseManager.transaction`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import PgConnection, Record
from shared.models.consents import HASH_SQL, address_hash
from shared.utils.ids import new_id

HELD_SECONDS = 60.0  # how long an import rests when its worker died
MAX_REFUSED = 200  # lines that are named; all are counted

_SHOWN = """id, channel_id, state, total, done, added, updated, refused, refused_count, error_code,
       created_at, updated_at"""
_ADD = """
INSERT INTO app.contact_imports (creator_id, id, channel_id, data, total, actor)
VALUES ($1, $2, $3, $4, $5, $6)
"""
_GET = f"SELECT {_SHOWN} FROM app.contact_imports WHERE creator_id = $1 AND id = $2"  # noqa: S608
_NEWEST = f"""
SELECT {_SHOWN} FROM app.contact_imports
WHERE creator_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3
"""  # noqa: S608 - constants only
_TAKE = """
UPDATE app.contact_imports
SET state = 'running', due_at = now() + make_interval(secs => $3), updated_at = now()
WHERE creator_id = $1 AND id = $2 AND state IN ('waiting', 'running')
  AND (due_at <= now() OR state = 'waiting')
RETURNING channel_id, data, done, actor, created_at
"""
_STANDS = """
SELECT state = 'running' AND done = $3 FROM app.contact_imports
WHERE creator_id = $1 AND id = $2 FOR UPDATE
"""
_MOVE = """
UPDATE app.contact_imports
SET done = done + $3, added = added + $4, updated = updated + $5,
    refused_count = refused_count + $6,
    refused = CASE WHEN jsonb_array_length(refused) < $8 THEN refused || $7 ELSE refused END,
    due_at = now() + make_interval(secs => $9), updated_at = now()
WHERE creator_id = $1 AND id = $2
"""
_END = """
UPDATE app.contact_imports
SET state = $3, error_code = $4, data = NULL, updated_at = now()
WHERE creator_id = $1 AND id = $2 AND state IN ('waiting', 'running')
"""
_RELEASE = """
UPDATE app.contact_imports SET due_at = now(), updated_at = now()
WHERE creator_id = $1 AND id = $2 AND state = 'running'
"""

# The lock that a first message takes too, in one order everywhere.
_LOCK = """
SELECT pg_advisory_xact_lock(k) FROM (
  SELECT hashtextextended($1::text || ':' || a, 0) AS k
  FROM unnest($2::text[]) AS a ORDER BY k OFFSET 0) locks
"""
_KNOWN = """
SELECT address, contact_id FROM app.contact_identities
WHERE creator_id = $1 AND channel_id = $2 AND address = ANY ($3::text[])
"""
_ADD_CONTACTS = """
INSERT INTO app.contacts (creator_id, id, name, locale, timezone, tags, attributes)
SELECT $1, r.id, r.name, r.locale, r.timezone,
       ARRAY(SELECT jsonb_array_elements_text(r.facts -> 'tags')), r.facts -> 'attributes'
FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::jsonb[])
  AS r (id, name, locale, timezone, facts)
"""
# Who opted out stays out, should they come again.
_ADD_IDENTITIES = f"""
INSERT INTO app.contact_identities (creator_id, id, contact_id, channel_id, address, opted_out_at)
SELECT $1, i.id, i.contact_id, $2, i.address, (
  SELECT now() FROM app.opt_outs o
  WHERE o.creator_id = $1 AND o.scope = c.type || '/' || c.bot AND o.purpose = '*'
    AND o.address_hash = {HASH_SQL})
FROM app.channels c, (
  SELECT $1::uuid AS creator_id, r.* FROM unnest($3::uuid[], $4::uuid[], $5::text[])
    AS r (id, contact_id, address)) i
WHERE c.creator_id = $1 AND c.id = $2
"""  # noqa: S608 - constants only
# What a person, a coach or the person's own command has set is never overwritten.
_FILL_CONTACTS = """
UPDATE app.contacts c
SET name = CASE WHEN c.name = '' THEN r.name ELSE c.name END,
    locale = coalesce(c.locale, r.locale), timezone = coalesce(c.timezone, r.timezone),
    tags = ARRAY(SELECT DISTINCT tag FROM unnest(
      c.tags || ARRAY(SELECT jsonb_array_elements_text(r.facts -> 'tags'))) AS tag ORDER BY tag),
    attributes = c.attributes || (r.facts -> 'attributes'), updated_at = now()
FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::jsonb[])
  AS r (id, name, locale, timezone, facts)
WHERE c.creator_id = $1 AND c.id = r.id
"""
# What somebody has refused, or agreed to already, is left as it is.
_AGREE = """
WITH said AS (
  SELECT * FROM unnest($4::uuid[], $5::uuid[], $6::bytea[], $7::text[], $8::timestamptz[],
                       $9::jsonb[])
    AS r (event_id, contact_id, hash, purpose, at, evidence)
), new AS (
  INSERT INTO app.consents (creator_id, scope, address_hash, purpose, event_id, at)
  SELECT $1, $3, s.hash, s.purpose, s.event_id, s.at FROM said s
  WHERE NOT EXISTS (
    SELECT FROM app.opt_outs o WHERE o.creator_id = $1 AND o.scope = $3
      AND o.address_hash = s.hash AND o.purpose IN ('*', s.purpose))
  ON CONFLICT DO NOTHING RETURNING event_id
)
INSERT INTO app.consent_events (creator_id, id, contact_id, channel_id, scope, address_hash,
                                purpose, action, source, evidence, actor, at)
SELECT $1, s.event_id, s.contact_id, $2, $3, s.hash, s.purpose, 'granted', 'import',
       s.evidence, $10, s.at
FROM said s JOIN new n USING (event_id)
"""
_SCOPE = "SELECT type || '/' || bot FROM app.channels WHERE creator_id = $1 AND id = $2"
# A plan that was made while the tables were empty would read them whole for each batch.
_PLAN_ANEW = "SET LOCAL plan_cache_mode = 'force_custom_plan'"


@dataclass(frozen=True, kw_only=True)
class Work:
    """An import that this worker goes on with."""

    id: UUID
    channel_id: UUID
    data: bytes
    done: int
    actor: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Person:
    """What is written of one person; `contact_id` is theirs, new or not."""

    contact_id: UUID
    address: str
    name: str
    locale: str | None
    timezone: str | None
    tags: tuple[str, ...]
    attributes: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Agreed:
    """One purpose that the file says somebody agreed to."""

    contact_id: UUID
    address: str
    purpose: str
    at: datetime
    evidence: dict[str, Any]


# --- the import itself


async def add(
    db: PgConnection, creator_id: UUID, channel_id: UUID, data: bytes, total: int, actor: str
) -> UUID:
    import_id = new_id()
    await db.execute(_ADD, creator_id, import_id, channel_id, data, total, actor)
    return import_id


async def get(db: PgConnection, creator_id: UUID, import_id: UUID) -> Record | None:
    return await db.fetchrow(_GET, creator_id, import_id)


async def newest(
    db: PgConnection, creator_id: UUID, before: UUID | None, limit: int
) -> list[Record]:
    return list(await db.fetch(_NEWEST, creator_id, before, limit))


async def take(db: PgConnection, creator_id: UUID, import_id: UUID) -> Work | None:
    """Hold an import for a minute; None when it is done, or another worker has it."""
    row = await db.fetchrow(_TAKE, creator_id, import_id, HELD_SECONDS)
    return Work(id=import_id, **dict(row)) if row else None


async def stands_at(db: PgConnection, creator_id: UUID, import_id: UUID, done: int) -> bool:
    """Whether so many lines are done, as we think; holds the row until the batch is written."""
    await db.execute(_PLAN_ANEW)
    return bool(await db.fetchval(_STANDS, creator_id, import_id, done))


async def move(
    db: PgConnection,
    creator_id: UUID,
    import_id: UUID,
    *,
    lines: int,
    added: int,
    updated: int,
    refused: Sequence[dict[str, Any]],
) -> None:
    """Count a batch."""
    named = list(refused[:MAX_REFUSED])
    counts = (lines, added, updated, len(refused), named, MAX_REFUSED, HELD_SECONDS)
    await db.execute(_MOVE, creator_id, import_id, *counts)


async def end(db: PgConnection, creator_id: UUID, work: Work, error_code: str | None) -> None:
    state = "failed" if error_code else "done"
    await db.execute(_END, creator_id, work.id, state, error_code)


async def release(db: PgConnection, creator_id: UUID, work: Work) -> None:
    """Let another worker go on at once."""
    await db.execute(_RELEASE, creator_id, work.id)


# --- its people


async def lock(db: PgConnection, channel_id: UUID, addresses: Sequence[str]) -> None:
    """Nobody else makes contacts of these addresses until this transaction ends."""
    await db.execute(_LOCK, str(channel_id), list(addresses))


async def known(
    db: PgConnection, creator_id: UUID, channel_id: UUID, addresses: Sequence[str]
) -> dict[str, UUID]:
    """Contacts by address, of those that are there."""
    rows = await db.fetch(_KNOWN, creator_id, channel_id, list(addresses))
    return {row["address"]: row["contact_id"] for row in rows}


async def add_people(
    db: PgConnection, creator_id: UUID, channel_id: UUID, people: Sequence[Person]
) -> None:
    if not people:
        return
    await db.execute(_ADD_CONTACTS, creator_id, *_columns(people))
    ids, contacts = [new_id() for _ in people], [person.contact_id for person in people]
    addresses = [person.address for person in people]
    await db.execute(_ADD_IDENTITIES, creator_id, channel_id, ids, contacts, addresses)


async def fill_people(db: PgConnection, creator_id: UUID, people: Sequence[Person]) -> None:
    if people:
        await db.execute(_FILL_CONTACTS, creator_id, *_columns(people))


async def agree(
    db: PgConnection, creator_id: UUID, channel_id: UUID, said: Sequence[Agreed], actor: str
) -> None:
    """Note what people agreed to, as far as it is new and they have not refused it."""
    scope = await db.fetchval(_SCOPE, creator_id, channel_id)
    if not said or scope is None:
        return
    await db.execute(
        _AGREE,
        creator_id,
        channel_id,
        scope,
        [new_id() for _ in said],
        [one.contact_id for one in said],
        [address_hash(creator_id, scope, one.address) for one in said],
        [one.purpose for one in said],
        [one.at for one in said],
        [one.evidence for one in said],
        actor,
    )


def _columns(people: Sequence[Person]) -> list[list[Any]]:
    return [
        [person.contact_id for person in people],
        [person.name for person in people],
        [person.locale for person in people],
        [person.timezone for person in people],
        [{"tags": person.tags, "attributes": person.attributes} for person in people],
    ]
