"""A bounded queue before a model host, since the host itself lets requests wait without bound."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.llm.base import ModelOverloaded


class Admission:
    """`parallel` calls at once and `queue` waiting; whoever comes after that is refused at once."""

    def __init__(self, *, parallel: int = 1, queue: int = 16) -> None:
        self._slots = asyncio.Semaphore(parallel)
        self._queue = queue
        self.waiting = 0
        self.active = 0

    @asynccontextmanager
    async def slot(self, *, within_seconds: float) -> AsyncIterator[None]:
        """Hold a slot. Raises ModelOverloaded when none comes free in time."""
        await self._enter(within_seconds)
        self.active += 1
        try:
            yield
        finally:
            self.active -= 1
            self._slots.release()

    async def _enter(self, within_seconds: float) -> None:
        if self._slots.locked() and self.waiting >= self._queue:
            raise ModelOverloaded()
        self.waiting += 1
        try:
            async with asyncio.timeout(max(within_seconds, 0)):
                await self._slots.acquire()
        except TimeoutError as error:
            raise ModelOverloaded() from error
        finally:
            self.waiting -= 1
