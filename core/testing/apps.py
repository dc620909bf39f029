"""A whole Cairn in one process: a runtime, a worker beside it, one creator's channels."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core.channels import Account
from core.creators import add_creator
from core.files import ingest_file
from core.runtime import Runtime, open_runtime
from core.seed import handbook
from core.testing.waiting import eventually
from core.worker import Worker
from shared.settings import Settings, WorkerSettings

TURN_SECONDS = 30.0

_UNANSWERED = """
SELECT count(*) FROM app.messages
WHERE creator_id = $1 AND ((direction = 'in' AND status = 'pending')
                        OR (direction = 'out' AND status IN ('queued', 'sending')))
"""


@dataclass(frozen=True, kw_only=True)
class App:
    """One creator in a running Cairn."""

    runtime: Runtime
    creator_id: UUID

    async def add_channel(self, type_: str, **details: Any) -> Account:
        """A channel of this type; `bot` and `credentials` are named, all else is its settings."""
        adapter = self.runtime.channels[type_]
        return await self.runtime.accounts.add(
            self.creator_id,
            adapter,
            name=type_,
            bot=details.pop("bot", "coach"),
            credentials=details.pop("credentials", {}),
            settings=details,
        )

    async def drain(self, timeout: float = TURN_SECONDS) -> None:  # noqa: ASYNC109
        """Wait until nothing is waiting to be answered or sent."""

        async def is_quiet() -> bool:
            async with self.runtime.database.transaction(self.creator_id) as connection:
                left: int = await connection.fetchval(_UNANSWERED, self.creator_id)
            return left == 0

        await eventually(is_quiet, timeout=timeout)

    async def read_handbook(self, bot: str | None = None) -> None:
        """Take in the knowledge files that stand beside a bot; the demo's when none is named."""
        for path in handbook(self.runtime, bot):
            if reason := await ingest_file(self.runtime, self.creator_id, path, "builtin"):
                raise AssertionError(f"{path.name}: {reason}")

    async def fetch(self, sql: str, *arguments: Any) -> list[Any]:
        """Rows as this creator sees them; $1 is its id."""
        async with self.runtime.database.transaction(self.creator_id) as connection:
            return list(await connection.fetch(sql, self.creator_id, *arguments))


def quick(settings: Settings, **changes: Any) -> Settings:
    """Settings whose leases, sweeps and retries are short enough for a test to wait for."""
    worker = WorkerSettings(
        lease_seconds=2.0,
        sweep_seconds=0.2,
        tick_seconds=0.1,
        forgotten_seconds=3.0,
        retry_seconds=0.1,
        drain_seconds=5.0,
    )
    return settings.model_copy(update={"worker": worker, **changes})


@asynccontextmanager
async def running_app(settings: Settings) -> AsyncIterator[App]:
    """A runtime with one creator and a worker that runs beside the test."""
    async with open_runtime(settings) as runtime:
        created = await add_creator(runtime.database, "Test school")
        async with working(runtime):
            yield App(runtime=runtime, creator_id=created.id)


@asynccontextmanager
async def working(runtime: Runtime) -> AsyncIterator[Worker]:
    worker = Worker(runtime)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await task
