"""Wait for a state with a deadline, never for a length of time."""

import asyncio
import io
from collections.abc import Callable
from typing import Any

from core.testing import waiting
from core.testing.waiting import POLL_SECONDS

__all__ = ["PATIENCE_SECONDS", "POLL_SECONDS", "eventually"]

# Only a test that fails waits so long. Continuous integration may give a test a tenth of a core.
PATIENCE_SECONDS = 60.0


async def eventually(check: Callable[[], Any], timeout: float = PATIENCE_SECONDS) -> Any:
    """Call `check` until it gives something true; a failure tells what everybody waits for."""
    try:
        return await waiting.eventually(check, timeout)
    except AssertionError as error:
        error.add_note(_stacks())
        raise


def _stacks() -> str:
    """Where each task of this loop stands: a hang seen once is understood by it."""
    text = io.StringIO()
    for task in sorted(asyncio.all_tasks(), key=lambda task: task.get_name()):
        task.print_stack(limit=6, file=text)
    return text.getvalue()
