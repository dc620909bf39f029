"""Signs of life: "typing…" while a turn thinks, the end of a tapped button's spinner.

Never a reason for a turn to fail or to wait.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from core.accounts import ChannelRecord
from core.channels import AcknowledgesActions, Address, ChannelAdapter, Types
from core.dialogue import stream_rows
from core.dialogue.memory import Work
from core.leases import Lease
from core.live import LiveBus
from shared.database import DatabaseManager
from shared.errors import ChannelError, RateLimited

# Whoever is answered sooner needs no sign, and the platform no call.
DELAY_SECONDS = 0.3
RENEWAL = 0.8  # of the time one signal lasts
CALL_SECONDS = 5.0
END_SECONDS = 1.0
ACK_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Presence:
    """One turn's signs of life on its channel."""

    database: DatabaseManager
    live: LiveBus
    lease: Lease
    work: Work
    record: ChannelRecord
    adapter: ChannelAdapter

    @asynccontextmanager
    async def typing(self) -> AsyncIterator[asyncio.Event]:
        """Signal until the block ends, or until the event it gives is set."""
        ended = asyncio.Event()
        show = asyncio.create_task(self._show_typing(ended))
        try:
            yield ended
        finally:
            ended.set()
            show.cancel()
            # A client may turn a cancellation into an error of its own; a turn never waits for it.
            await asyncio.wait({show}, timeout=END_SECONDS)
            if self.adapter.capabilities.delivery == "pull":
                await self._publish(on=False)

    async def _show_typing(self, ended: asyncio.Event) -> None:
        lasts = self.adapter.capabilities.typing_seconds
        pause = DELAY_SECONDS if isinstance(self.adapter, Types) else 0.0
        with suppress(Exception):
            while lasts and not await _is_set_within(ended, pause):
                pause = await self._signal(lasts * RENEWAL)

    async def _signal(self, pause: float) -> float:
        """Signal once; in how many seconds to do so again. Raises when it is not worth trying."""
        if not isinstance(self.adapter, Types):
            await self._publish(on=True)
            return pause
        if not await stream_rows.may_call(self.database, self.lease):
            return pause
        try:
            async with asyncio.timeout(CALL_SECONDS):
                to = Address.model_validate(self.work.address)
                await self.adapter.typing(to, self.record.account)
        except TimeoutError:
            return pause
        except Exception as error:
            return max(pause, _rest_after(self.adapter.classify(error)))
        return pause

    async def _publish(self, *, on: bool) -> None:
        typing = {"event": "typing", "on": on}
        await self.live.publish(self.lease.creator_id, self.lease.conversation_id, typing)

    async def acknowledge(self) -> None:
        """Stop a tapped button's spinner."""
        ack = self.work.payload.get("ack")
        if not ack or not isinstance(self.adapter, AcknowledgesActions):
            return
        with suppress(Exception):
            async with asyncio.timeout(ACK_SECONDS):
                await self.adapter.ack_action(ack, self.record.account)


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()


def _rest_after(error: ChannelError) -> float:
    """For how long a failure that passes is to be waited out; others are raised."""
    if isinstance(error, RateLimited):
        return error.retry_after or 0.0
    if error.retryable:
        return 0.0
    raise error
