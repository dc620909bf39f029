"""What a turn knows and what it leaves behind: recall before thinking, record after it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from core import leases
from core.bots import Post
from core.channels import Sender
from core.contacts import introduce
from core.dialogue import posts, records
from core.dialogue.choosing import Offer
from core.leases import Lease, LeaseLost
from core.policies import Handoff, Quotas
from core.programs.check_ins.asked import Asked, read_asked
from core.usage import read_quotas
from shared.database import PgConnection, Record
from shared.messages import Choice, Message
from shared.utils.ids import derived_id
from shared.utils.merge import rebased

Effect = Callable[[PgConnection], Awaitable[None]]
"""A change that a command makes when its turn is committed, in the same transaction."""

HISTORY_MESSAGES = 8
OFFER_HOURS = 12  # how long a number is read back as a choice
NO_POLICY = Handoff()
MOST_OPEN = 5  # questions that are looked at, and goals that are told of
USAGE_SHARDS = 16  # one busy creator's turns don't queue on one counter row


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """An earlier message of the conversation."""

    author: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Work:
    """The next inbound message with everything its turn needs, read in one transaction."""

    message_id: UUID
    conversation_id: UUID
    channel_id: UUID
    contact_id: UUID
    seq: int
    kind: str
    text: str
    payload: dict[str, Any]
    address: dict[str, Any]
    person: str | None  # who wrote, as the channel names them
    opted_out: bool
    introduced: bool
    starts: int
    failures: int
    contact_name: str
    locale: str | None
    language: str | None
    timezone: str | None
    memory: dict[str, Any]
    session: dict[str, Any]
    history: tuple[Utterance, ...] = ()
    offer: Offer | None = None  # choices that a written number or label picks from
    owner: str = "bot"  # who answers here: bot, queued, human, returned
    handoff: Handoff = NO_POLICY
    quotas: Quotas | None = None  # the creator's limits, if any is set
    asked: tuple[Asked, ...] = ()  # questions that may stand open, the latest first
    is_enrolled: bool = False  # in a program that goes on
    goals: tuple[str, ...] = ()  # what they work on, the latest first
    creator_locale: str | None = None


@dataclass(kw_only=True)
class Thought:
    """What a turn decided: nothing of it is real before `record` commits."""

    replies: list[Message] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    asked_channel: bool = False  # whether the platform was asked about the contact
    introduction: Sender | None = None
    bot: str = ""  # whose records `kept` are
    kept: dict[tuple[str, str], Any] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)
    session: dict[str, Any] = field(default_factory=dict)
    status: str = "answered"
    error_code: str | None = None
    rung: str | None = None
    model: str | None = None
    prompt: str | None = None
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What a commit left: whether more is pending, and the other conversations it wrote to."""

    more: bool
    posted_to: frozenset[UUID] = frozenset()


_NEXT = """
WITH next AS (
  SELECT id FROM app.messages
  WHERE creator_id = $1 AND conversation_id = $2 AND direction = 'in' AND status = 'pending'
  ORDER BY seq LIMIT 1
), begun AS (
  UPDATE app.messages SET starts = starts + 1
  WHERE creator_id = $1 AND id = (SELECT id FROM next)
  RETURNING id, channel_id, contact_id, seq, kind, text, payload, starts, failures
)
SELECT b.*, v.address, c.name, c.locale, c.language, c.timezone, c.memory,
  coalesce(s.state, '{}') AS session,
  coalesce(b.payload ->> 'person', v.address ->> 'person') AS person,
  i.opted_out_at IS NOT NULL AS opted_out, c.introduced_at IS NOT NULL AS introduced,
  v.status AS owner, p.policy -> 'handoff' AS handoff, p.policy -> 'quotas' AS quotas,
  ARRAY(SELECT o.id FROM app.scheduled_sends o
        WHERE o.creator_id = $1 AND o.contact_id = b.contact_id AND o.state = 'sent'
          AND o.answer_until IS NOT NULL AND o.answered_at IS NULL
        ORDER BY o.answer_until DESC LIMIT $3) AS asked,
  EXISTS (SELECT FROM app.enrolments e
          WHERE e.creator_id = $1 AND e.contact_id = b.contact_id AND e.status = 'active')
    AS is_enrolled,
  ARRAY(SELECT g.title FROM app.goals g
        WHERE g.creator_id = $1 AND g.contact_id = b.contact_id AND g.status = 'active'
        ORDER BY g.created_at DESC, g.id DESC LIMIT $3) AS goals,
  (SELECT locale FROM app.creators WHERE creator_id = $1) AS creator_locale
FROM begun b
JOIN app.ai_conversations v ON v.creator_id = $1 AND v.id = $2
JOIN app.contacts c ON c.creator_id = $1 AND c.id = b.contact_id
LEFT JOIN app.user_sessions s ON s.creator_id = $1 AND s.conversation_id = $2
LEFT JOIN app.contact_identities i ON i.creator_id = $1 AND i.channel_id = b.channel_id
  AND i.address = coalesce(b.payload ->> 'person', v.address ->> 'person')
LEFT JOIN app.creator_policies p ON p.creator_id = $1
"""
_HISTORY = """
SELECT author, text, direction,
  CASE WHEN direction = 'out' AND status NOT IN ('failed', 'undelivered', 'canceled')
    AND created_at > now() - make_interval(hours => $5) THEN payload -> 'choices' END AS choices
FROM app.messages
WHERE creator_id = $1 AND conversation_id = $2 AND seq < $3 AND seq >= $3 - $4::bigint
ORDER BY seq
"""
_FENCE = """
UPDATE app.ai_conversations
SET last_seq = last_seq + $5, last_message_at = now(),
    outbound_due_at = CASE WHEN $6 THEN coalesce(outbound_due_at, now()) ELSE outbound_due_at END,
    outbound_hinted_at = CASE WHEN $6 THEN now() ELSE outbound_hinted_at END
WHERE creator_id = $1 AND id = $2 AND lease_owner = $3 AND epoch = $4
RETURNING last_seq - $5
"""
_REPLY = """
WITH answered AS (
  UPDATE app.messages SET status = $9, answered_at = now(), error_code = $10
  WHERE creator_id = $1 AND id = $2 RETURNING kind
), replies AS (
  INSERT INTO app.messages (creator_id, id, conversation_id, channel_id, contact_id, seq, direction,
    kind, author, text, payload, status, in_reply_to, idempotency_key, rung, model, prompt, sent_at)
  SELECT $1, r.id, $3, $4, $5, $6::bigint + r.ordinal, 'out',
         CASE (SELECT kind FROM answered) WHEN 'due' THEN 'program' ELSE 'message' END, 'bot',
         r.text, r.payload, $11, $2, $2 || ':' || r.ordinal, $12, $13, $14,
         CASE WHEN $11 = 'sent' THEN now() END
  FROM unnest($7::uuid[], $8::text[], $15::jsonb[]) WITH ORDINALITY
       AS r (id, text, payload, ordinal)
), counted AS (
  INSERT INTO app.usage_counters (creator_id, day, metric, shard, value)
  SELECT $1, (now() AT TIME ZONE 'UTC')::date, u.metric, $16, u.value
  FROM (VALUES ('messages_in', (SELECT count(*) FROM answered WHERE kind <> 'due')),
               ('messages_out', cardinality($7)),
               ('tokens_in', $17::bigint), ('tokens_out', $18::bigint)) AS u (metric, value)
  WHERE u.value > 0
  ON CONFLICT (creator_id, day, metric, shard)
    DO UPDATE SET value = usage_counters.value + excluded.value
)
SELECT EXISTS (SELECT FROM app.messages WHERE creator_id = $1 AND conversation_id = $3
               AND direction = 'in' AND status = 'pending' AND id <> $2)
"""
_SESSION = """
INSERT INTO app.user_sessions (creator_id, conversation_id, state, version) VALUES ($1, $2, $3, 1)
ON CONFLICT (creator_id, conversation_id)
  DO UPDATE SET state = excluded.state, version = user_sessions.version + 1, updated_at = now()
"""
# One person may talk on two channels at once: what changed since this turn began is kept.
_MEMORY_AS_READ = """
UPDATE app.contacts SET memory = $3, updated_at = now()
WHERE creator_id = $1 AND id = $2 AND memory = $4 RETURNING true
"""
_MEMORY_NOW = "SELECT memory FROM app.contacts WHERE creator_id = $1 AND id = $2 FOR UPDATE"
_MEMORY = """
UPDATE app.contacts SET memory = $3, updated_at = now() WHERE creator_id = $1 AND id = $2
"""
_FAILED = """
UPDATE app.messages SET failures = failures + 1, error_code = $3 WHERE creator_id = $1 AND id = $2
"""
_UNDONE = """
UPDATE app.messages SET starts = starts - 1
WHERE creator_id = $1 AND id = $2 AND status = 'pending' AND starts > 0
"""


async def recall(connection: PgConnection, lease: Lease) -> Work | None:
    """Begin the next inbound message; None, and the lease released, when there is none."""
    await leases.fence(connection, lease)
    row = await connection.fetchrow(_NEXT, lease.creator_id, lease.conversation_id, MOST_OPEN)
    if row is None:
        await leases.release(connection, lease)
        return None
    history = await connection.fetch(
        _HISTORY,
        lease.creator_id,
        lease.conversation_id,
        row["seq"],
        HISTORY_MESSAGES,
        OFFER_HOURS,
    )
    return Work(
        message_id=row["id"],
        conversation_id=lease.conversation_id,
        channel_id=row["channel_id"],
        contact_id=row["contact_id"],
        seq=row["seq"],
        kind=row["kind"],
        text=row["text"],
        payload=row["payload"],
        address=row["address"],
        person=row["person"],
        opted_out=row["opted_out"],
        introduced=row["introduced"],
        starts=row["starts"],
        failures=row["failures"],
        contact_name=row["name"],
        locale=row["locale"],
        language=row["language"],
        timezone=row["timezone"],
        memory=row["memory"],
        session=row["session"],
        history=tuple(Utterance(author=h["author"], text=h["text"]) for h in history if h["text"]),
        offer=_offer(history),
        owner=row["owner"],
        handoff=_handoff(row["handoff"]),
        quotas=read_quotas(row["quotas"]),
        asked=await read_asked(connection, lease.creator_id, row["asked"]),
        is_enrolled=row["is_enrolled"],
        goals=tuple(row["goals"]),
        creator_locale=row["creator_locale"],
    )


def _handoff(stored: dict[str, Any] | None) -> Handoff:
    return Handoff.model_validate(stored, extra="ignore") if stored else NO_POLICY


def _offer(history: list[Record]) -> Offer | None:
    """The choices offered last, unless the person has said something since."""
    for row in reversed(history):
        if row["direction"] == "in":
            return None
        if row["choices"]:
            choices = tuple(Choice.model_validate(choice) for choice in row["choices"])
            return Offer(text=row["text"], choices=choices)
    return None


async def record(
    connection: PgConnection, lease: Lease, work: Work, thought: Thought, *, push: bool
) -> Recorded:
    """Write the whole turn. When nothing more is pending, the lease is released.

    Raises LeaseLost, and nothing is written, when another worker took the conversation over.
    """
    count = len(thought.replies)
    first_seq = await connection.fetchval(
        _FENCE,
        lease.creator_id,
        lease.conversation_id,
        lease.owner,
        lease.epoch,
        count,
        push and count > 0,
    )
    if first_seq is None:
        raise LeaseLost
    more = await _write_replies(connection, lease, work, thought, first_seq, push)
    await _write_state(connection, lease, work, thought)
    posted_to = await _write_elsewhere(connection, lease, work, thought, push)
    if not more:
        await leases.release(connection, lease)
    return Recorded(more=more, posted_to=posted_to)


async def _write_replies(
    connection: PgConnection,
    lease: Lease,
    work: Work,
    thought: Thought,
    first_seq: int,
    push: bool,
) -> bool:
    ids = [reply_id(work, n) for n in range(1, len(thought.replies) + 1)]
    more: bool = await connection.fetchval(
        _REPLY,
        lease.creator_id,
        work.message_id,
        lease.conversation_id,
        work.channel_id,
        work.contact_id,
        first_seq,
        ids,
        [reply.text for reply in thought.replies],
        thought.status,
        thought.error_code,
        "queued" if push else "sent",
        thought.rung,
        thought.model,
        thought.prompt,
        [reply.model_dump(mode="json", exclude={"text"}) for reply in thought.replies],
        lease.conversation_id.int % USAGE_SHARDS,
        thought.tokens_in,
        thought.tokens_out,
    )
    return more


def reply_id(work: Work, number: int) -> UUID:
    """The id of a turn's reply, counted from 1: the same however often the turn is taken."""
    # The apology for a dead message has its ids already; what follows a retry needs others.
    retries = work.payload.get("retries", 0)
    label = f"reply:{number}" if not retries else f"retry:{retries}:reply:{number}"
    return derived_id(work.message_id, label)


async def _write_state(
    connection: PgConnection, lease: Lease, work: Work, thought: Thought
) -> None:
    if thought.session != work.session:
        await connection.execute(_SESSION, lease.creator_id, lease.conversation_id, thought.session)
    if thought.memory != work.memory:
        await _write_memory(connection, lease.creator_id, work, thought.memory)


async def _write_memory(
    connection: PgConnection, creator_id: UUID, work: Work, memory: dict[str, Any]
) -> None:
    contact = (creator_id, work.contact_id)
    if await connection.fetchval(_MEMORY_AS_READ, *contact, memory, work.memory):
        return
    newer = await connection.fetchval(_MEMORY_NOW, *contact)
    if newer is not None:
        await connection.execute(_MEMORY, *contact, rebased(work.memory, memory, newer))


async def _write_elsewhere(
    connection: PgConnection, lease: Lease, work: Work, thought: Thought, push: bool
) -> frozenset[UUID]:
    creator_id = lease.creator_id
    if thought.asked_channel:
        await introduce(connection, creator_id, work.contact_id, thought.introduction)
    for effect in thought.effects:
        await effect(connection)
    if thought.kept:
        await records.keep(connection, creator_id, thought.bot, work.contact_id, thought.kept)
    if not thought.posts:
        return frozenset()
    author = posts.Author(
        creator_id=lease.creator_id,
        message_id=work.message_id,
        channel_id=work.channel_id,
        contact_id=work.contact_id,
        retries=work.payload.get("retries", 0),
    )
    return await posts.write_posts(connection, author, thought.posts, push=push)


async def record_failure(
    connection: PgConnection, lease: Lease, work: Work, code: str, due_at: datetime
) -> None:
    """Count a handled failure and let the conversation rest until `due_at`."""
    await leases.fence(connection, lease)
    await connection.execute(_FAILED, lease.creator_id, work.message_id, code)
    await leases.release(connection, lease, due_at)


async def undo_start(connection: PgConnection, lease: Lease, work: Work | None) -> None:
    """Hand an unfinished turn back: a stop on purpose is neither a failure nor a death."""
    if work is not None:
        await connection.execute(_UNDONE, lease.creator_id, work.message_id)
    await leases.hand_back(connection, lease)
