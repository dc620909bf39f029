"""Named places where a test makes the process die or stall: `CAIRN_FAILPOINT=name:action[:nth]`."""

import asyncio
import os
import signal
from dataclasses import dataclass
from functools import cache


@dataclass
class _Armed:
    name: str
    action: str
    nth: int
    hits: int = 0


@cache
def _armed() -> _Armed | None:
    spec = os.environ.get("CAIRN_FAILPOINT", "")
    if not spec:
        return None
    name, action, *rest = spec.split(":")
    return _Armed(name, action, int(rest[0]) if rest else 1)


async def failpoint(name: str) -> None:
    """Do nothing, unless the environment armed this name: then kill -9, stop as a paused machine
    does until SIGCONT, or hang for ever."""
    armed = _armed()
    if armed is None or armed.name != name:
        return
    armed.hits += 1
    if armed.hits != armed.nth:
        return
    if armed.action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if armed.action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
        return
    await asyncio.Event().wait()
