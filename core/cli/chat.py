"""`cairn chat`: talk to a bot in the terminal, through the same inbox, turns and rows as anyone."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated
from uuid import UUID, uuid4

import typer
from rich.console import Console
from rich.markdown import Markdown

from core.accounts import ChannelRecord
from core.channels import Address, MessageEvent, Sender, StartEvent
from core.cli.context import DEFAULT_DATA_DIR, DataDir, operating
from core.runtime import Runtime
from core.seed import DEMO_CREATOR, seed_demo
from core.worker import Worker
from shared.embedded import running_urls
from shared.errors import InvalidInput
from shared.messages import Choice
from shared.utils.clock import utc_now

REPLY_SECONDS = 130.0
POLL_SECONDS = 0.15
QUIT = ("/quit", "/exit")

console = Console(highlight=False)

_WEB = "SELECT id FROM app.channels WHERE creator_id = $1 AND type = 'web' ORDER BY id LIMIT 1"
_REPLIES = """
SELECT m.seq, m.text, m.payload FROM app.messages m
WHERE m.creator_id = $1 AND m.conversation_id = $2 AND m.direction = 'out' AND m.seq > $3
ORDER BY m.seq
"""
_WAITING = """
SELECT EXISTS (SELECT FROM app.messages WHERE creator_id = $1 AND conversation_id = $2
               AND direction = 'in' AND status = 'pending')
"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def chat(
    creator: Annotated[
        UUID, typer.Option("--creator", help="The creator's id; the demo creator if not given.")
    ] = DEMO_CREATOR,
    name: Annotated[str, typer.Option(help="What the bot calls you.")] = "",
    visitor: Annotated[
        str, typer.Option(help="Continue as this visitor; a new one if not given.")
    ] = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Talk to a creator's bot here. A choice is picked by its number; /quit ends."""
    try:
        asyncio.run(_chat(creator, name, visitor or uuid4().hex, data_dir))
    except (KeyboardInterrupt, EOFError):
        console.print()


class _Talk:
    """One conversation of the terminal: says, waits for the rows that answer, shows them."""

    def __init__(self, runtime: Runtime, record: ChannelRecord, name: str, visitor: str) -> None:
        self._runtime = runtime
        self._account = record.account
        self._address = Address(chat=visitor, person=visitor)
        self._sender = Sender(address=visitor, name=name)
        self._visitor = visitor
        self._seen = 0
        self._choices: list[Choice] = []

    async def start(self) -> None:
        event = StartEvent(external_id=f"start:{self._visitor}", **self._envelope())
        await self._deliver(event)

    async def say(self, text: str) -> None:
        number = text.strip()
        if number.isdecimal() and 1 <= int(number) <= len(self._choices):
            text = self._choices[int(number) - 1].value
        await self._deliver(MessageEvent(external_id=str(uuid4()), text=text, **self._envelope()))

    def _envelope(self) -> dict[str, object]:
        return {
            "creator_id": self._account.creator_id,
            "channel_id": self._account.channel_id,
            "occurred_at": utc_now(),
            "address": self._address,
            "sender": self._sender,
        }

    async def _deliver(self, event: MessageEvent | StartEvent) -> None:
        accepted = await self._runtime.inbox.accept(event, conversation_key=self._visitor)
        with console.status("…"):
            async with asyncio.timeout(REPLY_SECONDS):
                # The answer is a row that another process writes.
                while await self._waiting(accepted.conversation_id):  # noqa: ASYNC110
                    await asyncio.sleep(POLL_SECONDS)
        await self._show(accepted.conversation_id)

    async def _waiting(self, conversation_id: UUID) -> bool:
        async with self._runtime.database.transaction(self._account.creator_id) as connection:
            waiting: bool = await connection.fetchval(
                _WAITING, self._account.creator_id, conversation_id
            )
        return waiting

    async def _show(self, conversation_id: UUID) -> None:
        creator_id = self._account.creator_id
        async with self._runtime.database.transaction(creator_id) as connection:
            rows = await connection.fetch(_REPLIES, creator_id, conversation_id, self._seen)
        for row in rows:
            self._seen = row["seq"]
            self._choices = [Choice.model_validate(c) for c in row["payload"].get("choices", [])]
            console.print(Markdown(row["text"]))
            for citation in row["payload"].get("citations", []):
                source = " › ".join(filter(None, (citation["title"], citation["heading"])))
                console.print(f"  [{citation['number']}] {source}", style="dim", markup=False)
            for number, choice in enumerate(self._choices, 1):
                console.print(f"  {number}. {choice.label}", style="cyan", markup=False)


async def _chat(creator_id: UUID, name: str, visitor: str, data_dir: Path) -> None:
    alone = running_urls(data_dir) is None
    async with operating(data_dir) as runtime, AsyncExitStack() as stack:
        if creator_id == DEMO_CREATOR:
            await seed_demo(runtime)
        if alone and runtime.settings.database.url is not None:
            worker = Worker(runtime)
            task = asyncio.create_task(worker.run())
            stack.push_async_callback(_stop, worker, task)
        talk = _Talk(runtime, await _web_channel(runtime, creator_id), name, visitor)
        await talk.start()
        while (text := await asyncio.to_thread(console.input, "[bold]you[/bold] › ")) not in QUIT:
            if text.strip():
                await talk.say(text)


async def _web_channel(runtime: Runtime, creator_id: UUID) -> ChannelRecord:
    async with runtime.database.transaction(creator_id) as connection:
        channel_id = await connection.fetchval(_WEB, creator_id)
    if channel_id is None:
        raise InvalidInput("this creator has no web channel; add one: cairn channels add web")
    return await runtime.accounts.get(creator_id, channel_id)


async def _stop(worker: Worker, task: asyncio.Task[None]) -> None:
    worker.stop()
    await task
