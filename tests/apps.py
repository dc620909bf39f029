"""A whole Cairn in the test's process: runtime, worker, and people who talk to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from core.channels import (
    Account,
    ActionEvent,
    Address,
    ChannelEvent,
    MessageEvent,
    Sender,
    StartEvent,
)
from core.creators import add_creator
from core.files import ingest_file
from core.runtime import Runtime, open_runtime
from core.seed import handbook
from core.worker import Worker
from shared.settings import Settings, WorkerSettings
from shared.utils.clock import utc_now
from tests.waiting import eventually

TURN_SECONDS = 30.0

_UNANSWERED = """
SELECT count(*) FROM app.messages
WHERE creator_id = $1 AND ((direction = 'in' AND status = 'pending')
                        OR (direction = 'out' AND status IN ('queued', 'sending')))
"""
_REPLIES = """
SELECT seq, author, text, payload, status, rung FROM app.messages
WHERE creator_id = $1 AND conversation_id = $2 AND direction = 'out' AND seq > $3 ORDER BY seq
"""


@dataclass(frozen=True, kw_only=True)
class App:
    runtime: Runtime
    creator_id: UUID

    async def add_channel(self, type_: str, **details: Any) -> Account:
        adapter = self.runtime.channels[type_]
        return await self.runtime.accounts.add(
            self.creator_id,
            adapter,
            name=type_,
            bot=details.pop("bot", "coach"),
            credentials=details.pop("credentials", {}),
            settings=details,
        )

    async def drain(self, timeout: float = TURN_SECONDS) -> None:
        """Wait until nothing is waiting to be answered or sent."""

        async def is_quiet() -> bool:
            async with self.runtime.database.transaction(self.creator_id) as connection:
                left: int = await connection.fetchval(_UNANSWERED, self.creator_id)
            return left == 0

        await eventually(is_quiet, timeout=timeout)

    async def read_handbook(self) -> None:
        for path in handbook(self.runtime):
            assert await ingest_file(self.runtime, self.creator_id, path, "builtin") == ""

    async def fetch(self, sql: str, *arguments: Any) -> list[Any]:
        """Rows as this creator sees them; $1 is its id."""
        async with self.runtime.database.transaction(self.creator_id) as connection:
            return list(await connection.fetch(sql, self.creator_id, *arguments))


@dataclass(kw_only=True)
class Reply:
    text: str
    choices: dict[str, str]
    citations: list[dict[str, Any]]
    rung: str | None


@dataclass(kw_only=True)
class Person:
    """Someone on the web chat, without a browser: what they do becomes an accepted event."""

    app: App
    account: Account
    name: str = "Ada"
    key: str = field(default_factory=lambda: uuid4().hex)
    conversation_id: UUID | None = None
    seen: int = 0
    last: list[Reply] = field(default_factory=list)

    async def starts(self, payload: str = "") -> list[Reply]:
        return await self._does(StartEvent(payload=payload, **self._envelope()))

    async def says(self, text: str) -> list[Reply]:
        return await self._does(MessageEvent(text=text, **self._envelope()))

    async def picks(self, label: str) -> list[Reply]:
        """Tap a choice of the last replies."""
        offered = {k: v for reply in self.last for k, v in reply.choices.items()}
        return await self._does(ActionEvent(value=offered[label], **self._envelope()))

    async def _does(self, event: ChannelEvent) -> list[Reply]:
        accepted = await self.app.runtime.inbox.accept(event, conversation_key=self.key)
        self.conversation_id = accepted.conversation_id
        await self.app.drain()
        rows = await self.app.fetch(_REPLIES, self.conversation_id, self.seen)
        self.seen = rows[-1]["seq"] if rows else self.seen
        self.last = [_reply(row) for row in rows]
        return self.last

    def _envelope(self) -> dict[str, Any]:
        return {
            "creator_id": self.account.creator_id,
            "channel_id": self.account.channel_id,
            "external_id": uuid4().hex,
            "occurred_at": utc_now(),
            "address": Address(chat=self.key, person=self.key),
            "sender": Sender(address=self.key, name=self.name),
        }


def _reply(row: Any) -> Reply:
    return Reply(
        text=row["text"],
        choices={c["label"]: c["value"] for c in row["payload"].get("choices", [])},
        citations=row["payload"].get("citations", []),
        rung=row["rung"],
    )


def quick(settings: Settings, **changes: Any) -> Settings:
    """Settings whose leases, sweeps and retries are short enough for a test to wait for."""
    worker = WorkerSettings(
        lease_seconds=2.0,
        sweep_seconds=0.2,
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
