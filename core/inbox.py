"""Accept an event once: find its conversation, store it, queue the turn; or apply it at once."""

import hashlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from core.channels import (
    Account,
    ActionEvent,
    Address,
    ChannelAdapter,
    ChannelEvent,
    CommandEvent,
    MessageEvent,
    OptEvent,
    Parsed,
    ReceiptEvent,
    Sender,
    StartEvent,
)
from core.contacts import find_or_add, is_open
from core.dialogue.standing import apply_event, note_first
from core.jobs import enqueue
from shared import telemetry
from shared.database import DatabaseManager, PgConnection
from shared.errors import Conflict, NotFound
from shared.failpoints import failpoint
from shared.utils.clock import Clock
from shared.utils.ids import new_id

log = structlog.get_logger(__name__)

# Events that are a contact's turn; all others change standing, receipts or earlier messages.
TURNS = (MessageEvent, CommandEvent, ActionEvent, StartEvent)


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """Where an event was stored. `duplicate`: it had been before, and nothing was written."""

    message_id: UUID
    conversation_id: UUID
    contact_id: UUID
    seq: int
    duplicate: bool


# One statement: the event is remembered, the conversation takes the next number under its row
# lock (the one that releasing a lease takes too), and the message is stored with that number.
# Whoever writes can be written to, also when no update told that they had unblocked us, and needs
# no nudge for a day (core.programs.moves.LULL); one that a scheduler holds is asked about again
# when it next looks.
_ACCEPT = """
WITH fresh AS (
  INSERT INTO app.accepted_events (creator_id, channel_id, external_id, message_id, digest)
  VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING message_id
), conversation AS (
  UPDATE app.ai_conversations
  SET last_seq = last_seq + 1, address = $7, last_message_at = now(),
      inbound_due_at = coalesce(inbound_due_at, now()), inbound_hinted_at = now()
  WHERE creator_id = $1 AND id = $6 AND EXISTS (SELECT FROM fresh)
  RETURNING last_seq
), heard AS (
  UPDATE app.contact_identities
  SET last_inbound_at = $14::timestamptz,
      reachable = CASE WHEN reachable = 'opted_out' THEN reachable ELSE 'yes' END
  WHERE creator_id = $1 AND channel_id = $2 AND address = $13 AND EXISTS (SELECT FROM fresh)
    AND (reachable IN ('blocked', 'deactivated', 'invalid')
         OR last_inbound_at IS NULL OR last_inbound_at < $14::timestamptz - interval '1 minute')
), answered AS (
  UPDATE app.scheduled_sends SET state = 'cancelled', skip_reason = 'replied', settled_at = $14
  WHERE creator_id = $1 AND EXISTS (SELECT FROM fresh) AND id IN (
    SELECT id FROM app.scheduled_sends
    WHERE creator_id = $1 AND contact_id = $8 AND state = 'waiting' AND class = 'nudge'
      AND source_kind = 'step' AND due_at < $14::timestamptz + interval '1 day'
    FOR UPDATE SKIP LOCKED)
)
INSERT INTO app.messages (creator_id, id, conversation_id, channel_id, contact_id, seq, direction,
                          kind, author, external_id, text, payload, status, occurred_at)
SELECT $1, $4, $6, $2, $8, last_seq, 'in', $9, 'contact', $3, $10, $11, 'pending', $12
FROM conversation RETURNING seq
"""

_EARLIER = """
SELECT e.message_id, e.digest, m.conversation_id, m.contact_id, m.seq
FROM app.accepted_events e JOIN app.messages m
  ON m.creator_id = e.creator_id AND m.id = e.message_id
WHERE e.creator_id = $1 AND e.channel_id = $2 AND e.external_id = $3
"""

_IS_OUT = """
SELECT 1 FROM app.contact_identities
WHERE creator_id = $1 AND channel_id = $2 AND address = $3 AND reachable = 'opted_out'
"""

_FIRST = """
INSERT INTO app.accepted_events (creator_id, channel_id, external_id) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING RETURNING true
"""

_RETRY = """
WITH revived AS (
  UPDATE app.messages SET status = 'pending', starts = 0, failures = 0, error_code = NULL,
    payload = payload || jsonb_build_object(
      'retries', coalesce((payload ->> 'retries')::int, 0) + 1)
  WHERE creator_id = $1 AND id = $2 AND direction = 'in' AND status = 'dead'
  RETURNING conversation_id
)
UPDATE app.ai_conversations SET inbound_due_at = now(), inbound_hinted_at = now()
WHERE creator_id = $1 AND id = (SELECT conversation_id FROM revived) RETURNING id
"""


class Inbox:
    """The only way in. What it returned from is committed; what it raised from left no trace."""

    def __init__(self, database: DatabaseManager, clock: Clock) -> None:
        self._database = database
        self._clock = clock  # what programs go by

    async def receive(self, account: Account, adapter: ChannelAdapter, parsed: Parsed) -> None:
        """Take every event of one webhook request; the caller answers 2xx only after this."""
        for reported in parsed.events:
            event = await self._read(reported)
            key = adapter.conversation(event)
            if _is_overheard(event) and not await self._is_known(event, key):
                telemetry.EVENTS.labels(str(account.creator_id), "overheard").inc()
            elif isinstance(event, TURNS):
                await self._accept_first(event, key)
            else:
                await self._apply(event, key, account)
                telemetry.EVENTS.labels(str(account.creator_id), event.kind).inc()

    async def _apply(self, event: ChannelEvent, key: str, account: Account) -> None:
        """Apply an event once: an old STOP that comes again must not undo a later START."""
        where = (event.creator_id, event.channel_id, event.external_id)
        async with self._database.transaction(account.creator_id) as connection:
            # Receipts are merged by rank, so they may come as often as they like.
            if isinstance(event, ReceiptEvent) or await connection.fetchval(_FIRST, *where):
                await apply_event(connection, event, key, account, self._clock.now())

    async def _read(self, event: ChannelEvent) -> ChannelEvent:
        """The message in an opt-in that only answers us: its person had never left."""
        if not isinstance(event, OptEvent) or event.answer is None:
            return event
        where = (event.creator_id, event.channel_id, event.sender.address)
        async with self._database.transaction(event.creator_id) as connection:
            is_out = await connection.fetchval(_IS_OUT, *where)
        return event if is_out else event.answer

    async def _accept_first(self, event: ChannelEvent, key: str) -> None:
        """What comes again under an earlier name is dropped, be it the same or not: a platform
        that is told of a conflict only repeats itself."""
        try:
            await self.accept(event, conversation_key=key)
        except Conflict:
            log.warning("event.name_reused", channel_id=str(event.channel_id), kind=event.kind)
            telemetry.DROPPED.labels(str(event.creator_id), "name_reused").inc()

    async def _is_known(self, event: ChannelEvent, key: str) -> bool:
        """Whether the bot is part of this conversation already."""
        async with self._database.transaction(event.creator_id) as connection:
            return await is_open(connection, event.creator_id, event.channel_id, key)

    async def accept(self, event: ChannelEvent, *, conversation_key: str) -> Accepted:
        """Store an event and queue its turn, once for each (channel, external_id).

        Raises Conflict when the same external_id comes with other content, Unavailable when the
        database is away.
        """
        with telemetry.span("inbox.accept", channel_id=event.channel_id, kind=event.kind):
            async with self._database.transaction(event.creator_id) as connection:
                accepted = await self._accept(connection, event, conversation_key)
                await failpoint("before-accept-commit")
        await failpoint("after-accept-commit")
        outcome = "duplicate" if accepted.duplicate else "accepted"
        telemetry.ACCEPTED.labels(str(event.creator_id), outcome).inc()
        return accepted

    async def open_conversation(
        self, account: Account, *, address: Address, sender: Sender, key: str
    ) -> UUID:
        """The conversation under this key, made with its contact when it is new."""
        async with self._database.transaction(account.creator_id) as connection:
            met = await find_or_add(
                connection, account.creator_id, account.channel_id, key, address, sender
            )
        return met.conversation_id

    async def retry(self, creator_id: UUID, message_id: UUID) -> None:
        """Give a dead message another chance. Raises NotFound when it isn't one."""
        async with self._database.transaction(creator_id) as connection:
            conversation_id = await connection.fetchval(_RETRY, creator_id, message_id)
            if conversation_id is None:
                raise NotFound("no dead message with this id")
            await enqueue(connection, "turn", creator_id, conversation_id)

    async def _accept(self, connection: PgConnection, event: ChannelEvent, key: str) -> Accepted:
        channel = (event.creator_id, event.channel_id)
        met = await find_or_add(connection, *channel, key, event.address, event.sender)
        message_id = new_id()
        text, payload = _content(event)
        digest = _digest(event.kind, text, payload)
        seq = await connection.fetchval(
            _ACCEPT,
            *channel,
            event.external_id,
            message_id,
            digest,
            met.conversation_id,
            event.address.model_dump(),
            met.contact_id,
            event.kind,
            text,
            payload | {"person": event.sender.address},
            event.occurred_at,
            event.sender.address,
            self._clock.now(),
        )
        if seq is None:
            return await self._earlier(connection, event, digest)
        if met.is_new:
            await note_first(connection, event, message_id)
        await enqueue(connection, "turn", event.creator_id, met.conversation_id)
        return Accepted(
            message_id=message_id,
            conversation_id=met.conversation_id,
            contact_id=met.contact_id,
            seq=seq,
            duplicate=False,
        )

    async def _earlier(
        self, connection: PgConnection, event: ChannelEvent, digest: bytes
    ) -> Accepted:
        row = await connection.fetchrow(
            _EARLIER, event.creator_id, event.channel_id, event.external_id
        )
        if row is None or row["digest"] != digest:
            raise Conflict("this id was used before for another message")
        return Accepted(
            message_id=row["message_id"],
            conversation_id=row["conversation_id"],
            contact_id=row["contact_id"],
            seq=row["seq"],
            duplicate=True,
        )


def _is_overheard(event: ChannelEvent) -> bool:
    return isinstance(event, MessageEvent) and event.overheard


def _content(event: ChannelEvent) -> tuple[str, dict[str, Any]]:
    """What is kept of an event: its text, and the fields a turn needs."""
    match event:
        case MessageEvent():
            kept = event.model_dump(
                mode="json",
                include={"attachments", "message_external_id", "overheard"},
                exclude_defaults=True,
            )
            return event.text, kept
        case CommandEvent():
            text = f"/{event.name} {event.arguments}".strip()
            kept = {"name": event.name, "arguments": event.arguments}
            origin = {"origin": event.origin.model_dump()} if event.origin else {}
            return text, kept | origin
        case ActionEvent():
            return event.value, {"message": event.message_external_id, "ack": event.ack}
        case StartEvent():
            return "/start", {"payload": event.payload}
    raise TypeError(f"{event.kind} is not a turn")


def _digest(kind: str, text: str, payload: dict[str, Any]) -> bytes:
    return hashlib.sha256(repr((kind, text, sorted(payload.items()))).encode()).digest()
