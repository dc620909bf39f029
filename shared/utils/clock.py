"""The one place that reads the wall clock, and the clock that programs go by."""

from datetime import UTC, datetime, timedelta


def utc_now() -> datetime:
    return datetime.now(UTC)


class Clock:
    """What schedules, streaks and quiet hours go by: the wall clock, plus what it was moved.

    Only the simulator and tests move it, so that a week passes in a moment. Leases, time limits
    and deliveries stay with the wall clock.
    """

    def __init__(self, ahead: timedelta = timedelta()) -> None:
        self._ahead = ahead

    def now(self) -> datetime:
        return utc_now() + self._ahead

    def move(self, by: timedelta) -> None:
        self._ahead += by

    def move_to(self, moment: datetime) -> None:
        """Let it be `moment` now; time goes on from there."""
        self._ahead = moment - utc_now()
