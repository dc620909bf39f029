"""A learner on an emulated Telegram, with no gateway and no worker: the test takes every step."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from adapters.telegram.emulator import TelegramEmulator
from adapters.telegram.emulator_bot import Sent
from core.channels import Account, ChannelAdapter, InboundRequest
from core.creators import add_creator
from core.runtime import Runtime
from shared.utils.clock import utc_now
from tests.apps import App
from tests.serving import serving
from tests.waiting import eventually

SECRET = "Webhook-secret_1"
CHAT = 1001

_DUE = """
SELECT id, coalesce(inbound_due_at <= now(), false) AS turn,
       coalesce(outbound_due_at <= now(), false) AS delivery
FROM app.ai_conversations
WHERE creator_id = $1 AND (inbound_due_at <= now() OR outbound_due_at <= now())
"""
_MESSAGES = """
SELECT m.* FROM app.messages m JOIN app.ai_conversations v
  ON v.creator_id = m.creator_id AND v.id = m.conversation_id
WHERE m.creator_id = $1 AND v.channel_id = $2 AND m.direction = $3 ORDER BY m.created_at, m.seq
"""


@dataclass(kw_only=True)
class Learner:
    """What a person does on Telegram, and what Cairn's rows say of it afterwards."""

    app: App
    emulator: TelegramEmulator
    account: Account
    chat: int = CHAT

    @property
    def adapter(self) -> ChannelAdapter:
        return self.app.runtime.channels["telegram"]

    async def says(self, text: str, **extra: Any) -> None:
        """Write, and be taken in; nothing is answered before `work`."""
        await self.emulator.says(text, chat=self.chat, **extra)
        await self.arrive()

    async def asks(self, text: str) -> list[Sent]:
        """Write, and wait for the answers."""
        before = len(self.emulator.sent)
        await self.says(text)
        await work(self.app)
        return self.emulator.sent[before:]

    async def taps(self, label: str) -> list[Sent]:
        before = len(self.emulator.sent)
        await self.emulator.taps(label, chat=self.chat)
        await self.arrive()
        await work(self.app)
        return self.emulator.sent[before:]

    async def arrive(self) -> None:
        """Take in the updates that wait on the server, as the webhook would."""
        updates, self.emulator.bot.pending[:] = list(self.emulator.bot.pending), []
        for update in updates:
            await self.take_in(update)

    async def take_in(self, update: dict[str, Any]) -> None:
        request = InboundRequest(
            method="POST",
            url="poll:",
            headers={},
            body=json.dumps(update).encode(),
            received_at=utc_now(),
        )
        parsed = self.adapter.parse(request, self.account)
        await self.app.runtime.inbox.receive(self.account, self.adapter, parsed)

    async def inbound(self) -> list[Any]:
        return await self.app.fetch(_MESSAGES, self.account.channel_id, "in")

    async def outbound(self) -> list[Any]:
        return await self.app.fetch(_MESSAGES, self.account.channel_id, "out")

    async def last(self) -> Any:
        """The newest message of ours, as stored."""
        return (await self.outbound())[-1]

    async def conversation(self) -> Any:
        sql = "SELECT * FROM app.ai_conversations WHERE creator_id = $1 AND channel_id = $2"
        [row] = await self.app.fetch(sql, self.account.channel_id)
        return row

    async def conversation_id(self) -> UUID:
        found: UUID = (await self.conversation())["id"]
        return found


async def work(app: App) -> None:
    """Take every turn and delivery that is due now, until none is."""
    while rows := await app.fetch(_DUE):
        for row in rows:
            if row["turn"]:
                await app.runtime.engine.take_turn(app.creator_id, row["id"])
            if row["delivery"]:
                await app.runtime.outbox.deliver(app.creator_id, row["id"])


async def worked_until(app: App, check: Any, timeout: float = 60.0) -> None:
    """Keep working until `check` holds: for what is due in a moment."""

    async def is_reached() -> bool:
        await work(app)
        return bool(await check())

    await eventually(is_reached, timeout=timeout)


@asynccontextmanager
async def new_school(runtime: Runtime) -> AsyncIterator[App]:
    created = await add_creator(runtime.database, "Test school")
    yield App(runtime=runtime, creator_id=created.id)


@asynccontextmanager
async def on_telegram(app: App, *, bot: str = "coach", **settings: Any) -> AsyncIterator[Learner]:
    """A learner whose bot lives on an emulated Bot API of its own."""
    emulator = TelegramEmulator()
    try:
        async with serving(emulator, lifespan="off") as base_url:
            account = await app.add_channel(
                "telegram",
                bot=bot,
                credentials={"bot_token": emulator.token, "secret_token": SECRET},
                api_base_url=base_url,
                **settings,
            )
            yield Learner(app=app, emulator=emulator, account=account)
            # Idle connections would hold the server's shutdown up.
            await app.runtime.channels["telegram"].close()
    finally:
        await emulator.close()
