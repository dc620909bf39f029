"""Wait for a state with a deadline, never for a length of time."""

from collections.abc import Callable
from typing import Any

from core.testing import waiting
from core.testing.waiting import POLL_SECONDS

__all__ = ["PATIENCE_SECONDS", "POLL_SECONDS", "eventually"]

# Only a test that fails waits so long. Continuous integration may give a test a tenth of a core.
PATIENCE_SECONDS = 60.0


async def eventually(check: Callable[[], Any], timeout: float = PATIENCE_SECONDS) -> Any:
    return await waiting.eventually(check, timeout)
