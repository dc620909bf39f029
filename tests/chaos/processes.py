"""Real processes to kill: `cairn serve` and `cairn worker`, forked by the nursery."""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30.0
STOP_SECONDS = 40.0


@dataclass(kw_only=True)
class Process:
    """One process of Cairn. `code` is its exit code, negative for a signal, once it has ended."""

    pid: int
    log: Path
    code: int | None = None
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_running(self) -> bool:
        return self.code is None

    def signal(self, number: signal.Signals) -> None:
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def kill(self) -> None:
        self.signal(signal.SIGKILL)
        await self.ended()

    async def ended(self, timeout: float = STOP_SECONDS) -> int:
        """Its exit code, once it has ended."""
        try:
            await asyncio.wait_for(self._ended.wait(), timeout)
        except TimeoutError:
            raise AssertionError(f"still running after {timeout} s\n{self.tail()}") from None
        assert self.code is not None
        return self.code

    def end(self, code: int) -> None:
        self.code = code
        self._ended.set()

    async def ready(self) -> str:
        """Wait for its `ready` line; the address on it, if it has one."""
        await eventually(lambda: not self.is_running or self._ready_line(), timeout=START_SECONDS)
        line = self._ready_line()
        assert line is not None, f"ended with {self.code} before it was ready\n{self.tail()}"
        return line.removeprefix("ready").strip()

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""

    def tail(self) -> str:
        return self.text()[-3000:]

    def _ready_line(self) -> str | None:
        lines = self.text().splitlines(keepends=True)
        return next((ln for ln in lines if ln.startswith("ready") and ln.endswith("\n")), None)


class Nursery:
    """The test's end of `nursery.py`: `async with Nursery(folder) as nursery`."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._numbers = itertools.count(1)
        self._by_pid: dict[int, Process] = {}
        self._starting: asyncio.Queue[int] = asyncio.Queue()
        self._one_at_a_time = asyncio.Lock()

    async def __aenter__(self) -> "Nursery":
        self._program = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.chaos.nursery",
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._program.stdin is not None
        self._program.stdin.close()
        await self._program.wait()
        await self._reading

    async def start(self, *argv: str, env: dict[str, str]) -> Process:
        log = self._logs / f"{next(self._numbers):03}-{argv[0]}.log"
        request = {"argv": argv, "env": env, "log": str(log)}
        assert self._program.stdin is not None
        async with self._one_at_a_time:
            self._program.stdin.write(json.dumps(request).encode() + b"\n")
            await self._program.stdin.drain()
            pid = await asyncio.wait_for(self._starting.get(), START_SECONDS)
        self._by_pid[pid].log = log
        return self._by_pid[pid]

    async def _read(self) -> None:
        assert self._program.stdout is not None
        while line := await self._program.stdout.readline():
            told = json.loads(line)
            if "code" in told:
                self._by_pid[told["pid"]].end(told["code"])
            else:
                self._by_pid[told["pid"]] = Process(pid=told["pid"], log=self._logs)
                self._starting.put_nowait(told["pid"])
