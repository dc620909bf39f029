"""The repository of send attempts: each is written before its part leaves, and settled once.

Whoever settles locks the conversation first, then a platform's name for a part, then the message.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core.leases import Lease
from core.sending import Delivery
from shared.database import PgConnection

MAX_ATTEMPTS = 12

# What is next in a conversation; for one found in `sending`, the attempt nobody has settled.
_NEXT = """
SELECT m.id, m.channel_id, m.text, m.payload, m.status, m.error_code, m.parts_sent, m.attempts,
       v.address, h.type AS channel_type, h.status AS channel_status, h.blocked_until,
       coalesce(i.reachable, 'yes') AS reachable, s.external_id AS stream,
       -- what we start by ourselves, and a coach as long as the person hasn't written again
       i.opted_out_at IS NOT NULL AND (m.kind IN ('post', 'program')
         OR m.author = 'coach' AND NOT EXISTS (
         SELECT FROM app.messages w WHERE w.creator_id = m.creator_id AND w.direction = 'in'
           AND w.conversation_id = m.conversation_id AND w.seq > m.seq - 100
           AND w.created_at > i.opted_out_at)) AS unwanted,
       a.id AS attempt_id, a.started_at, a.finished_at, clock_timestamp() AS now
FROM app.messages m
JOIN app.ai_conversations v ON v.creator_id = m.creator_id AND v.id = m.conversation_id
JOIN app.channels h ON h.creator_id = m.creator_id AND h.id = m.channel_id
LEFT JOIN app.contact_identities i ON i.creator_id = m.creator_id AND i.channel_id = m.channel_id
  AND i.address = v.address ->> 'person'
  AND (i.address = v.address ->> 'chat' OR (v.address ->> 'direct')::boolean)
LEFT JOIN app.reply_streams s ON s.creator_id = m.creator_id AND s.message_id = m.id
LEFT JOIN LATERAL (
  SELECT id, started_at, finished_at FROM app.send_attempts
  WHERE m.status = 'sending' AND creator_id = m.creator_id AND message_id = m.id
    AND outcome IS NULL
  ORDER BY started_at DESC LIMIT 1) a ON true
WHERE m.creator_id = $1 AND m.conversation_id = $2 AND m.direction = 'out'
  AND m.status IN ('queued', 'sending')
ORDER BY m.seq LIMIT 1
"""
# One statement: only while we hold the lease, and only what was read is still so.
_BEGIN = """
WITH held AS MATERIALIZED (
  SELECT 1 FROM app.ai_conversations
  WHERE creator_id = $1 AND id = $2 AND delivery_owner = $3 AND delivery_epoch = $4 FOR UPDATE
), begun AS (
  UPDATE app.messages SET status = 'sending', attempts = attempts + 1, error_code = NULL
  WHERE creator_id = $1 AND id = $7 AND status = 'queued' AND parts_sent = $8
    AND EXISTS (SELECT FROM held)
    AND NOT EXISTS (
      SELECT FROM app.channels WHERE creator_id = $1 AND id = $6
        AND (status <> 'active' OR blocked_until > clock_timestamp()))
  RETURNING id
)
INSERT INTO app.send_attempts (creator_id, id, channel_id, message_id, part, parts)
SELECT $1, $5, $6, id, $8, $9 FROM begun RETURNING id
"""
# Of an attempt whose commit went unheard: nobody else ended it, and nothing was begun after it.
_TAKE_BACK = """
WITH attempt AS (
  UPDATE app.send_attempts SET finished_at = coalesce(finished_at, now()),
      outcome = 'retry', error_code = 'not_begun'
  WHERE creator_id = $1 AND id = $2 AND (outcome IS NULL OR outcome = 'unknown')
  RETURNING message_id, started_at
)
UPDATE app.messages m SET status = 'queued', error_code = NULL FROM attempt
WHERE m.creator_id = $1 AND m.id = attempt.message_id AND m.status IN ('sending', 'uncertain')
  AND NOT EXISTS (
    SELECT FROM app.send_attempts later
    WHERE later.creator_id = $1 AND later.message_id = m.id
      AND later.started_at > attempt.started_at)
  AND NOT EXISTS (
    SELECT FROM app.messages later
    WHERE later.creator_id = $1 AND later.conversation_id = m.conversation_id
      AND later.direction = 'out' AND later.seq > m.seq AND later.status <> 'queued')
"""
# Locks the row also when the lease is another's; names of parts so that no receipt is overlooked.
_LOCK = """
WITH conversation AS MATERIALIZED (
  SELECT delivery_owner, delivery_epoch FROM app.ai_conversations
  WHERE creator_id = $1 AND id = $2 FOR UPDATE
)
SELECT delivery_owner = $3 AND delivery_epoch = $4 AS held,
       (SELECT count(pg_advisory_xact_lock(hashtextextended(name, 0)))
        FROM unnest($5::text[]) AS name) AS names
FROM conversation
"""
# The parts known to be out before the first gap: the next to send, this one (part $6) included.
_REACHED = """
SELECT count(*) FROM (
  SELECT part, row_number() OVER (ORDER BY part) - 1 AS place FROM (
    SELECT part FROM app.send_attempts
    WHERE creator_id = $1 AND message_id = $3 AND outcome = 'sent'
      AND coalesce(state, 'sent') NOT IN ('failed', 'undelivered', 'canceled')
    UNION SELECT $6::smallint) known) run
WHERE part = place
"""
# Repeated, it changes nothing: the next part may be on its way by then.
_SENT = f"""
WITH attempt AS (
  UPDATE app.send_attempts
  SET finished_at = coalesce(finished_at, now()),
      outcome = 'sent', error_code = NULL, provider_id = $4
  WHERE creator_id = $1 AND id = $2
), early AS (
  DELETE FROM app.early_receipts
  WHERE creator_id = $1 AND channel_id = $8 AND provider_id = ANY ($5)
  RETURNING provider_id, state, error_code
), stream AS (
  DELETE FROM app.reply_streams WHERE creator_id = $1 AND message_id = $3
), reached AS (
  SELECT m.parts_sent = $6 AS is_news,
         CASE WHEN m.parts_sent <> $6 THEN m.parts_sent
              WHEN $7::int = 1 THEN 1
              ELSE greatest($6 + 1, ({_REACHED})) END AS parts
  FROM app.messages m WHERE m.creator_id = $1 AND m.id = $3
), message AS (
  UPDATE app.messages m
  SET parts_sent = r.parts,
      provider_ids = CASE WHEN provider_ids @> $5 THEN provider_ids ELSE provider_ids || $5 END,
      attempts = CASE WHEN r.is_news THEN 0 ELSE attempts END,
      error_code = CASE WHEN r.is_news THEN NULL ELSE error_code END,
      status = CASE WHEN NOT r.is_news THEN status WHEN r.parts >= $7 THEN 'sent'
               ELSE 'queued' END,
      sent_at = CASE WHEN r.is_news AND r.parts >= $7 THEN now() ELSE sent_at END
  FROM reached r
  WHERE m.creator_id = $1 AND m.id = $3
    AND status IN ('sending', 'uncertain', 'queued', 'failed')
)
SELECT provider_id, state, error_code FROM early
"""  # noqa: S608 - constants only
# What is left after a part was settled by somebody who may not go on: others must see it.
_KEEP_DUE = """
UPDATE app.ai_conversations SET outbound_due_at = coalesce(outbound_due_at, now())
WHERE creator_id = $1 AND id = $2
"""
# An attempt that a receipt has settled meanwhile stays settled.
_END = """
WITH attempt AS (
  UPDATE app.send_attempts SET finished_at = coalesce(finished_at, now()),
      outcome = $4, error_code = $5
  WHERE creator_id = $1 AND id = $2 AND outcome IS NULL RETURNING id
), stream AS (
  DELETE FROM app.reply_streams
  WHERE creator_id = $1 AND message_id = $6 AND ($7 OR $3 <> 'queued')
    AND EXISTS (SELECT FROM attempt)
)
UPDATE app.messages SET status = $3, error_code = $5
WHERE creator_id = $1 AND id = $6 AND status = 'sending' AND EXISTS (SELECT FROM attempt)
"""
# Of a message that has no open attempt: it was never begun, or its attempt was lost.
_REFUSE = """
WITH stream AS (DELETE FROM app.reply_streams WHERE creator_id = $1 AND message_id = $2)
UPDATE app.messages SET status = $3, error_code = $4
WHERE creator_id = $1 AND id = $2 AND status IN ('queued', 'sending')
"""
# Proved unsent: it goes again, unless that was so too often.
_UNSENT = """
WITH attempt AS (
  UPDATE app.send_attempts SET finished_at = coalesce(finished_at, now()),
      outcome = 'retry', error_code = 'not_found'
  WHERE creator_id = $1 AND id = $2 AND outcome IS NULL RETURNING message_id, part
), tried AS (
  SELECT count(*) AS times FROM app.send_attempts s JOIN attempt a
    ON s.message_id = a.message_id AND s.part = a.part WHERE s.creator_id = $1
)
UPDATE app.messages m
SET status = CASE WHEN times < $3 THEN 'queued' ELSE 'failed' END, attempts = times,
    error_code = 'not_found'
FROM tried
WHERE m.creator_id = $1 AND m.id = (SELECT message_id FROM attempt) AND m.status = 'sending'
"""
# It goes on at the first part not known to be out; those known to be out after it stay out.
_REQUEUE = """
UPDATE app.messages
SET status = 'queued', attempts = 0, error_code = NULL, parts_sent = (
  SELECT count(*) FROM (
    SELECT part, row_number() OVER (ORDER BY part) - 1 AS place FROM (
      SELECT DISTINCT part FROM app.send_attempts
      WHERE creator_id = $1 AND message_id = $2 AND outcome = 'sent'
        AND coalesce(state, 'sent') NOT IN ('failed', 'undelivered', 'canceled')) known) run
  WHERE part = place)
WHERE creator_id = $1 AND id = $2 AND direction = 'out'
  AND status IN ('uncertain', 'failed', 'undelivered')
RETURNING conversation_id
"""
_CLAIMED = """
SELECT EXISTS (
  SELECT FROM app.send_attempts
  WHERE creator_id = $1 AND channel_id = $2 AND provider_id = ANY ($3) AND id <> $4)
"""
# The call is over, which says how long the platform has had for it; the outcome stays open.
_ASKED = """
WITH attempt AS (
  UPDATE app.send_attempts SET finished_at = coalesce(finished_at, now()), error_code = $4
  WHERE creator_id = $1 AND id = $3 AND outcome IS NULL RETURNING id
)
UPDATE app.messages SET error_code = $4, attempts = attempts + 1
WHERE creator_id = $1 AND id = $2 AND status = 'sending' AND EXISTS (SELECT FROM attempt)
"""
_ALL_OUT = """
UPDATE app.messages SET status = 'sent', error_code = NULL, sent_at = coalesce(sent_at, now())
WHERE creator_id = $1 AND id = $2 AND status = 'queued'
"""


@dataclass(frozen=True, kw_only=True)
class EarlyReceipt:
    """A platform's report that came before we had written what the part is called."""

    provider_id: str
    state: str
    error_code: str | None


async def requeue(connection: PgConnection, creator_id: UUID, message_id: UUID) -> UUID | None:
    """Have an uncertain or failed message sent again; its conversation, None for any other."""
    conversation_id: UUID | None = await connection.fetchval(_REQUEUE, creator_id, message_id)
    return conversation_id


async def is_claimed(
    connection: PgConnection, delivery: Delivery, creator_id: UUID, provider_ids: Sequence[str]
) -> bool:
    """Whether another attempt has one of these names: of two like texts, that is the other one."""
    where = (creator_id, delivery.channel_id, list(provider_ids), delivery.attempt_id)
    return bool(await connection.fetchval(_CLAIMED, *where))


async def next_row(connection: PgConnection, lease: Lease) -> Any:
    """The first message of the conversation that is not out; None when all are."""
    return await connection.fetchrow(_NEXT, lease.creator_id, lease.conversation_id)


async def begin(connection: PgConnection, lease: Lease, delivery: Delivery, parts: int) -> bool:
    """Write an attempt ahead of its send. False, and nothing written, when it may not be sent:
    the lease is lost, the channel wants a pause, or the message was settled meanwhile."""
    begun = await connection.fetchval(
        _BEGIN,
        lease.creator_id,
        lease.conversation_id,
        lease.owner,
        lease.epoch,
        delivery.attempt_id,
        delivery.channel_id,
        delivery.message_id,
        delivery.part,
        parts,
    )
    return begun is not None


async def take_back(connection: PgConnection, lease: Lease, attempt_id: UUID) -> None:
    """Undo `begin` of an attempt that nobody sent, unless others have gone on since."""
    await keep_due(connection, lease.creator_id, lease.conversation_id)
    await connection.execute(_TAKE_BACK, lease.creator_id, attempt_id)


async def lock(connection: PgConnection, lease: Lease, names: Sequence[str] = ()) -> bool:
    """Lock the conversation, and the platform's names for its parts; whether we hold the lease."""
    row = await connection.fetchrow(
        _LOCK,
        lease.creator_id,
        lease.conversation_id,
        lease.owner,
        lease.epoch,
        [name_lock(lease.creator_id, name) for name in names],
    )
    return row is not None and bool(row["held"])


def name_lock(creator_id: UUID, name: str) -> str:
    """What is locked while a part gets its name, or a receipt looks for one."""
    return f"{creator_id}:{name}"


async def sent(
    connection: PgConnection,
    creator_id: UUID,
    *,
    channel_id: UUID,
    message_id: UUID,
    attempt_id: UUID,
    part: int,
    parts: int,
    provider_ids: Sequence[str],
) -> list[EarlyReceipt]:
    """A part is out. Returns the reports of it that came before; needs no lease, only the lock."""
    ids = list(provider_ids)
    name = ids[0] if ids else None
    rows = await connection.fetch(
        _SENT, creator_id, attempt_id, message_id, name, ids, part, parts, channel_id
    )
    return [EarlyReceipt(**dict(row)) for row in rows]


async def keep_due(connection: PgConnection, creator_id: UUID, conversation_id: UUID) -> None:
    """See that what is left in a conversation is sent. Without effect while somebody is at it."""
    await connection.execute(_KEEP_DUE, creator_id, conversation_id)


async def end(
    connection: PgConnection,
    creator_id: UUID,
    delivery: Delivery,
    status: str,
    outcome: str,
    code: str,
    *,
    drop_stream: bool = False,
) -> None:
    """Settle an attempt that sent nothing, or nobody knows; it stays when a receipt did."""
    await connection.execute(
        _END,
        creator_id,
        delivery.attempt_id,
        status,
        outcome,
        code,
        delivery.message_id,
        drop_stream,
    )


async def refuse(
    connection: PgConnection, creator_id: UUID, message_id: UUID, status: str, code: str
) -> None:
    """Settle a message without a send."""
    await connection.execute(_REFUSE, creator_id, message_id, status, code)


async def unsent(connection: PgConnection, creator_id: UUID, attempt_id: UUID) -> None:
    """The platform hasn't got it: it goes again, or fails when that was so MAX_ATTEMPTS times."""
    await connection.execute(_UNSENT, creator_id, attempt_id, MAX_ATTEMPTS)


async def ask_later(
    connection: PgConnection, creator_id: UUID, delivery: Delivery, code: str
) -> None:
    """Nobody knows its outcome yet; `code` says why. The platform is asked, or asked again."""
    await connection.execute(_ASKED, creator_id, delivery.message_id, delivery.attempt_id, code)


async def all_out(connection: PgConnection, creator_id: UUID, message_id: UUID) -> None:
    """Every part was out already, as a receipt told."""
    await connection.execute(_ALL_OUT, creator_id, message_id)
