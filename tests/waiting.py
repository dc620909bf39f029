"""Wait for a state with a deadline, never for a length of time."""

from core.testing.waiting import POLL_SECONDS, eventually

__all__ = ["POLL_SECONDS", "eventually"]
