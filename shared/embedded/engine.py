"""What every embedded engine has in common: prepare, start, wait until it answers, stop."""

import asyncio
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from shared.embedded.account import Account
from shared.embedded.children import POLL_SECONDS, Child, StopStep, spawn
from shared.embedded.errors import EngineError
from shared.embedded.folder import DataFolder

Progress = Callable[[str], None]


class Engine(ABC):
    """A server run as our child; it keeps its address over a stop and a start."""

    name: ClassVar[str]
    label: ClassVar[str]
    stop_steps: ClassVar[Sequence[StopStep]] = (StopStep(signal.SIGTERM, 5.0),)
    ready_seconds: ClassVar[float] = 60.0

    def __init__(self, folder: DataFolder, progress: Progress) -> None:
        self.folder = folder
        self.progress = progress
        self.account: Account | None = None
        self.child: Child | None = None

    @property
    def log(self) -> Path:
        return self.folder.logs / f"{self.name}.log"

    @property
    def data(self) -> Path:
        return self.folder.path / self.name

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """The program and its arguments."""

    @abstractmethod
    async def is_ready(self) -> bool:
        """Whether it answers now."""

    async def prepare(self) -> None:
        """Make what the first start needs."""
        self.data.mkdir(mode=0o700, exist_ok=True)

    async def start(self) -> None:
        if self.is_running:
            return
        await self.prepare()
        self.progress(f"Starting {self.label}")
        self.child = self.run(self.command())
        self.folder.remember_child(self.name, self.child.pid)
        await self._wait_until_ready(self.child)

    def run(self, command: Sequence[str | Path]) -> Child:
        return spawn(
            command,
            log=self.log,
            death_signal=self.stop_steps[0].signal,
            # Another account may not be able to enter our folder.
            cwd=Path("/") if self.account else self.folder.path,
            account=self.account,
            environment={"HOME": str(self.folder.path)},
        )

    @property
    def is_running(self) -> bool:
        return self.child is not None and self.child.exit_code() is None

    async def _wait_until_ready(self, child: Child) -> None:
        deadline = asyncio.get_running_loop().time() + self.ready_seconds
        while asyncio.get_running_loop().time() < deadline:
            if child.exit_code() is not None:
                raise self.failure("stopped while starting", child)
            if await self.is_ready() and child.exit_code() is None:
                return
            await asyncio.sleep(POLL_SECONDS)
        raise self.failure(f"did not answer within {self.ready_seconds:.0f} s", child)

    def failure(self, what: str, child: Child) -> EngineError:
        reason = self.reason(child.output())
        message = f"{self.label} {what}: {reason}" if reason else f"{self.label} {what}"
        return EngineError(message, f"read {self.log}")

    def reason(self, lines: Sequence[str]) -> str:
        """The line of its output that says why it failed."""
        return lines[-1] if lines else ""

    async def stop(self) -> None:
        if self.child is not None:
            await self.child.stop(self.stop_steps)
            self.child = None
            self.folder.remember_child(self.name, None)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self.child is not None:
            self.child.kill()
