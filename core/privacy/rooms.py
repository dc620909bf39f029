"""Take one person's words out of a room that others read too; the others' stay as they are."""

from typing import Protocol
from uuid import UUID

from shared.database import PgConnection
from shared.utils.ids import derived_id

PAGE = 500
NOBODY = UUID(int=0)
"""Whose a message is that belongs to nobody any more."""

_LOCK = """
UPDATE app.ai_conversations v
SET lease_owner = NULL, lease_until = NULL, epoch = epoch + 1,
    inbound_due_at = CASE WHEN lease_owner IS NULL THEN inbound_due_at
                     ELSE coalesce(inbound_due_at, now()) END,
    address = CASE WHEN address ->> 'person' = ANY ($3::text[])
              THEN jsonb_set(address, '{person}', 'null') ELSE address END
WHERE creator_id = $1 AND id = $2 RETURNING contact_id
"""
# What they wrote, what was answered to them, what was posted because of them, what names them.
_BLANK = """
WITH page AS (
  SELECT m.id, m.seq, m.channel_id, m.external_id,
    m.contact_id = ANY ($3::uuid[]) AS is_theirs,
    m.contact_id = ANY ($3::uuid[]) AND m.kind <> 'post'
    OR m.direction = 'out' AND (
      EXISTS (SELECT FROM app.messages o WHERE o.creator_id = $1 AND o.id = m.in_reply_to
              AND o.contact_id = ANY ($3::uuid[]))
      OR EXISTS (SELECT FROM unnest($4::text[]) AS n (needle)
                 WHERE strpos(m.text, needle) > 0 OR strpos(m.payload::text, needle) > 0)
    ) AS is_blanked
  FROM app.messages m
  WHERE m.creator_id = $1 AND m.conversation_id = $2 AND m.seq > $5 ORDER BY m.seq LIMIT $6
), blanked AS (
  UPDATE app.messages m
  SET text = '', payload = '{"erased": true}', external_id = NULL, provider_ids = '{}',
      error_code = NULL, contact_id = $7,
      status = CASE status WHEN 'pending' THEN 'ignored' WHEN 'queued' THEN 'canceled'
               ELSE status END
  FROM page p WHERE m.creator_id = $1 AND m.id = p.id AND p.is_blanked RETURNING m.id
), let_go AS (
  UPDATE app.messages m SET contact_id = $7
  FROM page p WHERE m.creator_id = $1 AND m.id = p.id AND p.is_theirs AND NOT p.is_blanked
), unheard AS (
  DELETE FROM app.accepted_events e USING page p
  WHERE e.creator_id = $1 AND e.channel_id = p.channel_id AND e.external_id = p.external_id
    AND p.is_blanked AND e.accepted_at < now() - interval '48 hours'
), half_heard AS (
  UPDATE app.accepted_events e SET message_id = NULL, digest = NULL FROM page p
  WHERE e.creator_id = $1 AND e.channel_id = p.channel_id AND e.external_id = p.external_id
    AND p.is_blanked AND e.accepted_at >= now() - interval '48 hours'
), unsent AS (
  DELETE FROM app.send_attempts a USING page p
  WHERE a.creator_id = $1 AND a.message_id = p.id AND p.is_blanked
)
SELECT max(seq) AS last, count(*) AS seen, (SELECT count(*) FROM blanked) AS blanked FROM page
"""
_OTHER = """
SELECT w.contact_id FROM (
  SELECT m.contact_id FROM app.messages m WHERE m.creator_id = $1 AND m.conversation_id = $2
  UNION ALL
  SELECT o.contact_id FROM app.messages m
  JOIN app.messages o ON o.creator_id = $1 AND o.id = m.in_reply_to
  WHERE m.creator_id = $1 AND m.conversation_id = $2) w
JOIN app.contacts c ON c.creator_id = $1 AND c.id = w.contact_id
WHERE NOT w.contact_id = ANY ($3::uuid[]) LIMIT 1
"""
_IS_ANYTHING_LEFT = """
SELECT EXISTS (SELECT FROM app.messages WHERE creator_id = $1 AND conversation_id = $2
               AND NOT payload ? 'erased')
"""
_KEEPER = "INSERT INTO app.contacts (creator_id, id) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_GIVE = "UPDATE app.ai_conversations SET contact_id = $3 WHERE creator_id = $1 AND id = $2"
_DROP = "DELETE FROM app.ai_conversations WHERE creator_id = $1 AND id = $2"
# An open form is the person's who fills it in.
_FORGET_FORM = """
DELETE FROM app.user_sessions s
WHERE s.creator_id = $1 AND s.conversation_id = $2
  AND EXISTS (SELECT FROM unnest($3::text[]) AS n (needle) WHERE strpos(s.state::text, needle) > 0)
"""


class Known(Protocol):
    """By what a person is known in texts and addresses."""

    @property
    def needles(self) -> list[str]: ...

    @property
    def addresses(self) -> list[str]: ...


async def blank(
    db: PgConnection,
    creator_id: UUID,
    conversation_id: UUID,
    people: list[UUID],
    known: "Known",
    *,
    after: int,
) -> tuple[int, int | None]:
    """(how many messages lost their words, where to go on; None: the room is through)."""
    await db.fetchval(_LOCK, creator_id, conversation_id, known.addresses)
    row = await db.fetchrow(
        _BLANK, creator_id, conversation_id, people, known.needles, after, PAGE, NOBODY
    )
    assert row is not None  # noqa: S101 - an aggregate gives one row
    return row["blanked"], row["last"] if row["seen"] == PAGE else None


async def hand_over(
    db: PgConnection, creator_id: UUID, conversation_id: UUID, people: list[UUID], words: list[str]
) -> None:
    """Let a room that began with this person belong to somebody else in it.

    Where nobody else is known, but something is left, to a contact without a name.
    """
    await db.execute(_FORGET_FORM, creator_id, conversation_id, words)
    owner = await db.fetchval(
        "SELECT contact_id FROM app.ai_conversations WHERE creator_id = $1 AND id = $2",
        creator_id,
        conversation_id,
    )
    if owner not in people:
        return
    other = await db.fetchval(_OTHER, creator_id, conversation_id, people)
    if other is None and not await db.fetchval(_IS_ANYTHING_LEFT, creator_id, conversation_id):
        await db.execute(_DROP, creator_id, conversation_id)
        return
    if other is None:
        other = derived_id(conversation_id, "keeper")
        await db.execute(_KEEPER, creator_id, other)
    await db.execute(_GIVE, creator_id, conversation_id, other)
