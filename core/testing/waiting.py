"""Wait for a state with a deadline, never for a length of time."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

POLL_SECONDS = 0.01
# Each look may cost a query: what is not there soon is looked for less often.
LONGEST_POLL_SECONDS = 0.05


async def eventually(check: Callable[[], Any], timeout: float = 10.0) -> Any:  # noqa: ASYNC109
    """Call `check` until it gives something true; its last value is named when time runs out."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    pause = POLL_SECONDS
    while True:
        value = check()
        found = await value if inspect.isawaitable(value) else value
        if found:
            return found
        if loop.time() >= deadline:
            raise AssertionError(f"not within {timeout} s; the last value was {found!r}")
        await asyncio.sleep(pause)
        pause = min(pause * 1.3, LONGEST_POLL_SECONDS)
