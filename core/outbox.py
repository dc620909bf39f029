"""Send what was committed: write ahead, send one part once, settle. Our only retry policy."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from core import leases
from core.accounts import Accounts, ChannelRecord
from core.channels import Account, Address, ChannelAdapter, OutboundPart, SendResult
from core.dialogue.degrade import degrade
from core.dialogue.standing import move, set_reachable
from core.jobs import enqueue
from core.leases import Hold, Lease, LeaseLost
from core.live import LiveBus
from core.receipts import settle_early
from shared import telemetry
from shared.database import DatabaseManager, PgConnection
from shared.errors import (
    AuthRevoked,
    ChannelError,
    ConversationMoved,
    MessageRejected,
    NetworkError,
    NotFound,
    OutcomeUnknown,
    RecipientUnreachable,
    Unavailable,
)
from shared.failpoints import failpoint
from shared.messages import Message
from shared.settings import WorkerSettings
from shared.utils.clock import utc_now
from shared.utils.ids import derived_id, new_id
from shared.utils.tasks import insist, to_the_end

log = structlog.get_logger(__name__)

SEND_SECONDS = 10.0
MAX_ATTEMPTS = 12
MAX_BACKOFF_SECONDS = 300.0
# A channel that was switched off keeps its messages; we look again this often.
PAUSED_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """The next message to send with everything the send needs; its attempt is written already."""

    attempt_id: UUID
    message_id: UUID
    channel_id: UUID
    address: Address
    message: Message
    part: int
    attempts: int


_NEXT = """
SELECT m.id, m.channel_id, m.text, m.payload, m.status, m.parts_sent, m.attempts,
       v.address, h.status AS channel_status, h.blocked_until,
       coalesce(i.reachable, 'yes') AS reachable
FROM app.messages m
JOIN app.ai_conversations v ON v.creator_id = m.creator_id AND v.id = m.conversation_id
JOIN app.channels h ON h.creator_id = m.creator_id AND h.id = m.channel_id
LEFT JOIN app.contact_identities i ON i.creator_id = m.creator_id AND i.channel_id = m.channel_id
  AND i.address = v.address ->> 'person'
WHERE m.creator_id = $1 AND m.conversation_id = $2 AND m.direction = 'out'
  AND m.status IN ('queued', 'sending')
ORDER BY m.seq LIMIT 1
"""
_BEGIN = """
WITH attempt AS (
  INSERT INTO app.send_attempts (creator_id, id, channel_id, message_id, part)
  VALUES ($1, $2, $3, $4, $5)
)
UPDATE app.messages SET status = 'sending', attempts = attempts + 1
WHERE creator_id = $1 AND id = $4
"""
_SENT = """
WITH attempt AS (
  UPDATE app.send_attempts SET finished_at = now(), outcome = 'sent', provider_id = $4
  WHERE creator_id = $1 AND id = $2
)
UPDATE app.messages
SET parts_sent = greatest(parts_sent, $7), attempts = 0, error_code = NULL,
    provider_ids = CASE WHEN provider_ids @> $5 THEN provider_ids ELSE provider_ids || $5 END,
    status = CASE WHEN $6 THEN 'sent' ELSE 'queued' END, sent_at = CASE WHEN $6 THEN now() END
WHERE creator_id = $1 AND id = $3 AND status IN ('sending', 'uncertain', 'queued', 'failed')
"""
# Without effect while we hold the lease; after it was lost, others must see what is left.
_KEEP_DUE = """
UPDATE app.ai_conversations SET outbound_due_at = coalesce(outbound_due_at, now())
WHERE creator_id = $1 AND id = $2
"""
_END = """
WITH attempt AS (
  UPDATE app.send_attempts SET finished_at = now(), outcome = $4, error_code = $5
  WHERE creator_id = $1 AND message_id = $2 AND outcome IS NULL
)
UPDATE app.messages SET status = $3, error_code = $5 WHERE creator_id = $1 AND id = $2
"""
_BLOCK = "UPDATE app.channels SET blocked_until = $3 WHERE creator_id = $1 AND id = $2"
_REVOKE = """
UPDATE app.channels SET status = 'revoked', status_reason = $3, updated_at = now()
WHERE creator_id = $1 AND id = $2
"""
_RESEND = """
UPDATE app.messages SET status = 'queued', attempts = 0, error_code = NULL
WHERE creator_id = $1 AND id = $2 AND direction = 'out'
  AND status IN ('uncertain', 'failed', 'undelivered')
RETURNING conversation_id
"""
_WAKE = """
UPDATE app.ai_conversations
SET outbound_due_at = coalesce(outbound_due_at, now()), outbound_hinted_at = now()
WHERE creator_id = $1 AND id = $2
"""
# Locked first, so that of two requests with one key the second sees what the first has written.
_LOCK_CONVERSATION = """
SELECT channel_id FROM app.ai_conversations WHERE creator_id = $1 AND id = $2 FOR UPDATE
"""
_COACH = """
WITH conversation AS (
  UPDATE app.ai_conversations SET last_seq = last_seq + 1, last_message_at = now()
  WHERE creator_id = $1 AND id = $2
    AND NOT EXISTS (SELECT FROM app.messages WHERE creator_id = $1 AND id = $3)
  RETURNING channel_id, contact_id, last_seq
)
INSERT INTO app.messages (creator_id, id, conversation_id, channel_id, contact_id, seq, direction,
                          kind, author, text, status, idempotency_key)
SELECT $1, $3, $2, channel_id, contact_id, last_seq, 'out', 'message', 'coach', $4, $5, $6
FROM conversation
"""


class Outbox:
    """Delivers committed messages of one conversation after another, each part at most once."""

    def __init__(
        self,
        *,
        database: DatabaseManager,
        accounts: Accounts,
        channels: dict[str, ChannelAdapter],
        live: LiveBus,
        settings: WorkerSettings,
        owner: UUID,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._live = live
        self._channels = channels
        self._settings = settings
        self._owner = owner

    async def deliver(self, creator_id: UUID, conversation_id: UUID) -> None:
        """Send what is due in a conversation, in order; at once when another worker is at it."""
        async with self._database.transaction(creator_id) as connection:
            lease = await leases.acquire(
                connection,
                "delivery",
                creator_id,
                conversation_id,
                self._owner,
                self._settings.lease_seconds,
            )
        if lease is None:
            return
        with suppress(LeaseLost):
            async with leases.held(self._database, lease, self._settings.lease_seconds) as hold:
                await self._deliver_all(lease, hold)

    async def _deliver_all(self, lease: Lease, hold: Hold) -> None:
        try:
            # A part that is begun is also settled: only we can learn what became of it.
            while await to_the_end(self._deliver_part(lease, hold)):
                pass
        except asyncio.CancelledError:
            await asyncio.shield(self._hand_back(lease))
            raise

    async def _deliver_part(self, lease: Lease, hold: Hold) -> bool:
        """Begin and send the next part. False when nothing is due: the lease is free."""
        delivery = await self._begin(lease)
        return delivery is not None and await self._send(lease, delivery, hold)

    async def _hand_back(self, lease: Lease) -> None:
        with suppress(Unavailable):
            async with self._database.transaction(lease.creator_id) as connection:
                await leases.hand_back(connection, lease)

    async def enqueue_coach_message(
        self, creator_id: UUID, conversation_id: UUID, text: str, idempotency_key: str | None = None
    ) -> UUID:
        """Queue what a person of the creator's team writes; the same key writes it once.

        Raises NotFound for a conversation of somebody else.
        """
        message_id = (
            derived_id(conversation_id, f"coach:{idempotency_key}") if idempotency_key else new_id()
        )
        async with self._database.transaction(creator_id) as connection:
            channel_id = await connection.fetchval(_LOCK_CONVERSATION, creator_id, conversation_id)
            if channel_id is None:
                raise NotFound
            type_ = await connection.fetchval(
                "SELECT type FROM app.channels WHERE creator_id = $1 AND id = $2",
                creator_id,
                channel_id,
            )
            push = self._channels[type_].capabilities.delivery == "push"
            await connection.execute(
                _COACH,
                creator_id,
                conversation_id,
                message_id,
                text,
                "queued" if push else "sent",
                idempotency_key or str(message_id),
            )
            if push:
                await self._wake(connection, creator_id, conversation_id)
        await self._live.publish(creator_id, conversation_id, {"event": "changed"})
        return message_id

    async def resend(self, creator_id: UUID, message_id: UUID) -> None:
        """Send again what is uncertain or failed, from the first part not known to be sent."""
        async with self._database.transaction(creator_id) as connection:
            conversation_id = await connection.fetchval(_RESEND, creator_id, message_id)
            if conversation_id is None:
                raise NotFound("no uncertain or failed message with this id")
            await self._wake(connection, creator_id, conversation_id)

    async def _wake(
        self, connection: PgConnection, creator_id: UUID, conversation_id: UUID
    ) -> None:
        await connection.execute(_WAKE, creator_id, conversation_id)
        await enqueue(connection, "deliver", creator_id, conversation_id)

    async def _begin(self, lease: Lease) -> Delivery | None:
        """Write the next attempt ahead of its send; None, and the lease free, when none is due."""
        async with self._database.transaction(lease.creator_id) as connection:
            await leases.fence(connection, lease)
            while row := await connection.fetchrow(_NEXT, lease.creator_id, lease.conversation_id):
                if pause := _pause(row):
                    await leases.release(connection, lease, pause)
                    return None
                verdict = _verdict(row)
                if verdict is None:
                    return await self._write_ahead(connection, lease, row)
                await self._end(connection, lease, row["id"], *verdict)
            await leases.release(connection, lease)
        return None

    async def _write_ahead(self, connection: PgConnection, lease: Lease, row: Any) -> Delivery:
        attempt_id = new_id()
        await connection.execute(
            _BEGIN, lease.creator_id, attempt_id, row["channel_id"], row["id"], row["parts_sent"]
        )
        return Delivery(
            attempt_id=attempt_id,
            message_id=row["id"],
            channel_id=row["channel_id"],
            address=Address.model_validate(row["address"]),
            message=Message(
                text=row["text"],
                choices=row["payload"].get("choices", ()),
                citations=row["payload"].get("citations", ()),
            ),
            part=row["parts_sent"],
            attempts=row["attempts"] + 1,
        )

    async def _send(self, lease: Lease, delivery: Delivery, hold: Hold) -> bool:
        """Send one part and settle it. False when the channel wants a pause: the lease is free."""
        await failpoint("after-sending")
        try:
            record = await self._account(lease, delivery)
            adapter = self._channels[record.account.type]
            part = _part(delivery, adapter)
            if not hold.is_sure:  # we stalled; another may be ahead of us in this conversation
                raise NetworkError("the lease ran out before the send")
            result = await _send_once(adapter, delivery.address, part, record.account)
        except ChannelError as error:
            refusal = error
            return await insist(lambda: self._settle_error(lease, delivery, refusal))
        await failpoint("after-provider-2xx")
        last = part.index + 1 >= part.count
        await insist(lambda: self._settle_sent(lease, delivery, result, last=last))
        return True

    async def _account(self, lease: Lease, delivery: Delivery) -> ChannelRecord:
        try:
            return await self._accounts.get(lease.creator_id, delivery.channel_id)
        except Unavailable as error:
            raise NetworkError("the database left before the send") from error

    async def _settle_sent(
        self, lease: Lease, delivery: Delivery, result: SendResult, *, last: bool
    ) -> None:
        # Not fenced: the part is out, and only whoever sent it knows its name.
        ids = list(result.external_ids)
        async with self._database.transaction(lease.creator_id) as connection:
            if not last:
                await connection.execute(_KEEP_DUE, lease.creator_id, lease.conversation_id)
            await connection.execute(
                _SENT,
                lease.creator_id,
                delivery.attempt_id,
                delivery.message_id,
                ids[0] if ids else None,
                ids,
                last,
                delivery.part + 1,
            )
            await settle_early(connection, lease.creator_id, delivery.channel_id, ids)
            await failpoint("before-sent-commit")
        telemetry.SENDS.labels(str(lease.creator_id), "sent").inc()

    async def _settle_error(self, lease: Lease, delivery: Delivery, error: ChannelError) -> bool:
        log.info("send.failed", message_id=str(delivery.message_id), code=error.detail_code)
        async with self._database.transaction(lease.creator_id) as connection:
            await leases.fence(connection, lease)
            status, outcome = await self._judge(connection, lease, delivery, error)
            await self._end(
                connection, lease, delivery.message_id, status, outcome, error.detail_code
            )
            due_at = self._pause_after(delivery, error) if status == "queued" else None
            if due_at is not None:
                await leases.release(connection, lease, due_at)
            if due_at is not None and error.scope == "channel":
                await connection.execute(_BLOCK, lease.creator_id, delivery.channel_id, due_at)
        telemetry.SENDS.labels(str(lease.creator_id), outcome).inc()
        return due_at is None

    async def _judge(
        self, connection: PgConnection, lease: Lease, delivery: Delivery, error: ChannelError
    ) -> tuple[str, str]:
        """(status, outcome) by the error's class; retryable ones prove that nothing was sent."""
        creator_id, channel_id = lease.creator_id, delivery.channel_id
        again = delivery.attempts < MAX_ATTEMPTS
        match error:
            case OutcomeUnknown():
                return "uncertain", "unknown"
            case ConversationMoved() if again:
                key = await _conversation_key(connection, lease)
                await move(connection, creator_id, channel_id, key, error.new_chat)
                return "queued", "retry"
            case AuthRevoked():
                await connection.execute(_REVOKE, creator_id, channel_id, error.detail_code)
                self._accounts.forget(channel_id)
                return "queued", "retry"
            case RecipientUnreachable() if delivery.address.person:
                person = delivery.address.person
                await set_reachable(connection, creator_id, channel_id, person, error.reason)
        return ("queued", "retry") if error.retryable and again else ("failed", "refused")

    def _pause_after(self, delivery: Delivery, error: ChannelError) -> datetime | None:
        """When to try again; None for at once (the channel's own state decides then)."""
        if not error.retryable:
            return None
        wait = error.retry_after
        if wait is None:
            doubled = self._settings.retry_seconds * 2.0 ** (delivery.attempts - 1)
            wait = min(doubled, MAX_BACKOFF_SECONDS)
        return utc_now() + timedelta(seconds=wait)

    async def _end(
        self,
        connection: PgConnection,
        lease: Lease,
        message_id: UUID,
        status: str,
        outcome: str,
        code: str,
    ) -> None:
        await connection.execute(_END, lease.creator_id, message_id, status, outcome, code)


def _part(delivery: Delivery, adapter: ChannelAdapter) -> OutboundPart:
    parts = degrade(delivery.message, adapter.capabilities, delivery.message_id)
    if delivery.part >= len(parts):  # nothing in it that anybody would see
        raise MessageRejected("The message is empty.", code="message_empty")
    return parts[delivery.part]


async def _send_once(
    adapter: ChannelAdapter, to: Address, part: OutboundPart, account: Account
) -> SendResult:
    """One call, one deadline; every failure comes out as a ChannelError."""
    try:
        async with asyncio.timeout(SEND_SECONDS):
            return await adapter.send(to, part, account)
    except TimeoutError as error:
        raise OutcomeUnknown from error
    except ChannelError:
        raise
    except Exception as error:
        raise adapter.classify(error) from error


def _verdict(row: Any) -> tuple[str, str, str] | None:
    """(status, outcome, code) of a message that must not be sent; None when it may be."""
    if row["status"] == "sending":
        # The worker died between writing ahead and settling: the part may be out or not.
        return "uncertain", "unknown", "worker_died_while_sending"
    if row["reachable"] != "yes":
        return "failed", "refused", f"recipient_{row['reachable']}"
    return None


def _pause(row: Any) -> datetime | None:
    """Until when the channel takes nothing."""
    now = utc_now()
    if row["channel_status"] != "active":
        return now + timedelta(seconds=PAUSED_SECONDS)
    blocked: datetime | None = row["blocked_until"]
    return blocked if blocked and blocked > now else None


async def _conversation_key(connection: PgConnection, lease: Lease) -> str:
    key: str = await connection.fetchval(
        "SELECT key FROM app.ai_conversations WHERE creator_id = $1 AND id = $2",
        lease.creator_id,
        lease.conversation_id,
    )
    return key
