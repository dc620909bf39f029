"""`cairn dev` as a user runs it: a process of its own, found by the line it prints."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

READY_SECONDS = 90.0
STOP_SECONDS = 60.0
# The developer's own Ollama must not answer. Nobody listens there.
NO_MODEL = {"CAIRN_OLLAMA__HOST": "http://127.0.0.1:9"}


@dataclass(kw_only=True)
class Dev:
    process: asyncio.subprocess.Process
    url: str
    output: str
    data_dir: Path

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    async def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal and wait for the end; the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(STOP_SECONDS):
            return await self.process.wait()


async def command(*arguments: str, **environment: str) -> asyncio.subprocess.Process:
    """The `cairn` command with only these CAIRN_ settings."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("CAIRN_")}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from core.cli.app import main; main()",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**inherited, "PYTHONUNBUFFERED": "1", **NO_MODEL, **environment},
    )


async def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """(exit code, standard output, standard error) of a command that ends by itself."""
    process = await command(*arguments, **environment)
    async with asyncio.timeout(READY_SECONDS):
        out, error = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), error.decode()


@asynccontextmanager
async def developing(data_dir: Path, *arguments: str, **environment: str) -> AsyncIterator[Dev]:
    """`cairn dev` on a free port, stopped at the end if it still runs."""
    process = await command(
        "dev", "--port", "0", "--data-dir", str(data_dir), *arguments, **environment
    )
    dev = None
    try:
        url, output = await _ready(process)
        dev = Dev(process=process, url=url, output=output, data_dir=data_dir)
        yield dev
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()


async def _ready(process: asyncio.subprocess.Process) -> tuple[str, str]:
    assert process.stdout is not None
    assert process.stderr is not None
    lines: list[str] = []
    async with asyncio.timeout(READY_SECONDS):
        while line := (await process.stdout.readline()).decode():
            lines.append(line)
            if line.startswith("ready "):
                return line.split()[1], "".join(lines)
    raise AssertionError("".join(lines) + (await process.stderr.read()).decode())
