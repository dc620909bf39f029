"""Send what was committed: write ahead, send one part once, settle. Our only retry policy."""

import asyncio
from contextlib import suppress
from uuid import UUID

from core import attempts, leases, sending
from core.accounts import Accounts
from core.channels import ChannelAdapter
from core.leases import Hold, Lease, LeaseLost
from core.pace import Pace
from core.sending import PAUSED_SECONDS, Delivery, Envelope, is_taken_back, parts_of
from core.settling import Settler
from shared import telemetry
from shared.database import DatabaseManager
from shared.errors import (
    AuthRevoked,
    ChannelError,
    MessageRejected,
    NetworkError,
    OutcomeUnknown,
    RateLimited,
    SecretError,
    Unavailable,
)
from shared.failpoints import failpoint
from shared.settings import WorkerSettings
from shared.utils.tasks import insist, to_the_end


class Outbox:
    """Delivers committed messages of one conversation after another, each part at most once."""

    def __init__(
        self,
        *,
        database: DatabaseManager,
        accounts: Accounts,
        channels: dict[str, ChannelAdapter],
        pace: Pace,
        settings: WorkerSettings,
        owner: UUID,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._channels = channels
        self._pace = pace
        self._settings = settings
        self._owner = owner
        self._settler = Settler(
            database=database, accounts=accounts, channels=channels, settings=settings
        )

    async def deliver(self, creator_id: UUID, conversation_id: UUID) -> None:
        """Send what is due in a conversation, in order; at once when another worker is at it."""
        taken = await to_the_end(self._take(creator_id, conversation_id), self._give_back)
        if taken is None:
            return
        lease, delivery = taken
        if delivery is None:
            return
        with suppress(LeaseLost):
            async with leases.held(self._database, lease, self._settings.lease_seconds) as hold:
                await self._deliver_all(lease, delivery, hold)

    # --- the lease

    async def _take(
        self, creator_id: UUID, conversation_id: UUID
    ) -> tuple[Lease, Delivery | None] | None:
        """The lease with what is first to do; without that it is free again already."""
        seconds = self._settings.lease_seconds
        async with self._database.transaction(creator_id) as connection:
            lease = await leases.acquire(
                connection, "delivery", creator_id, conversation_id, self._owner, seconds
            )
            return (lease, await self._settler.next(connection, lease)) if lease else None

    async def _give_back(self, taken: tuple[Lease, Delivery | None] | None) -> None:
        if taken is not None:
            await self._hand_back(taken[0])

    async def _hand_back(self, lease: Lease) -> None:
        with suppress(Unavailable):
            async with self._database.transaction(lease.creator_id) as connection:
                await leases.hand_back(connection, lease)

    # --- one delivery after another

    async def _deliver_all(self, lease: Lease, delivery: Delivery, hold: Hold) -> None:
        following: Delivery | None = delivery
        try:
            while following is not None:
                following = await self._deliver(lease, following, hold)
        except (asyncio.CancelledError, Unavailable):
            await to_the_end(self._hand_back(lease))
            raise

    async def _deliver(self, lease: Lease, delivery: Delivery, hold: Hold) -> Delivery | None:
        """Do one thing about a part; the next delivery, or None when the lease is free."""
        try:
            envelope = await self._envelope(lease, delivery)
        except (MessageRejected, AuthRevoked) as error:
            refusal = error
            return await to_the_end(insist(lambda: self._settler.refused(lease, delivery, refusal)))
        if envelope is None:
            return await to_the_end(self._settler.all_out(lease, delivery))
        if delivery.begun_at is not None:
            return await to_the_end(self._reconcile(lease, envelope, hold))
        if wait := await self._wait(envelope):
            return await to_the_end(self._settler.rest(lease, wait))
        # A part that is begun is also settled: only we can learn what became of it.
        return await to_the_end(self._deliver_part(lease, envelope, hold))

    async def _envelope(self, lease: Lease, delivery: Delivery) -> Envelope | None:
        """None when all parts are out. Raises MessageRejected when there never was one."""
        try:
            record = await self._accounts.get(lease.creator_id, delivery.channel_id)
        except SecretError as error:
            raise AuthRevoked("the stored credentials can't be read", code=error.code) from error
        adapter = self._channels[record.account.type]
        parts = parts_of(delivery, adapter)
        if not parts:  # nothing in it that anybody would see
            raise MessageRejected("The message is empty.", code="message_empty")
        if delivery.part >= len(parts):
            return None
        part = parts[delivery.part]
        return Envelope(delivery=delivery, adapter=adapter, account=record.account, part=part)

    async def _wait(self, envelope: Envelope) -> float:
        account, to = envelope.account, envelope.delivery.address
        if is_taken_back(account, to):
            return PAUSED_SECONDS
        return await self._pace.admit(account, envelope.adapter.capabilities, to)

    # --- one part

    async def _deliver_part(self, lease: Lease, envelope: Envelope, hold: Hold) -> Delivery | None:
        begun, following = await self._begin(lease, envelope)
        return await self._send(lease, envelope, hold) if begun else following

    async def _begin(self, lease: Lease, envelope: Envelope) -> tuple[bool, Delivery | None]:
        """Write the attempt ahead of its send; (False, what to do instead) when it mustn't be."""
        try:
            async with self._database.transaction(lease.creator_id) as connection:
                parts = envelope.part.count
                if await attempts.begin(connection, lease, envelope.delivery, parts):
                    return True, None
                await leases.fence(connection, lease)
                return False, await self._settler.next(connection, lease)
        except Unavailable:
            # The commit may have gone through unheard, and only we know that nothing was sent.
            await insist(lambda: self._take_back(lease, envelope.delivery.attempt_id))
            raise

    async def _take_back(self, lease: Lease, attempt_id: UUID) -> None:
        async with self._database.transaction(lease.creator_id) as connection:
            await attempts.take_back(connection, lease, attempt_id)

    async def _send(self, lease: Lease, envelope: Envelope, hold: Hold) -> Delivery | None:
        """Send one part and settle it."""
        await failpoint("after-sending")
        ids = {"message_id": envelope.delivery.message_id, "part": envelope.part.index}
        try:
            if not hold.is_sure:  # we stalled; another may be ahead of us in this conversation
                raise NetworkError("the lease ran out before the send")
            with telemetry.span("outbox.send", **ids):
                result = await sending.send_once(envelope, self._settings.send_seconds)
        except ChannelError as error:
            refusal = error
            if isinstance(error, RateLimited):
                await self._rest(envelope, error)
            return await insist(lambda: self._settler.failed(lease, envelope, refusal))
        await failpoint("after-provider-2xx")
        return await insist(lambda: self._settler.sent(lease, envelope, result))

    async def _rest(self, envelope: Envelope, error: RateLimited) -> None:
        capabilities = envelope.adapter.capabilities
        await self._pace.rest(envelope.account, capabilities, envelope.delivery.address, error)

    # --- one part whose outcome nobody knows

    async def _is_claimed(self, lease: Lease, delivery: Delivery, names: tuple[str, ...]) -> bool:
        if not names:
            return False
        async with self._database.transaction(lease.creator_id) as connection:
            return await attempts.is_claimed(connection, delivery, lease.creator_id, names)

    async def _reconcile(self, lease: Lease, envelope: Envelope, hold: Hold) -> Delivery | None:
        """Ask the platform what became of it. The conversation waits: its order is kept."""
        delivery, since = envelope.delivery, envelope.delivery.begun_at
        assert since is not None  # noqa: S101 - only what was begun is asked for
        try:
            if not hold.is_sure:
                raise LeaseLost
            with telemetry.span("outbox.reconcile", message_id=delivery.message_id):
                found = await sending.find(envelope, since, self._settings.send_seconds)
            names = found.external_ids if found else ()
            if await insist(lambda: self._is_claimed(lease, delivery, names)):
                raise OutcomeUnknown("What was found is another message of the same text.")
        except ChannelError as error:
            refusal = error
            return await insist(lambda: self._settler.unanswered(lease, envelope, refusal))
        if found is None:
            return await insist(lambda: self._settler.not_found(lease, delivery))
        result = found
        return await insist(lambda: self._settler.sent(lease, envelope, result))
