"""Chroma's own server (`chroma run`) on a loopback port that stays the same.

Chroma on one node knows no passwords, so the port is open to this machine's users. It holds vectors
and ids only: the texts stay in PostgreSQL.
"""

import importlib.util
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx

from shared.embedded.engine import Engine
from shared.embedded.errors import EngineError

LOOPBACK = "127.0.0.1"
PORT_ATTEMPTS = 3
ANSWER_SECONDS = 1.0
# What the `chroma` script calls, without the script's import of the whole Python client: the server
# answers after 0.1 s instead of 1 s.
RUN_CHROMA = "import sys, chromadb_rust_bindings as chroma; chroma.cli(['chroma', *sys.argv[1:]])"


class Chroma(Engine):
    name = "chroma"
    label = "Chroma"
    port: int | None = None

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    async def prepare(self) -> None:
        await super().prepare()
        if importlib.util.find_spec("chromadb_rust_bindings") is None:
            raise EngineError(
                "Chroma is missing: the package chromadb is not installed",
                "run make setup, or set CAIRN_CHROMA__URL to your own server",
            )

    async def start(self) -> None:
        if self.port is not None:
            return await self._start_again(self.port)
        port = self.folder.read_state().get("chroma_port")
        for attempt in range(1, PORT_ATTEMPTS + 1):
            self.port = port if port and _is_free(port) else _free_port()
            try:
                await super().start()
                break
            except EngineError:
                # Somebody may have taken the port between our look and Chroma's start.
                if attempt == PORT_ATTEMPTS or _is_free(self.port):
                    raise
                port = None
        self.folder.remember(chroma_port=self.port)
        return None

    async def _start_again(self, port: int) -> None:
        if not self.is_running and not _is_free(port):
            raise EngineError(
                f"Chroma's port {port} was taken by another program",
                "stop it and start Cairn again",
            )
        await super().start()

    def command(self) -> Sequence[str | Path]:
        options = ["--path", str(self.data), "--host", LOOPBACK, "--port", str(self.port)]
        return [sys.executable, "-I", "-c", RUN_CHROMA, "run", *options]

    async def is_ready(self) -> bool:
        try:
            async with httpx.AsyncClient(timeout=ANSWER_SECONDS, trust_env=False) as client:
                response = await client.get(f"{self.url}/api/v2/heartbeat")
        except httpx.HTTPError:
            return False
        return response.is_success


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As Chroma does: connections that linger after a stop do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
