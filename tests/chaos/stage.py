"""What a chaos test plays on: a creator, a channel of each type, emulated platforms, processes."""

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from adapters.slack.emulator import SlackEmulator
from adapters.sms.emulator import SmsEmulator
from adapters.telegram.emulator import TelegramEmulator
from core.channels import Account
from core.runtime import Runtime
from shared.settings import Settings
from tests.chaos.processes import Nursery, Process
from tests.databases import DatabaseUrls
from tests.waiting import eventually

EXTRA = Path(__file__).parent / "extra"
SECRET_TOKEN = "chaos-secret"
QUIET_SECONDS = 60.0

# Where platforms believe us to be. Nobody listens there: people post to the gateways themselves.
PUBLIC_URL = "http://127.0.0.1:9"
# Set by a creator whose platform allows more; here, so that thousands of messages take seconds.
NO_RATES = {"rates": {"account": 0, "conversation": 0, "group": 0}}

# Short enough for a test to wait for; the relations between them are those of production.
WORKER = {
    "LEASE_SECONDS": "1.5",
    "SWEEP_SECONDS": "0.2",
    "FORGOTTEN_SECONDS": "3",
    "RETRY_SECONDS": "0.1",
    "DRAIN_SECONDS": "5",
    "TURN_SECONDS": "20",
    "SEND_SECONDS": "3",
    "GRACE_SECONDS": "1",
    "RECONCILE_SECONDS": "2",
}
NO_LIMITS = {
    "CAIRN_LIMITS__WEBHOOK_PER_SECOND": "0",
    "CAIRN_LIMITS__CHAT_PER_SECOND": "0",
    "CAIRN_LIMITS__SESSIONS_PER_MINUTE": "0",
}

_UNFINISHED = """
SELECT direction, status, starts, attempts, text FROM app.messages
WHERE (direction = 'in' AND status = 'pending') OR status IN ('queued', 'sending') LIMIT 3
"""


@dataclass(kw_only=True)
class Gateway:
    process: Process
    url: str


@dataclass(kw_only=True)
class Stage:
    runtime: Runtime
    urls: DatabaseUrls
    settings: Settings
    creator_id: UUID
    telegram: Account
    slack: Account
    sms: Account
    web: Account
    emulator: TelegramEmulator
    slack_emulator: SlackEmulator
    sms_emulator: SmsEmulator
    nursery: Nursery
    client: httpx.AsyncClient
    started: list[Process] = field(default_factory=list)
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    _connection: asyncpg.Connection | None = None

    # --- processes

    async def start_worker(self, failpoint: str = "", **changes: str) -> Process:
        """A `cairn worker`, ready; `changes` are settings of its group."""
        process = await self._start("worker", failpoint=failpoint, changes=changes)
        await process.ready()
        return process

    async def start_gateway(self, failpoint: str = "") -> Gateway:
        process = await self._start("serve", "--port", "0", failpoint=failpoint)
        return Gateway(process=process, url=await process.ready())

    async def _start(
        self, *argv: str, failpoint: str = "", changes: dict[str, str] | None = None
    ) -> Process:
        process = await self.nursery.start(*argv, env=self.environment(failpoint, changes or {}))
        self.started.append(process)
        return process

    def environment(
        self, failpoint: str = "", changes: dict[str, str] | None = None
    ) -> dict[str, str]:
        """Of a process: this test's engines, short times, no limits."""
        s = self.settings
        assert s.redis.url is not None
        assert s.secret_keys is not None
        env = {
            "PATH": os.environ["PATH"],
            "CAIRN_DATABASE__URL": self.urls.app,
            "CAIRN_DATABASE__DISPATCH_URL": self.urls.dispatch,
            "CAIRN_REDIS__URL": s.redis.url.get_secret_value(),
            "CAIRN_CHROMA__URL": str(s.chroma.url),
            "CAIRN_OLLAMA__HOST": s.ollama.host,
            "CAIRN_SECRET_KEYS": s.secret_keys.get_secret_value(),
            "CAIRN_EXTRA_PATHS": str(EXTRA),
            "CAIRN_PUBLIC_BASE_URL": PUBLIC_URL,
            **NO_LIMITS,
            **{f"CAIRN_WORKER__{k.upper()}": v for k, v in (WORKER | (changes or {})).items()},
        }
        return env | ({"CAIRN_FAILPOINT": failpoint} if failpoint else {})

    async def stop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
        for process in self.started:
            await process.kill()

    # --- what is true

    async def fetch(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        """Rows as the superuser sees them."""
        async with self._reading:
            try:
                return list(await (await self._connected()).fetch(sql, *arguments))
            except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError):
                # Cut since the last time: a test may have stopped the engine meanwhile.
                return list(await (await self._connected(anew=True)).fetch(sql, *arguments))

    async def _connected(self, *, anew: bool = False) -> asyncpg.Connection:
        """One connection for all the looks that a wait takes; a new one costs a process."""
        if anew and self._connection is not None:
            self._connection.terminate()
        if anew or self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self.urls.admin, timeout=30)
        return self._connection

    async def quiet(self, timeout: float = QUIET_SECONDS) -> None:
        """Wait until everything accepted is answered, and every answer sent or given up."""

        async def is_quiet() -> bool:
            return not await self.fetch(_UNFINISHED)

        try:
            await eventually(is_quiet, timeout=timeout)
        except AssertionError:
            left = [dict(row) for row in await self.fetch(_UNFINISHED)]
            tails = "\n\n".join(f"{p.log.name}: {p.tail()[-1500:]}" for p in self.started[-4:])
            raise AssertionError(f"not quiet after {timeout} s: {left}\n{tails}") from None

    async def until_tried(self, sends: int) -> None:
        """Wait until so many sends were tried and refused before a byte left."""
        refused = (
            "SELECT 1 FROM app.send_attempts WHERE error_code = 'channel_unreachable' OFFSET $1"
        )
        await eventually(lambda: self.fetch(refused, sends), timeout=QUIET_SECONDS)

    async def uncertain(self) -> list[asyncpg.Record]:
        return await self.fetch(
            "SELECT id, text, parts_sent, conversation_id FROM app.messages"
            " WHERE status = 'uncertain' ORDER BY id"
        )


async def conversation_of(stage: Stage, text: str) -> UUID:
    (row,) = await stage.fetch("SELECT conversation_id FROM app.messages WHERE text = $1", text)
    return UUID(str(row["conversation_id"]))
