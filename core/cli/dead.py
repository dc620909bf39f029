"""`cairn dead`: inbound messages that could not be answered: list, show, retry, drop."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import typer

from core.cli.context import DEFAULT_DATA_DIR, DataDir, operating
from core.creators import creator_ids
from core.runtime import Runtime
from shared.errors import NotFound

app = typer.Typer(
    help="Messages that could not be answered.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_LIST = """
SELECT id, conversation_id, kind, error_code, starts, failures, created_at FROM app.messages
WHERE creator_id = $1 AND direction = 'in' AND status = 'dead' ORDER BY id
"""
_SHOW = "SELECT * FROM app.messages WHERE creator_id = $1 AND id = $2 AND status = 'dead'"
_DROP = """
UPDATE app.messages SET status = 'ignored'
WHERE creator_id = $1 AND id = $2 AND direction = 'in' AND status = 'dead' RETURNING 1
"""

_Action = Callable[[Runtime, UUID, UUID], Awaitable[bool]]


@app.command("list")
def list_all(data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """List dead messages of every creator, one JSON object a line; never their text."""
    for row in asyncio.run(_list(data_dir)):
        typer.echo(json.dumps(row, default=str))


@app.command()
def show(message_id: UUID, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Show one dead message, its text included."""
    asyncio.run(_on(message_id, data_dir, _show))


@app.command()
def retry(message_id: UUID, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Let a dead message be answered once more."""
    asyncio.run(_on(message_id, data_dir, _retry))
    typer.echo("Queued again.")


@app.command()
def drop(message_id: UUID, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Give a dead message up; it stays in the transcript."""
    asyncio.run(_on(message_id, data_dir, _drop))
    typer.echo("Dropped.")


async def _list(data_dir: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with operating(data_dir) as runtime:
        for creator_id in await creator_ids(runtime.database):
            async with runtime.database.transaction(creator_id) as connection:
                rows = await connection.fetch(_LIST, creator_id)
            found += [{"creator_id": creator_id, **dict(row)} for row in rows]
    return found


async def _on(message_id: UUID, data_dir: Path, action: _Action) -> None:
    """Act on a message whose creator the operator need not know."""
    async with operating(data_dir) as runtime:
        for creator_id in await creator_ids(runtime.database):
            if await action(runtime, creator_id, message_id):
                return
    raise NotFound(f"there is no dead message {message_id}")


async def _show(runtime: Runtime, creator_id: UUID, message_id: UUID) -> bool:
    async with runtime.database.transaction(creator_id) as connection:
        row = await connection.fetchrow(_SHOW, creator_id, message_id)
    if row is not None:
        typer.echo(json.dumps(dict(row), default=str, indent=2))
    return row is not None


async def _retry(runtime: Runtime, creator_id: UUID, message_id: UUID) -> bool:
    try:
        await runtime.inbox.retry(creator_id, message_id)
    except NotFound:
        return False
    return True


async def _drop(runtime: Runtime, creator_id: UUID, message_id: UUID) -> bool:
    async with runtime.database.transaction(creator_id) as connection:
        return await connection.fetchval(_DROP, creator_id, message_id) is not None
