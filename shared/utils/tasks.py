"""Finishing what only this process knows: uncancelled, and in spite of a database that is away."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from shared.errors import Unavailable

T = TypeVar("T")

INSIST_SECONDS = 15.0
PAUSE_SECONDS = 0.5


async def to_the_end(
    work: Coroutine[Any, Any, T], undo: Callable[[T], Coroutine[Any, Any, None]] | None = None
) -> T:
    """Await `work`. A cancellation, or several, takes effect once it has ended: keep it short.

    `undo` then gives back what the work brought and nobody will receive.
    """
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait({task})
        if undo is not None and not task.cancelled() and task.exception() is None:
            await to_the_end(undo(task.result()))
        raise


async def insist(write: Callable[[], Awaitable[T]]) -> T:
    """Call `write` until the database takes it. Raises Unavailable after `INSIST_SECONDS`."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + INSIST_SECONDS
    while True:
        try:
            return await write()
        except Unavailable:
            if loop.time() >= ends_at:
                raise
        await asyncio.sleep(PAUSE_SECONDS)
