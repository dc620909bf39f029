"""`cairn embeddings`: move a creator's index to another embedding model, and follow how it goes."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from core.cli.context import DEFAULT_DATA_DIR, DataDir, operating
from core.creators import require_creator
from core.rag.migrate import BATCH_SIZE, SOAK_SECONDS, EmbeddingMigration
from core.runtime import Runtime
from core.seed import DEMO_CREATOR
from core.worker import Worker
from shared.embedded import running_urls
from shared.errors import NotFound
from shared.models.migrations import MigrationRecord
from shared.settings import load_settings

POLL_SECONDS = 0.3
ACTOR = "operator"
EXIT_INTERRUPTED = 130
LEFT_RUNNING = (
    "The migration goes on wherever a worker runs. `cairn embeddings status --follow` shows it,"
    " `cairn embeddings pause` stops it, `cairn embeddings resume` goes on."
)

app = typer.Typer(
    help="Change the embedding model while people ask.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Creator = Annotated[
    UUID, typer.Option("--creator", help="The creator's id; the demo creator if not given.")
]
Follow = Annotated[bool, typer.Option(help="Show the progress until the reads have changed over.")]
_Action = Callable[[EmbeddingMigration, UUID, UUID], Awaitable[MigrationRecord]]


@app.command()
def start(
    to: Annotated[
        str, typer.Argument(help="ollama:TAG, embedded:wordllama, or NAME@VERSION of a registry.")
    ],
    creator: Creator = DEMO_CREATOR,
    batch_size: Annotated[int, typer.Option(min=1, max=1000, help="Chunks at once.")] = BATCH_SIZE,
    soak_seconds: Annotated[
        int, typer.Option(min=0, help="How long a flip back stays possible.")
    ] = SOAK_SECONDS,
    follow: Follow = True,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Begin to move the index to another embedding model. Ctrl-C leaves it running."""

    async def begin(runtime: Runtime) -> MigrationRecord:
        await require_creator(runtime.database, creator)
        return await runtime.knowledge.migration.start(
            creator, to, batch_size=batch_size, soak_seconds=soak_seconds, actor=ACTOR
        )

    _run(data_dir, creator, begin, follow)


@app.command()
def status(
    creator: Creator = DEMO_CREATOR,
    follow: Follow = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """How far the creator's migration is: the open one, or else the last."""

    async def look(runtime: Runtime) -> MigrationRecord:
        return await _latest(runtime, creator)

    _run(data_dir, creator, look, follow)


@app.command()
def resume(
    creator: Creator = DEMO_CREATOR,
    force: Annotated[
        bool, typer.Option("--force", help="Switch although the verification failed.")
    ] = False,
    follow: Follow = True,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Go on with a migration that was paused, flipped back, or failed its verification."""

    async def go_on(runtime: Runtime) -> MigrationRecord:
        record = await _latest(runtime, creator)
        return await runtime.knowledge.migration.resume(
            creator, record.id, force=force, actor=ACTOR
        )

    _run(data_dir, creator, go_on, follow)


@app.command()
def pause(creator: Creator = DEMO_CREATOR, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Stop after the batch under way. Answers are not touched."""
    _steer(data_dir, creator, lambda m, c, i: m.pause(c, i, actor=ACTOR))


@app.command()
def abort(creator: Creator = DEMO_CREATOR, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Answer from the old space at once, and remove the new one."""
    _steer(data_dir, creator, lambda m, c, i: m.abort(c, i, actor=ACTOR))


@app.command("flip-back")
def flip_back(creator: Creator = DEMO_CREATOR, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """During the soak: answer from the old space at once, and keep the new one."""
    _steer(data_dir, creator, lambda m, c, i: m.flip_back(c, i, actor=ACTOR))


@app.command()
def finish(creator: Creator = DEMO_CREATOR, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """End the soak now: the old space is dropped."""
    _steer(data_dir, creator, lambda m, c, i: m.finish(c, i, actor=ACTOR))


def _steer(data_dir: Path, creator_id: UUID, action: _Action) -> None:
    async def act(runtime: Runtime) -> MigrationRecord:
        record = await _latest(runtime, creator_id)
        return await action(runtime.knowledge.migration, creator_id, record.id)

    _run(data_dir, creator_id, act, follow=False)


def _run(
    data_dir: Path,
    creator_id: UUID,
    act: Callable[[Runtime], Awaitable[MigrationRecord]],
    follow: bool,
) -> None:
    try:
        asyncio.run(_act(data_dir, creator_id, act, follow))
    except KeyboardInterrupt:
        typer.echo(LEFT_RUNNING, err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None


async def _act(
    data_dir: Path,
    creator_id: UUID,
    act: Callable[[Runtime], Awaitable[MigrationRecord]],
    follow: bool,
) -> None:
    has_workers = load_settings().database.url is not None or running_urls(data_dir) is not None
    async with operating(data_dir) as runtime:
        record = await act(runtime)
        if follow:
            worker = None if has_workers else Worker(runtime)
            record = await _follow(runtime, creator_id, record, worker)
        typer.echo(_told(record))
        if follow and record.error_code:
            raise typer.Exit(1)


async def _follow(
    runtime: Runtime, creator_id: UUID, record: MigrationRecord, worker: Worker | None
) -> MigrationRecord:
    """Show a bar until the reads have changed over. Engines of our own need a worker of our own."""
    working = asyncio.create_task(worker.run()) if worker else None
    try:
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[count]}"),
            TimeRemainingColumn(),
        ) as bar:
            task = bar.add_task(record.state, total=None, count="")
            while _is_going(record):
                _show(bar, task, record)
                await asyncio.sleep(POLL_SECONDS)
                record = await runtime.knowledge.migration.get(creator_id, record.id)
            _show(bar, task, record)
    finally:
        if worker is not None and working is not None:
            worker.stop()
            await working
    return record


def _is_going(record: MigrationRecord) -> bool:
    """Whether there is more to see: a soak lasts too long to sit it out."""
    is_soaking = record.state == "soaking" and record.soak_seconds > 0
    return record.is_open and not record.is_paused and not is_soaking


def _show(bar: Progress, task: TaskID, record: MigrationRecord) -> None:
    waits = f" (waits: {record.error_code})" if record.error_code else ""
    bar.update(
        task,
        description=record.state + waits,
        completed=min(record.done, record.total),
        total=record.total or None,
        count=f"{record.done}/{record.total}",
    )


def _told(record: MigrationRecord) -> str:
    paused = ", paused" if record.is_paused else ""
    lines = [
        f"{record.from_space} → {record.to_space}: {record.state}{paused},"
        f" {record.progress:.0%} ({record.done} of {record.total} vectors)"
    ]
    if record.state == "soaking":
        lines.append(
            "Answers come from the new space. `cairn embeddings flip-back` undoes that at once;"
            " `cairn embeddings finish` drops the old one."
        )
    if record.verification:
        figures = ", ".join(f"{name} {value}" for name, value in record.verification.items())
        lines.append(f"verification: {figures}")
    if record.error_code:
        lines.append(f"{record.error_code}: {record.error}")
    return "\n".join(lines)


async def _latest(runtime: Runtime, creator_id: UUID) -> MigrationRecord:
    await require_creator(runtime.database, creator_id)
    found = await runtime.knowledge.migration.latest(creator_id)
    if found is None:
        raise NotFound("this creator has no migration")
    return found
