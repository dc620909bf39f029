"""`cairn kb`: a creator's knowledge: add files and pages, list, show, delete, rebuild the index."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn

from core.cli.context import DEFAULT_DATA_DIR, DataDir, operating
from core.creators import require_creator
from core.files import SUFFIXES, OnProgress, files_in, ingest_file, ingest_url
from core.runtime import Runtime
from core.seed import DEMO_CREATOR
from shared.errors import InvalidInput
from shared.models.knowledge import DocumentRecord

PAGE = 200
LISTED = (
    "id",
    "title",
    "status",
    "is_stale",
    "progress",
    "media_type",
    "chunk_count",
    "error_code",
)

app = typer.Typer(
    help="Knowledge: add, list, show, delete, reindex.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Creator = Annotated[
    UUID, typer.Option("--creator", help="The creator's id; the demo creator if not given.")
]
Sources = Annotated[
    list[str],
    typer.Argument(help="Files, folders or addresses: md, txt, html, pdf, docx, csv."),
]
_Work = Callable[[Runtime, OnProgress], Awaitable[str]]


@app.command()
def add(
    sources: Sources, creator: Creator = DEMO_CREATOR, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """Read files, folders and pages. The same twice is one document; a new version replaces."""
    works = _works(sources, creator)
    failed = asyncio.run(_add(works, creator, data_dir))
    for name, reason in failed:
        typer.echo(f"{name}: {reason}", err=True)
    typer.echo(f"{len(works) - len(failed)} of {len(works)} documents are ready.")
    if failed:
        raise typer.Exit(1)


@app.command("list")
def list_all(creator: Creator = DEMO_CREATOR, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """List the documents, newest first, one JSON object a line."""
    asyncio.run(_list(creator, data_dir))


@app.command()
def show(
    document_id: UUID, creator: Creator = DEMO_CREATOR, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """Show one document: its state, its progress, and why it failed or is stale."""

    async def run(runtime: Runtime) -> None:
        found = await runtime.knowledge.get_document(creator, document_id)
        typer.echo(json.dumps(asdict(found) | {"is_stale": found.is_stale}, default=str, indent=2))

    asyncio.run(_on(creator, data_dir, run))


@app.command()
def delete(
    document_id: UUID, creator: Creator = DEMO_CREATOR, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """Remove a document and all that was made of it."""

    async def run(runtime: Runtime) -> None:
        await runtime.knowledge.delete_document(creator, document_id)
        typer.echo("Deleted.")

    asyncio.run(_on(creator, data_dir, run))


@app.command()
def reindex(creator: Creator = DEMO_CREATOR, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Rebuild the vectors in Chroma from what PostgreSQL holds."""

    async def run(runtime: Runtime) -> None:
        with Progress(TextColumn("Rebuilding the index"), BarColumn(), transient=True) as bar:
            bar.add_task("", total=None)
            space = await runtime.knowledge.reindex(creator)
        typer.echo(f"The index of {space} is rebuilt.")

    asyncio.run(_on(creator, data_dir, run))


def _works(sources: Sequence[str], creator_id: UUID) -> dict[str, _Work]:
    """What is to be done, by the name that it is shown under."""
    urls = [one for one in sources if one.lower().startswith(("http://", "https://"))]
    files = files_in(Path(one) for one in sources if one not in urls)
    if not (urls or files):
        raise InvalidInput(f"no {', '.join(SUFFIXES)} file in {', '.join(sources)}")
    works = {name: _reading(creator_id, name, path) for name, path in files.items()}
    return works | {url: _fetching(creator_id, url) for url in urls}


def _reading(creator_id: UUID, name: str, path: Path) -> _Work:
    async def work(runtime: Runtime, on_progress: OnProgress) -> str:
        return await ingest_file(runtime, creator_id, path, name=name, on_progress=on_progress)

    return work


def _fetching(creator_id: UUID, url: str) -> _Work:
    async def work(runtime: Runtime, on_progress: OnProgress) -> str:
        return await ingest_url(runtime, creator_id, url, on_progress)

    return work


async def _add(works: dict[str, _Work], creator_id: UUID, data_dir: Path) -> list[tuple[str, str]]:
    failed: list[tuple[str, str]] = []
    columns = (BarColumn(), TaskProgressColumn(), MofNCompleteColumn())

    async def run(runtime: Runtime) -> None:
        with Progress(TextColumn("Reading"), *columns, TextColumn("{task.description}")) as bar:
            task = bar.add_task("", total=len(works))
            for number, (name, work) in enumerate(works.items()):

                def moved(progress: float, done: int = number) -> None:
                    bar.update(task, completed=done + progress)

                bar.update(task, description=name)
                if reason := await work(runtime, moved):
                    failed.append((name, reason))
                moved(1.0)

    await _on(creator_id, data_dir, run)
    return failed


async def _list(creator_id: UUID, data_dir: Path) -> None:
    async def run(runtime: Runtime) -> None:
        after: UUID | None = None
        while page := await runtime.knowledge.list_documents(creator_id, PAGE, after):
            for document in page:
                typer.echo(json.dumps(_row(document), default=str))
            after = page[-1].id

    with suppress(BrokenPipeError):
        await _on(creator_id, data_dir, run)


def _row(document: DocumentRecord) -> dict[str, Any]:
    return {name: getattr(document, name) for name in LISTED}


async def _on(creator_id: UUID, data_dir: Path, run: Callable[[Runtime], Awaitable[None]]) -> None:
    async with operating(data_dir) as runtime:
        await require_creator(runtime.database, creator_id)
        await run(runtime)
