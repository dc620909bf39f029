"""`cairn contacts`: import a creator's contacts from a CSV file, list them."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from core.cli.context import DEFAULT_DATA_DIR, DataDir, operating
from core.creators import require_creator
from core.runtime import Runtime
from core.seed import DEMO_CREATOR
from shared.database import Record
from shared.errors import InvalidInput
from shared.models import imports

ACTOR = "cli"
LOOK_SECONDS = 0.2
PAGE = 500

app = typer.Typer(
    help="Contacts: import from a CSV file, list.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Creator = Annotated[
    UUID, typer.Option("--creator", help="The creator's id; the demo creator if not given.")
]
Channel = Annotated[UUID, typer.Option("--channel", help="The channel that they are reached on.")]
File = Annotated[Path, typer.Argument(help="A CSV file; its first line names the columns.")]

_PAGE = """
SELECT id, name, locale, timezone, tags, attributes, created_at FROM app.contacts
WHERE creator_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3
"""


@app.command("import")
def import_file(
    file: File,
    channel: Channel,
    creator: Creator = DEMO_CREATOR,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Import contacts. The same file twice changes nothing; who opted out stays out.

    Interrupted, it is gone on with by a worker, or by the same command again.
    """
    row = asyncio.run(_import(file, channel, creator, data_dir))
    for refused in row["refused"]:
        typer.echo(f"line {refused['line']}: {refused['reason']}", err=True)
    if row["error_code"]:
        raise InvalidInput(f"the import failed: {row['error_code']}")
    typer.echo(
        f"{row['added']} added, {row['updated']} known before, {row['refused_count']} refused."
    )
    if row["refused_count"]:
        raise typer.Exit(1)


@app.command("list")
def list_all(creator: Creator = DEMO_CREATOR, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """List the contacts, newest first, one JSON object a line."""
    with suppress(BrokenPipeError):
        asyncio.run(_list(creator, data_dir))


async def _import(file: Path, channel_id: UUID, creator_id: UUID, data_dir: Path) -> Record:
    try:
        data = await asyncio.to_thread(file.read_bytes)
    except OSError as error:
        raise InvalidInput(f"{file} can't be read: {error.strerror}") from None
    async with operating(data_dir) as runtime:
        await require_creator(runtime.database, creator_id)
        import_id = await runtime.contact_imports.add(creator_id, channel_id, data, actor=ACTOR)
        return await _follow(runtime, creator_id, import_id)


async def _follow(runtime: Runtime, creator_id: UUID, import_id: UUID) -> Record:
    """Work on it here, unless a worker already does, and draw how far it is."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(TextColumn("Importing"), *columns) as bar:
        task = bar.add_task("", total=None)
        working = asyncio.create_task(runtime.contact_imports.advance(creator_id, import_id))
        while True:
            await asyncio.wait({working}, timeout=LOOK_SECONDS)
            row = await _read(runtime, creator_id, import_id)
            bar.update(task, total=row["total"], completed=row["done"])
            if row["state"] in ("done", "failed"):
                await working
                return row
            if working.done():
                await working
                await asyncio.sleep(LOOK_SECONDS)
                advance = runtime.contact_imports.advance(creator_id, import_id)
                working = asyncio.create_task(advance)


async def _read(runtime: Runtime, creator_id: UUID, import_id: UUID) -> Record:
    async with runtime.database.transaction(creator_id) as connection:
        row = await imports.get(connection, creator_id, import_id)
    if row is None:
        raise InvalidInput("the import is gone")
    return row


async def _list(creator_id: UUID, data_dir: Path) -> None:
    async with operating(data_dir) as runtime:
        await require_creator(runtime.database, creator_id)
        before: UUID | None = None
        while True:
            async with runtime.database.transaction(creator_id) as connection:
                rows = await connection.fetch(_PAGE, creator_id, before, PAGE)
            for row in rows:
                typer.echo(json.dumps(dict(row), default=str, ensure_ascii=False))
            if len(rows) < PAGE:
                return
            before = rows[-1]["id"]
