"""Reads documents in child processes: few at once, each with a deadline, none trusted."""

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import core
from core.rag.reading import limits
from core.rag.reading.result import MESSAGES, Reading, Refusal, refused
from shared.errors import Unavailable

PLACES = 2
_HEAD_BYTES = 16_384
_PIECE = 65_536
_MAX_ANSWER = limits.MAX_TEXT_BYTES + _HEAD_BYTES
_COMMAND = (sys.executable, "-m", "core.rag.reading.child")
# Nothing of our own environment: addresses and keys are none of a parser's business.
_ENVIRONMENT = {
    "PYTHONPATH": str(Path(core.__file__).parent.parent),
    "PYTHONUTF8": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    # Each pool of threads would reserve 64 MB of address space.
    "MALLOC_ARENA_MAX": "1",
    "OMP_NUM_THREADS": "1",
}
_OUT_OF_TIME = (-signal.SIGXCPU,)


class DocumentReader:
    """`places` children run at once at most; who comes later waits."""

    def __init__(self, *, places: int = PLACES, seconds: float = limits.WALL_SECONDS) -> None:
        self._places = asyncio.Semaphore(places)
        self._seconds = seconds

    async def read(self, data: bytes, filename: str = "", encoding: str = "") -> Reading:
        """The text of a file.

        Raises InvalidInput with one of the codes of `Refusal`, or Unavailable when this machine
        can't start a process now.
        """
        request = json.dumps({"filename": filename, "encoding": encoding}).encode() + b"\n"
        async with self._places:
            code, answer = await self._ask(request, data)
        return await asyncio.to_thread(_reading, code, answer)

    async def _ask(self, request: bytes, data: bytes) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(self._seconds):
                return await _converse(request, data)
        except TimeoutError as error:
            raise refused("reading_timeout") from error


async def _converse(request: bytes, data: bytes) -> tuple[int, bytes]:
    process = await _started()
    assert process.stdin is not None  # noqa: S101 - asked for below
    assert process.stdout is not None  # noqa: S101
    writing = asyncio.create_task(_write(process.stdin, request, data))
    try:
        answer = await _read_all(process.stdout)
        return await process.wait(), answer
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await _end(process)


async def _started() -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *_COMMAND,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=_ENVIRONMENT,
            start_new_session=True,
        )
    except OSError as error:
        raise Unavailable("no process can be started to read a document") from error


async def _write(pipe: asyncio.StreamWriter, request: bytes, data: bytes) -> None:
    # A child that refuses early closes its end.
    with suppress(BrokenPipeError, ConnectionResetError):
        pipe.write(request)
        for start in range(0, len(data), _PIECE):
            pipe.write(data[start : start + _PIECE])
            await pipe.drain()
        pipe.close()


async def _read_all(pipe: asyncio.StreamReader) -> bytes:
    answer = bytearray()
    while piece := await pipe.read(_PIECE):
        answer += piece
        if len(answer) > _MAX_ANSWER:
            raise refused("too_large")
    return bytes(answer)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        # The child leads a group of its own: whatever it started ends with it.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.stdout is not None  # noqa: S101 - asked for above
    # What is left in the pipe keeps it open.
    while await process.stdout.read(_PIECE):
        pass
    await process.wait()


def _reading(code: int, answer: bytes) -> Reading:
    if code in _OUT_OF_TIME:
        raise refused("reading_timeout")
    head, separator, text = answer.partition(b"\n")
    if code or not separator:
        # Out of memory, or a parser that crashed: no sound document does that.
        raise refused("too_complex")
    return _from_head(json.loads(head), text)


def _from_head(head: dict[str, Any], text: bytes) -> Reading:
    if "code" in head:
        code: Refusal = head["code"] if head["code"] in MESSAGES else "unreadable_document"
        raise refused(code)
    return Reading(
        text=text.decode("utf-8", errors="replace"),
        media_type=str(head["media_type"]),
        title=str(head["title"]),
        pages=head["pages"],
    )
