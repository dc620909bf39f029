"""`cairn creators`: add, list, suspend and wake tenants."""

import asyncio
import json
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from core.cli.context import DEFAULT_DATA_DIR, DataDir, operating
from core.creators import CreatorSummary, NewCreator, add_creator, list_creators, set_status
from shared.errors import NotFound

app = typer.Typer(
    help="Add, list, suspend and wake creators.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def add(name: str, as_json: AsJson = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Add a creator and print its id and first API key (shown this once)."""
    created = asyncio.run(_add(name, data_dir))
    if as_json:
        typer.echo(json.dumps({"id": str(created.id), "api_key": created.api_key}))
    else:
        typer.echo(f"Creator {name}: {created.id}\nAPI key, shown this once: {created.api_key}")


@app.command("list")
def list_all(as_json: AsJson = False, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """List every creator."""
    for creator in asyncio.run(_list(data_dir)):
        fields = {"id": str(creator.id), "name": creator.name, "status": creator.status}
        typer.echo(json.dumps(fields) if as_json else "  ".join(fields.values()))


@app.command()
def suspend(creator_id: UUID, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Stop a creator: its webhooks are answered and dropped, its API keys refused."""
    asyncio.run(_set(creator_id, "suspended", data_dir))
    typer.echo("Suspended.")


@app.command()
def wake(creator_id: UUID, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Let a suspended creator work again."""
    asyncio.run(_set(creator_id, "active", data_dir))
    typer.echo("Active.")


async def _add(name: str, data_dir: Path) -> NewCreator:
    async with operating(data_dir) as runtime:
        return await add_creator(runtime.database, name)


async def _list(data_dir: Path) -> list[CreatorSummary]:
    async with operating(data_dir) as runtime:
        return [creator async for creator in list_creators(runtime.database)]


async def _set(creator_id: UUID, status: str, data_dir: Path) -> None:
    async with operating(data_dir) as runtime:
        if not await set_status(runtime.database, creator_id, status):
            raise NotFound(f"there is no creator {creator_id}")
