"""What a benchmark stands on: its own engines in a temporary folder, databases, child processes."""

import asyncio
import base64
import json
import os
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
from pydantic import SecretStr

from core.runtime import Runtime, open_runtime
from migrations import runner
from shared import telemetry
from shared.embedded import EmbeddedEngines, EngineUrls
from shared.settings import (
    ChromaSettings,
    DatabaseSettings,
    LimitSettings,
    OllamaSettings,
    RedisSettings,
    Settings,
    TelemetrySettings,
)

ROOT = Path(__file__).resolve().parent.parent
EXTRA = ROOT / "benchmarks" / "extra"
CAIRN = (sys.executable, "-c", "from core.cli.app import main; main()")
NO_OLLAMA = "http://127.0.0.1:9"
START_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Running engines. `quick` asks for a smoke run: right in kind, rough in number."""

    urls: EngineUrls
    folder: Path
    quick: bool
    keys: str = field(
        default_factory=lambda: f"bench:{base64.b64encode(secrets.token_bytes(32)).decode()}"
    )

    def url(self, database: str, role: str = "cairn_app") -> str:
        return self.urls.postgres_url(role, database=database)

    async def make_database(self, name: str) -> None:
        await runner.bootstrap(self.urls.postgres_admin, name)
        await runner.prepare(self.url(name, "postgres"), name)
        await runner.migrate(self.url(name, "cairn_migrate"))

    def settings(self, database: str) -> Settings:
        return Settings(
            database=DatabaseSettings(
                url=SecretStr(self.url(database)),
                dispatch_url=SecretStr(self.url(database, "cairn_dispatch")),
            ),
            redis=RedisSettings(url=SecretStr(self.urls.redis)),
            chroma=ChromaSettings(url=self.urls.chroma),
            ollama=OllamaSettings(host=NO_OLLAMA),
            limits=LimitSettings(webhook_per_second=0, chat_per_second=0),
            secret_keys=SecretStr(self.keys),
            extra_paths=str(EXTRA),
        )

    @asynccontextmanager
    async def runtime(self, database: str) -> AsyncIterator[Runtime]:
        async with open_runtime(self.settings(database)) as runtime:
            yield runtime

    def environment(self, database: str, **changes: str) -> dict[str, str]:
        """What `cairn serve` and `cairn worker` need to run against this stage."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("CAIRN_")}
        return inherited | {
            "CAIRN_DATABASE__URL": self.url(database),
            "CAIRN_DATABASE__DISPATCH_URL": self.url(database, "cairn_dispatch"),
            "CAIRN_REDIS__URL": self.urls.redis,
            "CAIRN_CHROMA__URL": self.urls.chroma,
            "CAIRN_OLLAMA__HOST": NO_OLLAMA,
            "CAIRN_SECRET_KEYS": self.keys,
            "CAIRN_EXTRA_PATHS": str(EXTRA),
            "CAIRN_LIMITS__WEBHOOK_PER_SECOND": "0",
            "CAIRN_TELEMETRY__LOG_LEVEL": "WARNING",
            **changes,
        }


@asynccontextmanager
async def opened(*, quick: bool) -> AsyncIterator[Stage]:
    telemetry.configure(TelemetrySettings(log_level="ERROR"))
    with tempfile.TemporaryDirectory(prefix="cairn-bench-") as folder:
        async with EmbeddedEngines(Path(folder)) as urls:
            yield Stage(urls=urls, folder=Path(folder), quick=quick)


@asynccontextmanager
async def superuser(stage: Stage, database: str) -> AsyncIterator[Any]:
    """To write rows in bulk as the product would have over months; never to be measured."""
    connection = await asyncpg.connect(stage.url(database, "postgres"))
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def child(
    command: Sequence[str], environment: dict[str, str] | None = None, *, ready: str = "ready"
) -> AsyncIterator[str]:
    """A process of its own, from its line that begins with `ready` on; gives the rest of it."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_SECONDS):
            while True:
                line = (await process.stdout.readline()).decode()
                if not line:
                    raise SystemExit(f"{command[-1]} ended before it was ready")
                if line.startswith(ready):
                    break
        yield line.removeprefix(ready).strip()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def answer_of(command: Sequence[str], request: dict[str, Any]) -> dict[str, Any]:
    """Run a process that reads one JSON value and prints one."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate(json.dumps(request).encode())
    if process.returncode:
        raise SystemExit(f"{command[-1]} failed")
    answer: dict[str, Any] = json.loads(out)
    return answer
