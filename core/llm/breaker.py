"""A circuit breaker: stop asking what keeps failing, and let one probe find out when it is back."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Literal

from shared.errors import ModelUnavailable

State = Literal["closed", "open", "half_open"]
Outcome = Literal["succeeded", "failed", "unknown"]


class BreakerOpen(ModelUnavailable):
    """The language model failed repeatedly and is being left alone."""

    code = "model_breaker_open"


class CircuitBreaker:
    """Opens after `failures` in a row; a failed probe doubles the wait, to `longest_seconds`."""

    def __init__(
        self,
        *,
        failures: int = 3,
        cooldown_seconds: float = 10.0,
        longest_seconds: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threshold = failures
        self._first_cooldown = cooldown_seconds
        self._longest = longest_seconds
        self._clock = clock
        self._failures = 0
        self._cooldown = cooldown_seconds
        self._opened_at: float | None = None
        self._probing = False

    @property
    def state(self) -> State:
        if self._opened_at is None:
            return "closed"
        cooled = self._clock() - self._opened_at >= self._cooldown
        return "half_open" if self._probing or cooled else "open"

    def attempt(self, *, counts: Callable[[Exception], bool] = lambda _: True) -> "Attempt":
        """Around one call, with `with` or `async with`; learns from how the call ends.

        Raises BreakerOpen instead of calling. A cancelled call and an error that `counts` denies
        teach nothing about the host.
        """
        return Attempt(self, counts)

    def admit(self) -> bool:
        """Whether this call is the one probe of a half-open breaker. Raises BreakerOpen."""
        if self.state == "closed":
            return False
        if self.state == "open" or self._probing:
            raise BreakerOpen()
        self._probing = True
        return True

    def learn(self, outcome: Outcome, *, probe: bool) -> None:
        """What came of a call that was admitted."""
        if outcome == "failed":
            self._fail(probe)
        elif outcome == "succeeded":
            self._succeed()
        if probe:
            self._probing = False

    def _succeed(self) -> None:
        self._failures = 0
        self._cooldown = self._first_cooldown
        self._opened_at = None

    def _fail(self, probe: bool) -> None:
        self._failures += 1
        if probe:
            self._cooldown = min(self._cooldown * 2, self._longest)
            self._opened_at = self._clock()
        elif self._opened_at is None and self._failures >= self._threshold:
            self._opened_at = self._clock()


class Attempt:
    """One call under a breaker; enter it once."""

    def __init__(self, breaker: CircuitBreaker, counts: Callable[[Exception], bool]) -> None:
        self._breaker = breaker
        self._counts = counts
        self._probe = False

    def __enter__(self) -> None:
        self._probe = self._breaker.admit()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._breaker.learn(outcome_of(error, self._counts), probe=self._probe)

    async def __aenter__(self) -> None:
        self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, _)


def outcome_of(error: BaseException | None, counts: Callable[[Exception], bool]) -> Outcome:
    if error is None:
        return "succeeded"
    return "failed" if isinstance(error, Exception) and counts(error) else "unknown"
