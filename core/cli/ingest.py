"""`cairn ingest PATH…`: put files or folders into a creator's knowledge, with a progress bar."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from core.cli.context import DEFAULT_DATA_DIR, DataDir, operating
from core.creators import require_creator
from core.files import ingest_file
from core.seed import DEMO_CREATOR
from shared.errors import InvalidInput

SUFFIXES = (".md", ".markdown", ".txt")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Markdown or text files, or folders.")],
    creator: Annotated[
        UUID, typer.Option("--creator", help="The creator's id; the demo creator if not given.")
    ] = DEMO_CREATOR,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Read files into the creator's knowledge. The same file twice is one document."""
    files = sorted(set(_files(paths)))
    if not files:
        raise InvalidInput(f"no {', '.join(SUFFIXES)} file in {', '.join(map(str, paths))}")
    failed = asyncio.run(_ingest(files, creator, data_dir))
    for path, reason in failed:
        typer.echo(f"{path}: {reason}", err=True)
    typer.echo(f"{len(files) - len(failed)} of {len(files)} documents are ready.")
    if failed:
        raise typer.Exit(1)


def _files(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from (f for f in path.rglob("*") if f.suffix.lower() in SUFFIXES and f.is_file())
        elif path.is_file():
            yield path
        else:
            raise InvalidInput(f"{path} is neither a file nor a folder")


async def _ingest(files: list[Path], creator_id: UUID, data_dir: Path) -> list[tuple[Path, str]]:
    async with operating(data_dir) as runtime:
        await require_creator(runtime.database, creator_id)
        with Progress(
            TextColumn("Reading"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
        ) as bar:
            task = bar.add_task("", total=len(files))
            failed = []
            for path in files:
                bar.update(task, description=path.name)
                if reason := await ingest_file(runtime, creator_id, path):
                    failed.append((path, reason))
                bar.advance(task)
    return failed
