"""Take turns: hold a conversation, think about each waiting message in order, commit each whole."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from uuid import UUID

import structlog

from core import jobs, leases
from core.accounts import Accounts, ChannelRecord
from core.channels import ChannelAdapter
from core.dialogue import memory, reply_stream
from core.dialogue.guard import apology, is_poison
from core.dialogue.memory import Thought, Work
from core.dialogue.presence import Presence
from core.dialogue.router import Router
from core.leases import Hold, Lease, LeaseLost
from core.live import CHANGED, LiveBus
from shared import telemetry
from shared.database import DatabaseManager
from shared.errors import Unavailable
from shared.failpoints import failpoint
from shared.settings import WorkerSettings
from shared.utils.clock import utc_now
from shared.utils.tasks import insist, to_the_end

log = structlog.get_logger(__name__)

MAX_BACKOFF_SECONDS = 300.0


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
        streams: reply_stream.Means,
        settings: WorkerSettings,
        owner: UUID,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._channels = channels
        self._router = router
        self._live = live
        self._streams = streams
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
            async with leases.held(self._database, lease, self._settings.lease_seconds) as hold:
                while work is not None:
                    with _traced(lease, work):
                        work = await self._finish(lease, work, hold)

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

    async def _finish(self, lease: Lease, work: Work, hold: Hold) -> Work | None:
        """Think about one message and commit it; the next one, or None when the lease is gone."""
        try:
            record = await self._accounts.get(lease.creator_id, work.channel_id)
            adapter = self._channels[record.account.type]
            thought = await self._think(lease, work, record, hold)
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

    async def _think(self, lease: Lease, work: Work, record: ChannelRecord, hold: Hold) -> Thought:
        if is_poison(work):
            log.error("turn.dead", message_id=str(work.message_id), starts=work.starts)
            return apology(work)
        adapter = self._channels[record.account.type]
        presence = Presence(
            database=self._database,
            live=self._live,
            lease=lease,
            work=work,
            record=record,
            adapter=adapter,
        )
        self._acknowledge(presence)
        place = reply_stream.Place(lease=lease, hold=hold, work=work, account=record.account)
        async with (
            presence.typing() as seen,
            reply_stream.growing(self._streams, place, adapter, began=seen) as stream,
            asyncio.timeout(self._settings.turn_seconds),
        ):
            await failpoint("mid-think")
            return await self._router.think(lease, work, record, stream)

    async def _commit(
        self, lease: Lease, work: Work, thought: Thought, adapter: ChannelAdapter
    ) -> Work | None:
        push = adapter.capabilities.delivery == "push"
        following: Work | None = None
        await failpoint("before-turn-commit")
        async with self._database.transaction(lease.creator_id) as connection:
            recorded = await memory.record(connection, lease, work, thought, push=push)
            if push and thought.replies:
                await jobs.enqueue(connection, "deliver", lease.creator_id, lease.conversation_id)
            if recorded.more:
                following = await memory.recall(connection, lease)
        await failpoint("after-turn-commit")
        for conversation_id in (lease.conversation_id, *recorded.posted_to):
            await self._live.publish(lease.creator_id, conversation_id, CHANGED)
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

    def _acknowledge(self, presence: Presence) -> None:
        """Beside the turn, without holding it up."""
        task = asyncio.create_task(presence.acknowledge())
        self._background.add(task)
        task.add_done_callback(self._background.discard)
