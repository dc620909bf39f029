"""Child processes: started in their own session, stopped politely, never left behind."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import psutil

from shared.embedded.account import Account
from shared.embedded.errors import EngineError

POLL_SECONDS = 0.02
LOG_LIMIT_BYTES = 5_000_000
LAUNCHER = Path(__file__).with_name("launch.py")


@dataclass(frozen=True, slots=True)
class StopStep:
    """One step of stopping: the signal to send and how long to wait for its effect."""

    signal: signal.Signals
    seconds: float


class Child:
    """A running engine process whose output goes to a log file."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, log_start: int) -> None:
        self.pid = process.pid
        self._process = process
        self._log = log
        self._log_start = log_start

    def exit_code(self) -> int | None:
        return self._process.poll()

    async def wait(self, seconds: float) -> int | None:
        """The exit code, or None when it still runs after `seconds`."""
        deadline = asyncio.get_running_loop().time() + seconds
        while (code := self.exit_code()) is None:
            if asyncio.get_running_loop().time() > deadline:
                return None
            await asyncio.sleep(POLL_SECONDS)
        return code

    async def stop(self, steps: Sequence[StopStep]) -> None:
        """Send each signal in turn until the process is gone; the last resort is SIGKILL."""
        try:
            for step in steps:
                if self.exit_code() is not None:
                    return
                self._process.send_signal(step.signal)
                if await self.wait(step.seconds) is not None:
                    return
        finally:  # also when this stop is itself cancelled by a second Ctrl-C
            self.kill()

    def kill(self) -> None:
        if self.exit_code() is None:
            self._process.kill()
            self._process.wait()

    def output(self) -> list[str]:
        """The non-empty lines written since this process started."""
        with self._log.open("rb") as log:
            log.seek(self._log_start)
            text = log.read().decode(errors="replace")
        return [line.strip() for line in text.splitlines() if line.strip()]


def spawn(
    command: Sequence[str | Path],
    *,
    log: Path,
    death_signal: signal.Signals,
    cwd: Path,
    account: Account | None = None,
    environment: Mapping[str, str] | None = None,
) -> Child:
    """Start a process that keeps away from the terminal's Ctrl-C and dies with this one.

    Its session is its own, so that Ctrl-C reaches us alone and we stop the engines in order. It
    gets none of our environment: the engines need no secret of ours. Linux counts the end of the
    calling thread as the parent's death, so call it from a thread that lasts.
    """
    identity = [str(account.uid), str(account.gid)] if account else ["-1", "-1"]
    launch = [sys.executable, "-I", "-S", LAUNCHER, str(os.getpid()), str(int(death_signal))]
    with _open_log(log) as output:
        start = output.tell()
        try:
            process = subprocess.Popen(  # noqa: S603 - our own launcher, without a shell
                [str(part) for part in (*launch, *identity, *command)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={"PATH": os.defpath, "LC_ALL": "C", **(environment or {})},
                start_new_session=True,
            )
        except OSError as error:
            raise EngineError(f"cannot start {command[0]}: {error.strerror}") from error
    return Child(process, log, start)


def _open_log(path: Path) -> BinaryIO:
    if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
        path.replace(path.with_suffix(".log.1"))
    log = path.open("ab")
    log.seek(0, os.SEEK_END)
    return log


def created_at(pid: int) -> float | None:
    """When the process with this id was created, or None when there is none (or a zombie)."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None
