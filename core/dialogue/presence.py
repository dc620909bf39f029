"""Signs of life: "typing…" while a turn thinks, the end of a tapped button's spinner.

Never a reason for a turn to fail or to wait.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from uuid import UUID

from core.accounts import ChannelRecord
from core.channels import AcknowledgesActions, Address, ChannelAdapter, Types
from core.dialogue.memory import Work
from core.live import LiveBus
from shared.errors import ChannelError, RateLimited

RENEWAL = 0.8  # of the time one signal lasts
CALL_SECONDS = 5.0
END_SECONDS = 1.0
ACK_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Presence:
    """One turn's signs of life on its channel."""

    live: LiveBus
    conversation_id: UUID
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
        with suppress(Exception):
            while lasts and not ended.is_set():
                pause = await self._signal(lasts * RENEWAL)
                with suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), pause)

    async def _signal(self, pause: float) -> float:
        """Signal once; in how many seconds to do so again. Raises when it is not worth trying."""
        if not isinstance(self.adapter, Types):
            await self._publish(on=True)
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
        creator_id = self.record.account.creator_id
        await self.live.publish(creator_id, self.conversation_id, {"event": "typing", "on": on})

    async def acknowledge(self) -> None:
        """Stop a tapped button's spinner."""
        ack = self.work.payload.get("ack")
        if not ack or not isinstance(self.adapter, AcknowledgesActions):
            return
        with suppress(Exception):
            async with asyncio.timeout(ACK_SECONDS):
                await self.adapter.ack_action(ack, self.record.account)


def _rest_after(error: ChannelError) -> float:
    """For how long a failure that passes is to be waited out; others are raised."""
    if isinstance(error, RateLimited):
        return error.retry_after or 0.0
    if error.retryable:
        return 0.0
    raise error
