"""Which contacts are one person, and the conversations that hold something of theirs."""

from dataclasses import dataclass
from uuid import UUID

from core.privacy.inventory import PRIVATE, SEVERED
from shared.database import PgConnection
from shared.errors import Conflict, NotFound

# Rooms that are looked through in one step: a statement has its time limit.
ROOMS = 20

# A contact whose identity moved to this one keeps what was said before: it is the same person's.
_PEOPLE = """
WITH RECURSIVE people AS (
  SELECT id FROM app.contacts WHERE creator_id = $1 AND id = $2
  UNION
  SELECT l.from_contact FROM people p JOIN app.contact_links l
    ON l.creator_id = $1 AND l.to_contact = p.id AND l.undone_at IS NULL
)
SELECT id FROM people ORDER BY id
"""
_MOVED_TO = """
SELECT to_contact FROM app.contact_links
WHERE creator_id = $1 AND from_contact = $2 AND undone_at IS NULL LIMIT 1
"""
_OWN = f"""
SELECT v.id FROM app.ai_conversations v
WHERE v.creator_id = $1 AND v.contact_id = ANY ($2::uuid[]) AND ({PRIVATE} OR {SEVERED})
ORDER BY v.id
"""  # noqa: S608 - constants of ours
_ROOMS = f"""
SELECT v.id, v.contact_id = ANY ($2::uuid[]) OR EXISTS (
  SELECT FROM app.messages m WHERE m.creator_id = $1 AND m.conversation_id = v.id
    AND (m.contact_id = ANY ($2::uuid[]) OR m.direction = 'out' AND (
      EXISTS (SELECT FROM unnest($3::text[]) AS n (needle)
              WHERE strpos(m.text, needle) > 0 OR strpos(m.payload::text, needle) > 0)
      OR m.kind = 'post' AND EXISTS (
        SELECT FROM app.messages o WHERE o.creator_id = $1 AND o.id = m.in_reply_to
          AND o.contact_id = ANY ($2::uuid[]))))
) AS holds
FROM (
  SELECT v.* FROM app.ai_conversations v
  WHERE v.creator_id = $1 AND v.id > $4 AND NOT coalesce({PRIVATE} OR {SEVERED}, false)
  ORDER BY v.id LIMIT $5) v
ORDER BY v.id
"""  # noqa: S608 - constants of ours


class ContactLinked(Conflict):
    """This contact was linked to another; ask for that one, which includes this."""

    code = "contact_linked"


@dataclass(frozen=True, kw_only=True)
class Rooms:
    """Of the rooms looked through, those that hold something; None: there are no more."""

    ids: tuple[UUID, ...]
    after: UUID | None


async def people_of(db: PgConnection, creator_id: UUID, contact_id: UUID) -> list[UUID]:
    """The contact and those that were linked to it. Empty when it isn't there."""
    rows = await db.fetch(_PEOPLE, creator_id, contact_id)
    return [row["id"] for row in rows]


async def require_person(db: PgConnection, creator_id: UUID, contact_id: UUID) -> None:
    """Raises NotFound, and ContactLinked for a contact that is part of another by now."""
    if not await people_of(db, creator_id, contact_id):
        raise NotFound
    moved_to = await db.fetchval(_MOVED_TO, creator_id, contact_id)
    if moved_to is not None:
        raise ContactLinked(f"this contact was linked to {moved_to}; ask for that one")


async def own_conversations(db: PgConnection, creator_id: UUID, people: list[UUID]) -> list[UUID]:
    """Conversations that only this person reads."""
    rows = await db.fetch(_OWN, creator_id, people)
    return [row["id"] for row in rows]


async def find_rooms(
    db: PgConnection,
    creator_id: UUID,
    people: list[UUID],
    after: UUID,
    needles: list[str],
) -> Rooms:
    """Rooms after this id where they wrote, were answered, or are named by what we wrote."""
    rows = await db.fetch(_ROOMS, creator_id, people, needles, after, ROOMS)
    last = rows[-1]["id"] if len(rows) == ROOMS else None
    return Rooms(ids=tuple(row["id"] for row in rows if row["holds"]), after=last)
