"""`cairn broadcasts`: one message to many: write, try out, start, pause, resume, cancel, watch."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from core.api.resources.broadcasts_shown import DryRun, EstimateShown, NewBroadcast, show_estimate
from core.cli.context import DEFAULT_DATA_DIR, DataDir, operating
from core.creators import require_creator
from core.programs.broadcasts.broadcast import Broadcasts
from core.runtime import Runtime
from core.seed import DEMO_CREATOR
from shared.errors import InvalidInput
from shared.models.broadcasts import Broadcast
from shared.models.broadcasts import Progress as Counts

app = typer.Typer(
    help="One message to many contacts.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
ACTOR = "operator"
PAGE = 200
LOOK_SECONDS = 1.0

Creator = Annotated[
    UUID, typer.Option("--creator", help="The creator's id; the demo creator if not given.")
]
BroadcastId = Annotated[UUID, typer.Argument(metavar="BROADCAST", help="As `list` shows it.")]
Texts = Annotated[
    list[str], typer.Option("--text", help="What is said; `de=Hallo` in another language.")
]
Filter = Annotated[
    str | None, typer.Option("--filter", help="Who gets it: a filter as JSON, or @FILE.")
]
Everybody = Annotated[bool, typer.Option("--everybody", help="All contacts get it.")]
Segment = Annotated[UUID | None, typer.Option("--segment", help="Who gets it: a segment's id.")]
Channel = Annotated[UUID | None, typer.Option("--channel", help="Only on this channel.")]
StartsAt = Annotated[str | None, typer.Option(help="As 2026-05-01T09:00+02:00; else at once.")]
Spread = Annotated[int, typer.Option("--spread-seconds", help="At least over this time.")]
Expires = Annotated[str, typer.Option(help="Not sent later than this after its time.")]
Price = Annotated[str | None, typer.Option(help="Of one segment of a text message.")]
_Work = Callable[[Runtime, Broadcasts], Awaitable[None]]


@app.command("list")
def list_all(creator: Creator = DEMO_CREATOR, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Newest first, one JSON object a line."""

    async def run(_runtime: Runtime, broadcasts: Broadcasts) -> None:
        after: UUID | None = None
        while page := await broadcasts.newest(creator, PAGE, after):
            for one in page:
                shown = ("id", "name", "state", "planned", "starts_at", "finished_at")
                typer.echo(json.dumps({n: getattr(one, n) for n in shown}, default=str))
            after = page[-1].id

    asyncio.run(_on(creator, data_dir, run))


@app.command()
def create(
    name: str,
    texts: Texts,
    filter: Filter = None,
    everybody: Everybody = False,
    segment: Segment = None,
    channel: Channel = None,
    starts_at: StartsAt = None,
    spread_seconds: Spread = 0,
    expires_after: Expires = "1 day",
    creator: Creator = DEMO_CREATOR,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Write a draft; nothing is sent before it is started."""
    given = {
        "name": name,
        "content": _contents(texts),
        "filter": {"all": []} if everybody else _read_filter(filter),
        "segment_id": segment,
        "channel_id": channel,
        "starts_at": starts_at,
        "spread_seconds": spread_seconds,
        "expires_after": expires_after,
    }
    values = _validated(given).values()

    async def run(_runtime: Runtime, broadcasts: Broadcasts) -> None:
        made = await broadcasts.add(creator, values, actor=ACTOR)
        typer.echo(made.id)

    asyncio.run(_on(creator, data_dir, run))


@app.command("dry-run")
def dry_run(
    broadcast: BroadcastId,
    price: Price = None,
    creator: Creator = DEMO_CREATOR,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Who would get it, who not and why, when it would be done, what text messages cost."""
    try:
        wanted = DryRun(price_per_segment=None if price is None else Decimal(price))
    except (ArithmeticError, ValidationError):
        raise InvalidInput("the price must be a number such as 0.0079") from None

    async def run(_runtime: Runtime, broadcasts: Broadcasts) -> None:
        found = show_estimate(await broadcasts.dry_run(creator, broadcast), wanted)
        for line in _told(found):
            typer.echo(line)

    asyncio.run(_on(creator, data_dir, run))


@app.command()
def start(
    broadcast: BroadcastId, creator: Creator = DEMO_CREATOR, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """Plan every send; a worker sends them."""
    _take("start", creator, broadcast, data_dir)


@app.command()
def pause(
    broadcast: BroadcastId, creator: Creator = DEMO_CREATOR, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """Begin nothing more of it until it is resumed."""
    _take("pause", creator, broadcast, data_dir)


@app.command()
def resume(
    broadcast: BroadcastId, creator: Creator = DEMO_CREATOR, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """Go on with who still waits."""
    _take("resume", creator, broadcast, data_dir)


@app.command()
def cancel(
    broadcast: BroadcastId, creator: Creator = DEMO_CREATOR, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """Never send what waits; what was sent stays."""
    _take("cancel", creator, broadcast, data_dir)


@app.command()
def watch(
    broadcast: BroadcastId, creator: Creator = DEMO_CREATOR, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """Show how far it is until it is over."""

    async def run(_runtime: Runtime, broadcasts: Broadcasts) -> None:
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[counts]}"))
        console = Console(stderr=True)
        with Progress(TextColumn("{task.description}"), *columns, console=console) as bar:
            task = bar.add_task("", total=None, counts="")
            while True:
                found, counts = await broadcasts.get(creator, broadcast)
                bar.update(
                    task,
                    description=f"{found.name}: {found.state}",
                    total=counts.planned or None,
                    completed=counts.planned - counts.waiting,
                    counts=_counts(counts),
                )
                if found.state in ("draft", "done", "cancelled"):
                    break
                await asyncio.sleep(LOOK_SECONDS)
        typer.echo(json.dumps({"state": found.state, **asdict(counts)}, default=str))

    asyncio.run(_on(creator, data_dir, run))


def _take(step: str, creator: UUID, broadcast: UUID, data_dir: Path) -> None:
    async def run(_runtime: Runtime, broadcasts: Broadcasts) -> None:
        found: Broadcast = await getattr(broadcasts, step)(creator, broadcast, actor=ACTOR)
        typer.echo(f"{found.name}: {found.state}, {found.planned} planned")

    asyncio.run(_on(creator, data_dir, run))


def _contents(texts: Sequence[str]) -> dict[str, Any]:
    """By language: `de=Hallo`; a text without one is English."""
    found = {}
    for text in texts:
        tag, equals, rest = text.partition("=")
        is_tagged = bool(equals) and tag.replace("-", "").isalnum() and len(tag) <= 11
        found[tag if is_tagged else "en"] = rest if is_tagged else text
    return found


def _read_filter(given: str | None) -> Any:
    if given is None:
        return None
    try:
        is_file = given.startswith("@")
        return json.loads(Path(given[1:]).read_text(encoding="utf-8") if is_file else given)
    except OSError as error:
        raise InvalidInput(f"cannot read {given[1:]}: {error.strerror}") from error
    except ValueError:
        raise InvalidInput("the filter is not valid JSON") from None


def _validated(given: dict[str, Any]) -> NewBroadcast:
    try:
        return NewBroadcast.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InvalidInput(": ".join(filter(None, (place, first["msg"])))) from None


def _told(found: EstimateShown) -> list[str]:
    lines = [f"{found.recipients} contacts, {found.reached} can be reached now"]
    lines += [f"  left out, {reason}: {n}" for reason, n in sorted(found.left_out.items())]
    for channel in found.channels:
        segments = f", {channel.segments} segments" if channel.segments is not None else ""
        lines.append(f"  on {channel.name} ({channel.type}): {channel.recipients}{segments}")
    missing = [one for one in found.languages if one.is_missing]
    lines += [f"  no text in {one.language}: {one.recipients} get {one.content}" for one in missing]
    if found.cost is not None:
        lines.append(f"  text messages cost {found.cost} {found.currency}")
    lines.append(f"  done at {_moment(found.finishes_at)}, {found.seconds / 60:.0f} min at least")
    return lines


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="minutes")


def _counts(counts: Counts) -> str:
    names = ("sent", "delivered", "failed", "skipped", "expired", "cancelled")
    return ", ".join(f"{n} {getattr(counts, n)}" for n in names if getattr(counts, n))


async def _on(creator_id: UUID, data_dir: Path, run: _Work) -> None:
    async with operating(data_dir) as runtime:
        await require_creator(runtime.database, creator_id)
        broadcasts = Broadcasts(runtime.database, runtime.channels, runtime.clock)
        await run(runtime, broadcasts)
