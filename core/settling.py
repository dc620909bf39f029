"""What becomes of an attempt: each outcome in one transaction, which also reads what is next."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog

from core import attempts, installations, leases, receipts
from core.accounts import Accounts
from core.attempts import MAX_ATTEMPTS
from core.channels import ChannelAdapter, Reconciles, SendResult, Streams
from core.dialogue.standing import move, set_reachable
from core.leases import Lease, LeaseLost
from core.sending import PAUSED_SECONDS, Delivery, Envelope, delivery_of, pause_until, verdict
from shared import telemetry
from shared.database import DatabaseManager, PgConnection
from shared.errors import (
    AuthRevoked,
    ChannelError,
    ConversationMoved,
    OutcomeUnknown,
    RecipientUnreachable,
)
from shared.failpoints import failpoint
from shared.settings import WorkerSettings
from shared.utils.clock import utc_now
from shared.utils.ids import new_id

log = structlog.get_logger(__name__)

MAX_BACKOFF_SECONDS = 300.0
FIRST_ASK_SECONDS = 1.0
MAX_ASK_SECONDS = 60.0
LEAST_ASKED = 4  # also when the platform was away for longer than we ask

_BLOCK = """
UPDATE app.channels SET blocked_until = greatest(blocked_until, $3)
WHERE creator_id = $1 AND id = $2
"""
# Of a channel whose credentials we can't read; `installations.revoke` is for the others.
_REVOKE = """
UPDATE app.channels SET status = 'revoked', status_reason = $3, updated_at = now()
WHERE creator_id = $1 AND id = $2
"""
_KEY = "SELECT key FROM app.ai_conversations WHERE creator_id = $1 AND id = $2"


@dataclass(frozen=True, kw_only=True)
class _Judgement:
    """What an error means: the message's status, the attempt's outcome, when to go on."""

    status: str
    outcome: str
    wait: float | None = None
    drop_stream: bool = False
    ask_later: bool = False


_FAILED = _Judgement(status="failed", outcome="refused")
_UNCERTAIN = _Judgement(status="uncertain", outcome="unknown")


class Settler:
    """Writes outcomes for one worker. Each method gives the next delivery, or None: lease free."""

    def __init__(
        self,
        *,
        database: DatabaseManager,
        accounts: Accounts,
        channels: Mapping[str, ChannelAdapter],
        settings: WorkerSettings,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._channels = channels
        self._settings = settings

    # --- what is next

    async def next(self, connection: PgConnection, lease: Lease) -> Delivery | None:
        """What to do next in the caller's transaction, which holds the conversation's lock."""
        while row := await attempts.next_row(connection, lease):
            if due_at := pause_until(row):
                await leases.release(connection, lease, due_at)
                return None
            if row["status"] == "sending":
                if self._can_ask(row):
                    return delivery_of(row, new_id())
                await self._orphaned(connection, lease, row)
            elif refusal := verdict(row):
                await attempts.refuse(connection, lease.creator_id, row["id"], *refusal)
            else:
                return delivery_of(row, new_id())
        await leases.release(connection, lease)
        return None

    def _can_ask(self, row: Any) -> bool:
        adapter = self._channels.get(row["channel_type"])
        return isinstance(adapter, Reconciles) and row["attempt_id"] and not self._grows(row)

    def _grows(self, row: Any) -> bool:
        is_first = row["stream"] is not None and row["parts_sent"] == 0
        return is_first and isinstance(self._channels.get(row["channel_type"]), Streams)

    async def _orphaned(self, connection: PgConnection, lease: Lease, row: Any) -> None:
        """The worker died between writing ahead and settling: the part may be out or not."""
        code = "worker_died_while_sending"
        if row["attempt_id"] is None:
            await attempts.refuse(connection, lease.creator_id, row["id"], "uncertain", code)
            return
        found = ("queued", "retry") if self._grows(row) else ("uncertain", "unknown")
        delivery = delivery_of(row, new_id())
        await attempts.end(connection, lease.creator_id, delivery, *found, code)

    async def rest(self, lease: Lease, seconds: float) -> None:
        """Let go until it is worth going on."""
        due_at = utc_now() + timedelta(seconds=seconds)
        async with self._database.transaction(lease.creator_id) as connection:
            await leases.release(connection, lease, due_at)

    # --- outcomes

    async def sent(self, lease: Lease, envelope: Envelope, result: SendResult) -> Delivery | None:
        """A part is out: recorded also when the lease is lost, as only the sender knows its name.

        Raises LeaseLost then, once that is committed.
        """
        creator_id, delivery, ids = lease.creator_id, envelope.delivery, result.external_ids
        following: Delivery | None = None
        async with self._database.transaction(creator_id) as connection:
            held = await attempts.lock(connection, lease, ids)
            if not held:
                await attempts.keep_due(connection, creator_id, lease.conversation_id)
            early = await attempts.sent(
                connection,
                creator_id,
                channel_id=delivery.channel_id,
                message_id=delivery.message_id,
                attempt_id=delivery.attempt_id,
                part=delivery.part,
                parts=envelope.part.count,
                provider_ids=ids,
            )
            await receipts.settle_early(connection, creator_id, delivery.channel_id, early)
            if envelope.part.count > 1:
                await receipts.merge(connection, creator_id, delivery.message_id)
            if held:
                following = await self.next(connection, lease)
            await failpoint("before-sent-commit")
        telemetry.SENDS.labels(str(creator_id), "sent").inc()
        if not held:
            raise LeaseLost
        return following

    async def failed(
        self, lease: Lease, envelope: Envelope, error: ChannelError
    ) -> Delivery | None:
        """A begun part was refused, or may be out, or may be tried again."""
        delivery = envelope.delivery
        log.info("send.failed", message_id=str(delivery.message_id), code=error.detail_code)
        async with self._database.transaction(lease.creator_id) as connection:
            held = await attempts.lock(connection, lease)
            judgement = await self._judge(connection, lease, envelope, error)
            await self._write(connection, lease, delivery, judgement, error)
            following = await self._go_on(connection, lease, judgement.wait) if held else None
        telemetry.SENDS.labels(str(lease.creator_id), judgement.outcome).inc()
        if not held:
            raise LeaseLost
        return following

    async def refused(
        self, lease: Lease, delivery: Delivery, error: ChannelError
    ) -> Delivery | None:
        """Nothing was begun: there is nothing to send, or nothing to send it with."""
        log.info("send.refused", message_id=str(delivery.message_id), code=error.detail_code)
        creator_id, message_id = lease.creator_id, delivery.message_id
        async with self._database.transaction(creator_id) as connection:
            await leases.fence(connection, lease)
            code = error.detail_code
            if isinstance(error, AuthRevoked):
                self._accounts.forget(delivery.channel_id)
                await connection.execute(_REVOKE, creator_id, delivery.channel_id, code)
            else:
                await attempts.refuse(connection, creator_id, message_id, "failed", code)
            return await self.next(connection, lease)

    async def all_out(self, lease: Lease, delivery: Delivery) -> Delivery | None:
        """A receipt told of the last part before we did."""
        async with self._database.transaction(lease.creator_id) as connection:
            await leases.fence(connection, lease)
            await attempts.all_out(connection, lease.creator_id, delivery.message_id)
            await receipts.merge(connection, lease.creator_id, delivery.message_id)
            return await self.next(connection, lease)

    # --- outcomes that were asked for

    async def not_found(self, lease: Lease, delivery: Delivery) -> Delivery | None:
        """The platform hasn't got it: it goes again, before all that came after it.

        Not before that is sure: the platform may take a moment to show what it took, and the call
        of a worker that died may have hung for long before its bytes left.
        """
        hung = timedelta(seconds=self._settings.send_seconds)
        over_at = delivery.over_at or (delivery.begun_at or utc_now()) + hung
        proof_at = over_at + timedelta(seconds=self._settings.grace_seconds)
        async with self._database.transaction(lease.creator_id) as connection:
            await leases.fence(connection, lease)
            if utc_now() < proof_at:
                await leases.release(connection, lease, proof_at)
                return None
            await attempts.unsent(connection, lease.creator_id, delivery.attempt_id)
            return await self.next(connection, lease)

    async def unanswered(
        self, lease: Lease, envelope: Envelope, error: ChannelError
    ) -> Delivery | None:
        """The platform couldn't tell: it is asked again later, then a person has to look."""
        creator_id, delivery, code = lease.creator_id, envelope.delivery, error.detail_code
        log.info("send.not_reconciled", message_id=str(delivery.message_id), code=code)
        async with self._database.transaction(creator_id) as connection:
            await leases.fence(connection, lease)
            wait = self._ask_in(delivery, error)
            if isinstance(error, AuthRevoked):
                wait = await self._revoke(connection, envelope, error) or PAUSED_SECONDS
            if wait is None:
                judgement = (_UNCERTAIN.status, _UNCERTAIN.outcome)
                await attempts.end(connection, creator_id, delivery, *judgement, code)
            else:
                await attempts.ask_later(connection, creator_id, delivery, code)
            return await self._go_on(connection, lease, wait)

    def _ask_in(self, delivery: Delivery, error: ChannelError) -> float | None:
        begun_at = delivery.begun_at or utc_now()
        elapsed = (utc_now() - begun_at).total_seconds()
        is_over = elapsed > self._settings.reconcile_seconds and delivery.attempts >= LEAST_ASKED
        if is_over or not (error.retryable or isinstance(error, OutcomeUnknown)):
            return None
        # As long again as it has been already: twice the time at each attempt.
        backoff = min(max(elapsed, self._settings.retry_seconds), MAX_ASK_SECONDS)
        return max(backoff, error.retry_after or 0.0)

    # --- what an error means

    async def _judge(
        self, connection: PgConnection, lease: Lease, envelope: Envelope, error: ChannelError
    ) -> _Judgement:
        """By the error's class; retryable ones prove that nothing was sent."""
        creator_id, delivery = lease.creator_id, envelope.delivery
        again = delivery.attempts < MAX_ATTEMPTS
        wait = self._wait(delivery, error) if again else None
        match error:
            case OutcomeUnknown():
                return self._unknown(envelope, wait)
            case ConversationMoved() if again:
                key = await connection.fetchval(_KEY, creator_id, lease.conversation_id)
                await move(connection, creator_id, delivery.channel_id, key, error.new_chat)
                return _Judgement(status="queued", outcome="retry")
            case AuthRevoked():
                pause = await self._revoke(connection, envelope, error)
                return _Judgement(status="queued", outcome="retry", wait=pause)
            case RecipientUnreachable():
                await _mark_unreachable(connection, creator_id, delivery, error.reason)
                return _FAILED
        if error.retryable and again:
            return _Judgement(status="queued", outcome="retry", wait=wait)
        if envelope.streams:  # what grew there can't be completed: it goes as a message of its own
            return _Judgement(status="queued", outcome="refused", drop_stream=True)
        return _FAILED

    def _unknown(self, envelope: Envelope, wait: float | None) -> _Judgement:
        if envelope.streams and wait is not None:
            return _Judgement(status="queued", outcome="retry", wait=wait)
        if not envelope.streams and isinstance(envelope.adapter, Reconciles):
            soon = min(FIRST_ASK_SECONDS, self._settings.grace_seconds)
            return _Judgement(status="sending", outcome="unknown", wait=soon, ask_later=True)
        return _UNCERTAIN

    def _wait(self, delivery: Delivery, error: ChannelError) -> float:
        if error.retry_after is not None:
            return error.retry_after
        doubled: float = self._settings.retry_seconds * 2.0 ** (delivery.attempts - 1)
        return min(doubled, MAX_BACKOFF_SECONDS)

    async def _revoke(
        self, connection: PgConnection, envelope: Envelope, error: AuthRevoked
    ) -> float | None:
        """Stop the channel, or only the space that was taken back: how long that one waits."""
        account, space = envelope.account, envelope.delivery.address.space
        self._accounts.forget(account.channel_id)
        what = await installations.revoke(connection, account, space, error.detail_code)
        return PAUSED_SECONDS if what == "space" else None

    async def _write(
        self,
        connection: PgConnection,
        lease: Lease,
        delivery: Delivery,
        judgement: _Judgement,
        error: ChannelError,
    ) -> None:
        creator_id, code = lease.creator_id, error.detail_code
        if judgement.ask_later:
            await attempts.ask_later(connection, creator_id, delivery, code)
            return
        await attempts.end(
            connection,
            creator_id,
            delivery,
            judgement.status,
            judgement.outcome,
            code,
            drop_stream=judgement.drop_stream,
        )
        if judgement.wait is not None and error.scope == "channel" and error.retryable:
            due_at = utc_now() + timedelta(seconds=judgement.wait)
            await connection.execute(_BLOCK, creator_id, delivery.channel_id, due_at)

    async def _go_on(
        self, connection: PgConnection, lease: Lease, wait: float | None
    ) -> Delivery | None:
        if wait is None:
            return await self.next(connection, lease)
        await leases.release(connection, lease, utc_now() + timedelta(seconds=wait))
        return None


async def _mark_unreachable(
    connection: PgConnection, creator_id: UUID, delivery: Delivery, reason: str
) -> None:
    # In a group the error is about the group, not about who wrote last.
    address = delivery.address
    if address.person is not None and address.is_private:
        where = (creator_id, delivery.channel_id, address.person)
        await set_reachable(connection, *where, reason)
