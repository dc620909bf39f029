"""Write what became of a batch of sends: messages in their conversations, and the sends settled.

Each is one statement for the whole batch. A conversation that a turn or an inbound message holds
is not waited for; its send stays as it is until the next tick.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from core.dialogue.memory import USAGE_SHARDS
from core.programs.sends.gates import Place
from shared.database import PgConnection
from shared.messages import Message
from shared.utils.ids import derived_id, new_id

State = Literal["waiting", "claimed", "sent", "skipped", "expired"]

# In one order everywhere; whoever begins the same one by a message of their own goes first.
_ADD_CONVERSATIONS = """
INSERT INTO app.ai_conversations (creator_id, id, channel_id, contact_id, key, address)
SELECT $1, n.* FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::jsonb[])
  AS n (id, channel_id, contact_id, key, address)
ORDER BY n.channel_id, n.key
ON CONFLICT (creator_id, channel_id, key) DO NOTHING RETURNING channel_id, contact_id, id
"""
_HOLD_CONVERSATIONS = """
SELECT id FROM app.ai_conversations WHERE creator_id = $1 AND id = ANY ($2)
ORDER BY id FOR UPDATE SKIP LOCKED
"""
# Schedulers of a creator come one after another, so their share of the counters is their own: a
# turn that holds another one never waits for us, nor we for it.
_SAY = """
WITH said AS (
  SELECT * FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::jsonb[],
                       $8::text[], $9::boolean[])
    AS s (id, conversation_id, channel_id, contact_id, text, payload, key, push)
), numbered AS (
  UPDATE app.ai_conversations v
  SET last_seq = last_seq + 1, last_message_at = now(),
      outbound_due_at = CASE WHEN s.push THEN coalesce(outbound_due_at, now())
                             ELSE outbound_due_at END,
      outbound_hinted_at = CASE WHEN s.push THEN now() ELSE outbound_hinted_at END
  FROM said s WHERE v.creator_id = $1 AND v.id = s.conversation_id
  RETURNING v.id, v.last_seq
), counted AS (
  INSERT INTO app.usage_counters (creator_id, day, metric, shard, value)
  SELECT $1, $11::date, metric, $10, cardinality($2)
  FROM unnest(ARRAY['messages_out', 'sends']) AS metric
  ON CONFLICT (creator_id, day, metric, shard)
    DO UPDATE SET value = usage_counters.value + excluded.value
)
INSERT INTO app.messages (creator_id, id, conversation_id, channel_id, contact_id, seq, direction,
  kind, author, text, payload, status, idempotency_key, sent_at)
SELECT $1, s.id, s.conversation_id, s.channel_id, s.contact_id, n.last_seq, 'out', 'program', 'bot',
       s.text, s.payload, CASE WHEN s.push THEN 'queued' ELSE 'sent' END, s.key,
       CASE WHEN NOT s.push THEN now() END
FROM said s JOIN numbered n ON n.id = s.conversation_id
"""
# Without text: what is said is found by the turn, and nobody has said anything yet.
_ASK_TURNS = """
WITH asked AS (
  SELECT * FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[])
    AS s (id, conversation_id, channel_id, contact_id, send_id)
), numbered AS (
  UPDATE app.ai_conversations v
  SET last_seq = last_seq + 1, inbound_due_at = coalesce(inbound_due_at, now()),
      inbound_hinted_at = now()
  FROM asked s WHERE v.creator_id = $1 AND v.id = s.conversation_id
  RETURNING v.id, v.last_seq
)
INSERT INTO app.messages (creator_id, id, conversation_id, channel_id, contact_id, seq, direction,
  kind, author, text, payload, status)
SELECT $1, s.id, s.conversation_id, s.channel_id, s.contact_id, n.last_seq, 'in', 'due', 'bot', '',
       jsonb_build_object('send_id', s.send_id), 'pending'
FROM asked s JOIN numbered n ON n.id = s.conversation_id
"""
_SETTLE = """
UPDATE app.scheduled_sends s
SET state = n.state, skip_reason = CASE WHEN n.state <> 'waiting' THEN n.reason END,
    defer_reason = CASE WHEN n.state = 'waiting' THEN n.reason ELSE s.defer_reason END,
    deferrals = s.deferrals + CASE WHEN n.state = 'waiting' THEN 1 ELSE 0 END,
    due_at = coalesce(n.until, s.due_at), channel_id = coalesce(n.channel_id, s.channel_id),
    message_id = n.message_id, answer_until = n.answer_until,
    settled_at = CASE WHEN n.state <> 'waiting' THEN $10::timestamptz END
FROM unnest($2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::uuid[], $7::uuid[],
            $8::timestamptz[])
  AS n (id, state, reason, until, channel_id, message_id, answer_until)
WHERE s.creator_id = $1 AND s.id = n.id AND s.state = ANY ($9)
RETURNING s.id
"""
_MISS = """
UPDATE app.scheduled_sends SET missed_at = $3 WHERE creator_id = $1 AND id = ANY ($2)
"""


@dataclass(frozen=True, kw_only=True)
class Said:
    """A message of a send, ready for its conversation. `push`: a worker delivers it."""

    send_id: UUID
    conversation_id: UUID
    channel_id: UUID
    contact_id: UUID
    message: Message
    push: bool
    expires_at: datetime | None = None
    deferrals: int = 0

    @property
    def id(self) -> UUID:
        return message_id(self.send_id)

    @property
    def due_id(self) -> UUID:
        return due_id(self.send_id, self.deferrals)

    @property
    def payload(self) -> dict[str, Any]:
        kept = self.message.model_dump(mode="json", exclude={"text"}) | {
            "send_id": str(self.send_id)
        }
        return kept | ({"expires_at": self.expires_at.isoformat()} if self.expires_at else {})


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What a send is from now on. `until` of one that goes on waiting."""

    send_id: UUID
    state: State
    reason: str | None = None
    until: datetime | None = None
    channel_id: UUID | None = None
    message_id: UUID | None = None
    answer_until: datetime | None = None


def message_id(send_id: UUID) -> UUID:
    """Of what a send says: the same however often it is tried."""
    return derived_id(send_id, "send")


def due_id(send_id: UUID, deferrals: int) -> UUID:
    """Of the row that asks for a turn: another one after the turn put it off."""
    return derived_id(send_id, f"due:{deferrals}")


async def open_conversations(
    connection: PgConnection, creator_id: UUID, places: Iterable[tuple[UUID, Place]]
) -> dict[UUID, UUID]:
    """By contact: new conversations with those (contact, place) who never wrote."""
    rows = [(new_id(), p.channel_id, contact, p.key, p.to) for contact, p in places if p.to]
    if not rows:
        return {}
    ids, channels, contacts, keys, addresses = zip(*rows, strict=True)
    added = await connection.fetch(
        _ADD_CONVERSATIONS,
        creator_id,
        list(ids),
        list(channels),
        list(contacts),
        list(keys),
        [address.model_dump() for address in addresses],
    )
    return {row["contact_id"]: row["id"] for row in added}


async def hold_conversations(
    connection: PgConnection, creator_id: UUID, ids: Iterable[UUID]
) -> frozenset[UUID]:
    """Those of these conversations that nobody else is writing in at this moment."""
    rows = await connection.fetch(_HOLD_CONVERSATIONS, creator_id, list(ids))
    return frozenset(row["id"] for row in rows)


async def say(
    connection: PgConnection, creator_id: UUID, said: Sequence[Said], now: datetime
) -> None:
    """Put the messages into their conversations, which are held; one each."""
    if said:
        await connection.execute(
            _SAY,
            creator_id,
            *_addressed(said, [one.id for one in said]),
            [one.message.text for one in said],
            [one.payload for one in said],
            [f"send:{one.send_id}" for one in said],
            [one.push for one in said],
            USAGE_SHARDS,
            now.date(),
        )


async def ask_turns(connection: PgConnection, creator_id: UUID, asked: Sequence[Said]) -> None:
    """Let each conversation take a turn that finds the words."""
    if asked:
        await connection.execute(
            _ASK_TURNS,
            creator_id,
            *_addressed(asked, [one.due_id for one in asked]),
            [one.send_id for one in asked],
        )


def _addressed(said: Sequence[Said], ids: list[UUID]) -> tuple[list[UUID], ...]:
    conversations = [one.conversation_id for one in said]
    channels = [one.channel_id for one in said]
    return ids, conversations, channels, [one.contact_id for one in said]


async def settle(
    connection: PgConnection,
    creator_id: UUID,
    settled: Sequence[Settled],
    now: datetime,
    *,
    states: tuple[str, ...] = ("waiting",),
) -> frozenset[UUID]:
    """Write what the sends are now; those that were in one of `states` until now."""
    if not settled:
        return frozenset()
    rows = await connection.fetch(
        _SETTLE,
        creator_id,
        [one.send_id for one in settled],
        [one.state for one in settled],
        [one.reason for one in settled],
        [one.until for one in settled],
        [one.channel_id for one in settled],
        [one.message_id for one in settled],
        [one.answer_until for one in settled],
        list(states),
        now,
    )
    return frozenset(row["id"] for row in rows)


async def miss(
    connection: PgConnection, creator_id: UUID, send_ids: Sequence[UUID], now: datetime
) -> None:
    """Remember that programs know of these questions that nobody answered."""
    if send_ids:
        await connection.execute(_MISS, creator_id, list(send_ids), now)
