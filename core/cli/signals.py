"""Ctrl-C and SIGTERM: one request to stop, so that each command decides the order of its end."""

import asyncio
import signal
from collections.abc import Callable


def on_stop_signal(stop: Callable[[], None]) -> None:
    """Call `stop` on Ctrl-C and SIGTERM."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
