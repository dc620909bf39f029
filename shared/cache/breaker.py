"""Stop asking a service that is away, so that its absence costs time only once in a while."""

import time


class Breaker:
    """Open for `rest_seconds` after a failure: callers then skip the service altogether."""

    def __init__(self, rest_seconds: float = 1.0) -> None:
        self._rest_seconds = rest_seconds
        self._open_until = 0.0

    @property
    def is_open(self) -> bool:
        return time.monotonic() < self._open_until

    def failed(self) -> None:
        self._open_until = time.monotonic() + self._rest_seconds

    def succeeded(self) -> None:
        self._open_until = 0.0
