"""Take turns: hold a conversation, think about each waiting message in order, commit each whole."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from uuid import UUID

import structlog

from core import jobs, leases
from core.accounts import Accounts, ChannelRecord
from core.channels import AcknowledgesActions, Address, ChannelAdapter, Types
from core.dialogue import memory
from core.dialogue.guard import apology, is_poison
from core.dialogue.memory import Thought, Work
from core.dialogue.router import Router
from core.leases import Lease, LeaseLost
from core.live import LiveBus
from shared import telemetry
from shared.database import DatabaseManager
from shared.errors import Unavailable
from shared.failpoints import failpoint
from shared.settings import WorkerSettings
from shared.utils.clock import utc_now
from shared.utils.tasks import insist, to_the_end

log = structlog.get_logger(__name__)

MAX_BACKOFF_SECONDS = 300.0
TYPING_RENEWAL = 0.8  # renew a typing signal before it runs out
TYPING_END_SECONDS = 1.0
ACK_SECONDS = 10.0


@contextmanager
def _traced(lease: Lease, work: Work) -> Iterator[None]:
    """Every log line and span of a turn names its conversation and message."""
    ids = {"conversation_id": str(lease.conversation_id), "message_id": str(work.message_id)}
    with structlog.contextvars.bound_contextvars(**ids), telemetry.span("engine.turn", **ids):
        yield


class Engine:
    """Runs turns for one worker. Many engines may run; the lease decides who speaks."""

    def __init__(
        self,
        *,
        database: DatabaseManager,
        accounts: Accounts,
        channels: dict[str, ChannelAdapter],
        router: Router,
        live: LiveBus,
        settings: WorkerSettings,
        owner: UUID,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._channels = channels
        self._router = router
        self._live = live
        self._settings = settings
        self._owner = owner
        self._background: set[asyncio.Task[None]] = set()

    async def take_turn(self, creator_id: UUID, conversation_id: UUID) -> None:
        """Answer what is pending in a conversation, in order; returns when another holds it."""
        begun = await to_the_end(self._begin(creator_id, conversation_id), self._give_back)
        if begun is None:
            return
        lease, work = begun
        await failpoint("after-lease")
        with suppress(LeaseLost):
            async with leases.held(self._database, lease, self._settings.lease_seconds):
                while work is not None:
                    with _traced(lease, work):
                        work = await self._finish(lease, work)

    async def _begin(
        self, creator_id: UUID, conversation_id: UUID
    ) -> tuple[Lease, Work | None] | None:
        seconds = self._settings.lease_seconds
        async with self._database.transaction(creator_id) as connection:
            lease = await leases.acquire(
                connection, "turn", creator_id, conversation_id, self._owner, seconds
            )
            return (lease, await memory.recall(connection, lease)) if lease else None

    async def _give_back(self, begun: tuple[Lease, Work | None] | None) -> None:
        if begun is not None:
            await self._hand_back(*begun)

    async def _finish(self, lease: Lease, work: Work) -> Work | None:
        """Think about one message and commit it; the next one, or None when the lease is gone."""
        try:
            record = await self._accounts.get(lease.creator_id, work.channel_id)
            adapter = self._channels[record.account.type]
            thought = await self._think(lease, work, record, adapter)
            return await self._commit(lease, work, thought, adapter)
        except asyncio.CancelledError:
            await to_the_end(self._hand_back(lease, work))
            raise
        except LeaseLost:
            raise
        except Unavailable:
            await self._hand_back(lease, work)
            return None
        except Exception as error:
            # A handler of a bot may raise anything; its message rests and is tried again.
            await self._rest(lease, work, error)
            return None

    async def _think(
        self, lease: Lease, work: Work, record: ChannelRecord, adapter: ChannelAdapter
    ) -> Thought:
        if is_poison(work):
            log.error("turn.dead", message_id=str(work.message_id), starts=work.starts)
            return apology(work)
        self._acknowledge(work, record, adapter)
        async with (
            self._typing(lease, work, record, adapter),
            asyncio.timeout(self._settings.turn_seconds),
        ):
            await failpoint("mid-think")
            return await self._router.think(lease, work, record)

    async def _commit(
        self, lease: Lease, work: Work, thought: Thought, adapter: ChannelAdapter
    ) -> Work | None:
        push = adapter.capabilities.delivery == "push"
        following: Work | None = None
        await failpoint("before-turn-commit")
        async with self._database.transaction(lease.creator_id) as connection:
            more = await memory.record(connection, lease, work, thought, push=push)
            if push and thought.replies:
                await jobs.enqueue(connection, "deliver", lease.creator_id, lease.conversation_id)
            if more:
                following = await memory.recall(connection, lease)
        await failpoint("after-turn-commit")
        await self._live.publish(lease.creator_id, lease.conversation_id, {"event": "changed"})
        telemetry.TURNS.labels(str(lease.creator_id), thought.status, thought.rung or "bot").inc()
        log.info("turn.completed", message_id=str(work.message_id), rung=thought.rung)
        return following

    async def _rest(self, lease: Lease, work: Work, error: Exception) -> None:
        log.warning(
            "turn.failed",
            message_id=str(work.message_id),
            failures=work.failures + 1,
            error=type(error).__name__,
            exc_info=error,
        )
        pause = min(self._settings.retry_seconds * 2**work.failures, MAX_BACKOFF_SECONDS)
        due_at = utc_now() + timedelta(seconds=pause)
        code = getattr(error, "code", type(error).__name__)
        async with self._database.transaction(lease.creator_id) as connection:
            await memory.record_failure(connection, lease, work, code, due_at)

    async def _hand_back(self, lease: Lease, work: Work | None) -> None:
        async def undo() -> None:
            async with self._database.transaction(lease.creator_id) as connection:
                await memory.undo_start(connection, lease, work)

        # Else an outage in a turn would look like the death of its worker, and two like poison.
        with suppress(Unavailable):
            await insist(undo)

    @asynccontextmanager
    async def _typing(
        self, lease: Lease, work: Work, record: ChannelRecord, adapter: ChannelAdapter
    ) -> AsyncIterator[None]:
        """Show that we are at it, on a channel that can; never a reason for a turn to fail."""
        ended = asyncio.Event()
        show = asyncio.create_task(self._show_typing(lease, work, record, adapter, ended))
        try:
            yield
        finally:
            ended.set()
            show.cancel()
            # A client may turn a cancellation into an error of its own; a turn never waits for it.
            await asyncio.wait({show}, timeout=TYPING_END_SECONDS)
            if adapter.capabilities.delivery == "pull":
                await self._live.publish(
                    lease.creator_id, lease.conversation_id, {"event": "typing", "on": False}
                )

    async def _show_typing(
        self,
        lease: Lease,
        work: Work,
        record: ChannelRecord,
        adapter: ChannelAdapter,
        ended: asyncio.Event,
    ) -> None:
        seconds = adapter.capabilities.typing_seconds
        to = Address.model_validate(work.address)
        with suppress(Exception):
            while seconds and not ended.is_set():
                if isinstance(adapter, Types):
                    await adapter.typing(to, record.account)
                else:
                    typing = {"event": "typing", "on": True}
                    await self._live.publish(lease.creator_id, lease.conversation_id, typing)
                with suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), seconds * TYPING_RENEWAL)

    def _acknowledge(self, work: Work, record: ChannelRecord, adapter: ChannelAdapter) -> None:
        """Stop a button's spinner, beside the turn and without holding it up."""
        ack = work.payload.get("ack")
        if not ack or not isinstance(adapter, AcknowledgesActions):
            return

        async def stop_spinner() -> None:
            with suppress(Exception):
                async with asyncio.timeout(ACK_SECONDS):
                    await adapter.ack_action(ack, record.account)

        task = asyncio.create_task(stop_spinner())
        self._background.add(task)
        task.add_done_callback(self._background.discard)
