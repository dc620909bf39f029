"""Send what was committed: write ahead, send one part once, settle. Our only retry policy."""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from core import leases
from core.accounts import Accounts, ChannelRecord
from core.channels import Address, ChannelAdapter, SendResult
from core.dialogue.standing import move, set_reachable
from core.leases import Hold, Lease, LeaseLost
from core.receipts import settle_early
from core.sending import Delivery, part_of, pause_until, send_once, verdict
from shared import telemetry
from shared.database import DatabaseManager, PgConnection
from shared.errors import (
    AuthRevoked,
    ChannelError,
    ConversationMoved,
    NetworkError,
    OutcomeUnknown,
    RecipientUnreachable,
    SecretError,
    Unavailable,
)
from shared.failpoints import failpoint
from shared.messages import Message
from shared.settings import WorkerSettings
from shared.utils.clock import utc_now
from shared.utils.ids import new_id
from shared.utils.tasks import insist, to_the_end

log = structlog.get_logger(__name__)

MAX_ATTEMPTS = 12
MAX_BACKOFF_SECONDS = 300.0


_NEXT = """
SELECT m.id, m.channel_id, m.text, m.payload, m.status, m.parts_sent, m.attempts,
       v.address, h.status AS channel_status, h.blocked_until,
       coalesce(i.reachable, 'yes') AS reachable
FROM app.messages m
JOIN app.ai_conversations v ON v.creator_id = m.creator_id AND v.id = m.conversation_id
JOIN app.channels h ON h.creator_id = m.creator_id AND h.id = m.channel_id
LEFT JOIN app.contact_identities i ON i.creator_id = m.creator_id AND i.channel_id = m.channel_id
  AND i.address = v.address ->> 'person' AND i.address = v.address ->> 'chat'
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
# Of an attempt whose commit went unheard: nobody else ended it, and nothing was begun after it.
_TAKE_BACK = """
WITH attempt AS (
  UPDATE app.send_attempts SET finished_at = now(), outcome = 'retry', error_code = 'not_begun'
  WHERE creator_id = $1 AND id = $2 RETURNING message_id
)
UPDATE app.messages m SET status = 'queued', error_code = NULL
WHERE m.creator_id = $1 AND m.id = (SELECT message_id FROM attempt)
  AND m.status IN ('sending', 'uncertain')
  AND NOT EXISTS (
    SELECT FROM app.messages later
    WHERE later.creator_id = $1 AND later.conversation_id = m.conversation_id
      AND later.direction = 'out' AND later.seq > m.seq AND later.status <> 'queued')
"""
_BLOCK = "UPDATE app.channels SET blocked_until = $3 WHERE creator_id = $1 AND id = $2"
_REVOKE = """
UPDATE app.channels SET status = 'revoked', status_reason = $3, updated_at = now()
WHERE creator_id = $1 AND id = $2
"""


class Outbox:
    """Delivers committed messages of one conversation after another, each part at most once."""

    def __init__(
        self,
        *,
        database: DatabaseManager,
        accounts: Accounts,
        channels: dict[str, ChannelAdapter],
        settings: WorkerSettings,
        owner: UUID,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._channels = channels
        self._settings = settings
        self._owner = owner

    async def deliver(self, creator_id: UUID, conversation_id: UUID) -> None:
        """Send what is due in a conversation, in order; at once when another worker is at it."""
        lease = await to_the_end(self._acquire(creator_id, conversation_id), self._hand_back)
        if lease is None:
            return
        with suppress(LeaseLost):
            async with leases.held(self._database, lease, self._settings.lease_seconds) as hold:
                await self._deliver_all(lease, hold)

    async def _acquire(self, creator_id: UUID, conversation_id: UUID) -> Lease | None:
        seconds = self._settings.lease_seconds
        async with self._database.transaction(creator_id) as connection:
            return await leases.acquire(
                connection, "delivery", creator_id, conversation_id, self._owner, seconds
            )

    async def _deliver_all(self, lease: Lease, hold: Hold) -> None:
        try:
            # A part that is begun is also settled: only we can learn what became of it.
            while await to_the_end(self._deliver_part(lease, hold)):
                pass
        except asyncio.CancelledError:
            await to_the_end(self._hand_back(lease))
            raise

    async def _deliver_part(self, lease: Lease, hold: Hold) -> bool:
        """Begin and send the next part. False when nothing is due: the lease is free."""
        delivery = await self._begin(lease)
        return delivery is not None and await self._send(lease, delivery, hold)

    async def _hand_back(self, lease: Lease | None) -> None:
        if lease is None:
            return
        with suppress(Unavailable):
            async with self._database.transaction(lease.creator_id) as connection:
                await leases.hand_back(connection, lease)

    async def _begin(self, lease: Lease) -> Delivery | None:
        """Write the next attempt ahead of its send; None, and the lease free, when none is due."""
        attempt_id = new_id()
        try:
            return await self._write_next(lease, attempt_id)
        except Unavailable:
            # The commit may have gone through unheard, and only we know that nothing was sent.
            await insist(lambda: self._take_back(lease, attempt_id))
            raise

    async def _take_back(self, lease: Lease, attempt_id: UUID) -> None:
        async with self._database.transaction(lease.creator_id) as connection:
            await connection.execute(_KEEP_DUE, lease.creator_id, lease.conversation_id)
            await connection.execute(_TAKE_BACK, lease.creator_id, attempt_id)

    async def _write_next(self, lease: Lease, attempt_id: UUID) -> Delivery | None:
        async with self._database.transaction(lease.creator_id) as connection:
            await leases.fence(connection, lease)
            while row := await connection.fetchrow(_NEXT, lease.creator_id, lease.conversation_id):
                if pause := pause_until(row):
                    await leases.release(connection, lease, pause)
                    return None
                refusal = verdict(row)
                if refusal is None:
                    return await self._write_ahead(connection, lease, row, attempt_id)
                await self._end(connection, lease, row["id"], *refusal)
            await leases.release(connection, lease)
        return None

    async def _write_ahead(
        self, connection: PgConnection, lease: Lease, row: Any, attempt_id: UUID
    ) -> Delivery:
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
            part = part_of(delivery, adapter)
            if not hold.is_sure:  # we stalled; another may be ahead of us in this conversation
                raise NetworkError("the lease ran out before the send")
            with telemetry.span("outbox.send", message_id=delivery.message_id, part=part.index):
                result = await send_once(adapter, delivery.address, part, record.account)
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
        except SecretError as error:
            raise AuthRevoked("the stored credentials can't be read", code=error.code) from error

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
            # In a group the error is about the group, not about who wrote last.
            case RecipientUnreachable() if delivery.address.person == delivery.address.chat:
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


async def _conversation_key(connection: PgConnection, lease: Lease) -> str:
    key: str = await connection.fetchval(
        "SELECT key FROM app.ai_conversations WHERE creator_id = $1 AND id = $2",
        lease.creator_id,
        lease.conversation_id,
    )
    return key
