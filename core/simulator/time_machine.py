"""Let hours and days pass in the simulator: the clock stops at everything that is due on the way.

It moves the clock that programs go by; the same worker as ever finds what is due and sends it.
"""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from core.programs.sends.gates import IMPOSED
from shared.database import DatabaseManager
from shared.errors import Conflict, Unavailable
from shared.utils.clock import Clock

log = structlog.get_logger(__name__)

MAX_TRAVEL = timedelta(days=62)
LOOK_SECONDS = 0.1
# A channel may take its time over many messages; then the clock goes on without them.
STOP_SECONDS = 30.0

# What others hold up is looked at every few minutes, and days of that would take minutes: the clock
# stops there only when it is over.
_NEXT = """
SELECT CASE WHEN defer_reason = ANY ($4) THEN greatest(due_at, coalesce(window_end, 'infinity'))
            ELSE due_at END AS stop
FROM app.scheduled_sends WHERE creator_id = $1 AND state = 'waiting'
"""
# Questions that nobody answers in time: their programs go on then.
_UNANSWERED = """
SELECT answer_until FROM app.scheduled_sends
WHERE creator_id = $1 AND state = 'sent' AND answered_at IS NULL AND missed_at IS NULL
"""
_FIRST = "SELECT min(stop) FROM ({}) AS found WHERE stop > $2 AND stop <= $3"
_NEXT_SEND = _FIRST.format(_NEXT)
_NEXT_STOP = _FIRST.format(f"{_NEXT} UNION ALL {_UNANSWERED}")
_BUSY = f"""
SELECT EXISTS (SELECT FROM app.scheduled_sends WHERE creator_id = $1
               AND (state = 'claimed' OR state = 'waiting' AND due_at <= $2))
    OR EXISTS ({_UNANSWERED} AND answer_until <= $2)
    OR EXISTS (SELECT FROM app.ai_conversations WHERE creator_id = $1
               AND (inbound_due_at <= now() OR outbound_due_at <= now()))
"""  # noqa: S608 - constants only


class AlreadyMoving(Conflict):
    """Time is passing already."""

    code = "time_is_passing"


class TimeMachine:
    """One creator's time, in one process with the worker that sends what is due."""

    def __init__(self, database: DatabaseManager, clock: Clock, creator_id: UUID) -> None:
        self._database = database
        self._clock = clock
        self._creator_id = creator_id
        self._travel: asyncio.Task[None] | None = None

    @property
    def now(self) -> datetime:
        return self._clock.now()

    @property
    def is_moving(self) -> bool:
        return self._travel is not None and not self._travel.done()

    async def next_due(self) -> datetime | None:
        """When the next send is due, within the farthest travel."""
        return await self._next(_NEXT_SEND, self.now + MAX_TRAVEL)

    def start(self, target: datetime) -> None:
        """Begin to travel. Raises AlreadyMoving; a target in the past is now."""
        if self.is_moving:
            raise AlreadyMoving
        self._travel = asyncio.create_task(self._survive(target))

    async def travel(self, target: datetime) -> None:
        """Move to `target`, and stop where something is due until it is sent and answered."""
        while (stop := await self._next(_NEXT_STOP, target)) is not None:
            self._move_to(stop)
            await self._settle()
        self._move_to(target)
        await self._settle()

    async def close(self) -> None:
        if self._travel is not None:
            self._travel.cancel()
            await asyncio.gather(self._travel, return_exceptions=True)

    def _move_to(self, moment: datetime) -> None:
        """Forward only: the clock has gone on while we looked."""
        if moment > self.now:
            self._clock.move_to(moment)

    async def _survive(self, target: datetime) -> None:
        try:
            await self.travel(target)
        except Unavailable:
            log.warning("simulator.travel_ended", at=self.now.isoformat())

    async def _settle(self) -> None:
        try:
            async with asyncio.timeout(STOP_SECONDS):
                while await self._is_busy():  # noqa: ASYNC110 - rows that a worker changes
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            log.warning("simulator.still_busy", at=self.now.isoformat())

    async def _is_busy(self) -> bool:
        async with self._database.transaction(self._creator_id) as connection:
            return bool(await connection.fetchval(_BUSY, self._creator_id, self.now))

    async def _next(self, sql: str, until: datetime) -> datetime | None:
        async with self._database.transaction(self._creator_id) as connection:
            found: datetime | None = await connection.fetchval(
                sql, self._creator_id, self.now, until, list(IMPOSED)
            )
        return found
