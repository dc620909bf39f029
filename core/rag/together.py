"""Writes to one place that come while another is under way go together in the next one.

Each small document brings a vector or two, and a call costs Chroma the same for one as for many.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
_Waiting = tuple[Sequence[Item], asyncio.Future[None]]


class Together(Generic[Key, Item]):
    """`write` takes a key and at most `limit` items, unless one caller brings more.

    `blamed` is the error that some of the items are to blame for: then each caller's go alone.
    """

    def __init__(
        self,
        write: Callable[[Key, Sequence[Item]], Awaitable[None]],
        *,
        limit: int,
        blamed: type[Exception],
    ) -> None:
        self._write = write
        self._limit = limit
        self._blamed = blamed
        self._waiting: dict[Key, list[_Waiting[Item]]] = {}
        self._writers: dict[Key, asyncio.Task[None]] = {}

    async def add(self, key: Key, items: Sequence[Item]) -> None:
        """Returns when they are written; raises what `write` raised for them."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append((items, done))
        if key not in self._writers:
            self._writers[key] = asyncio.create_task(self._drain(key))
        await done

    async def close(self) -> None:
        """Stop writing; who still waits is cancelled."""
        writers = list(self._writers.values())
        for writer in writers:
            writer.cancel()
        await asyncio.gather(*writers, return_exceptions=True)

    async def _drain(self, key: Key) -> None:
        taken: list[_Waiting[Item]] = []
        try:
            while self._waiting.get(key):
                taken = self._take(key)
                await self._write_all(key, taken)
        finally:
            del self._writers[key]
            for _, done in (*taken, *self._waiting.pop(key, [])):
                done.cancel()

    def _take(self, key: Key) -> list[_Waiting[Item]]:
        waiting, size, count = self._waiting[key], 0, 0
        for items, _ in waiting:
            size += len(items)
            if count and size > self._limit:
                break
            count += 1
        self._waiting[key] = waiting[count:]
        return waiting[:count]

    async def _write_all(self, key: Key, taken: Sequence[_Waiting[Item]]) -> None:
        try:
            await self._write(key, [item for items, _ in taken for item in items])
        except Exception as error:
            if isinstance(error, self._blamed) and len(taken) > 1:
                for one in taken:
                    await self._write_all(key, [one])
                return
            for _, done in taken:
                _end(done, error)
        else:
            for _, done in taken:
                _end(done, None)


def _end(done: asyncio.Future[None], error: Exception | None) -> None:
    if done.done():
        return  # who waited has gone
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
