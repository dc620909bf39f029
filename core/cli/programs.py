"""`cairn programs`: what contacts go through: written, compared, tried, published, watched."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from core.cli.context import DEFAULT_DATA_DIR, DataDir, operating
from core.creators import require_creator
from core.programs import enrolling, store
from core.programs.definition import Program
from core.programs.keeping import Programs
from core.programs.preview import MOST_CONTACTS, MOST_SENDS, ContactPreview, Wanted
from core.programs.preview import preview as foresee
from core.programs.publishing import Publishing
from core.programs.reading import MAX_BYTES, read_program, read_yaml
from core.programs.sends.reasons import in_words
from core.runtime import Runtime
from core.seed import DEMO_CREATOR
from shared.errors import InvalidInput
from shared.models import enrolments as enrolment_rows
from shared.models import send_lists
from shared.models.send_lists import Filters

app = typer.Typer(
    help="List, save, compare, try, publish, pause and archive programs; who is in them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
ACTOR = "operator"
MAX_LISTED = 1000

Creator = Annotated[
    UUID, typer.Option("--creator", help="The creator's id; the demo creator if not given.")
]
Name = Annotated[str, typer.Argument(metavar="PROGRAM", help="Its slug, or its id.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
VersionOption = Annotated[int | None, typer.Option("--version", help="Else the newest.")]
Contacts = Annotated[
    list[UUID] | None, typer.Option("--contact", help="A contact's id; may be repeated.")
]
Lines = list[dict[str, Any]]


@app.command("list")
def list_all(
    creator: Creator = DEMO_CREATOR, as_json: AsJson = False, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """The programs there are, newest first."""

    async def run(runtime: Runtime) -> Lines:
        found = await _programs(runtime).list(creator, limit=MAX_LISTED)
        return [
            {
                "slug": row.slug,
                "status": row.status,
                "version": row.version,
                "live": row.live_version,
                "name": row.name,
                "id": str(row.id),
            }
            for row in found
        ]

    _print(_on(creator, data_dir, run), as_json)


@app.command()
def show(
    name: Name,
    version: VersionOption = None,
    creator: Creator = DEMO_CREATOR,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Print a version as YAML, as `save` takes it."""

    async def run(runtime: Runtime) -> Program:
        programs = _programs(runtime)
        row = await programs.by_name(creator, name)
        return await programs.definition(creator, row.id, version or row.version)

    typer.echo(store.to_yaml(_on(creator, data_dir, run)), nl=False)


@app.command()
def save(
    file: Annotated[Path, typer.Argument(help="YAML, or JSON in a .json file.")],
    note: Annotated[str, typer.Option(help="What changed, and why.")] = "",
    creator: Creator = DEMO_CREATOR,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Check a program and keep it as the next version. Nobody meets it before `publish`."""
    program = read_program(_read(file), is_yaml=file.suffix.lower() != ".json")

    async def run(runtime: Runtime) -> str:
        saved = await _programs(runtime).put(creator, program, actor=ACTOR, note=note)
        if not saved.is_new:
            return f"Nothing has changed since version {saved.row.version}."
        return f"Version {saved.row.version} of {saved.row.slug}. `cairn programs publish` is next."

    typer.echo(_on(creator, data_dir, run))


@app.command()
def diff(
    name: Name,
    first: Annotated[int, typer.Argument(help="A version.")],
    last: Annotated[int, typer.Argument(help="A version.")],
    creator: Creator = DEMO_CREATOR,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """What changed between two versions."""

    async def run(runtime: Runtime) -> str:
        programs = _programs(runtime)
        row = await programs.by_name(creator, name)
        return await programs.diff(creator, row.id, first, last)

    typer.echo(_on(creator, data_dir, run) or "No difference.")


@app.command()
def publish(
    name: Name,
    version: VersionOption = None,
    creator: Creator = DEMO_CREATOR,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Put a version to work; what waits for contacts is planned anew."""

    async def run(runtime: Runtime) -> str:
        row = await _programs(runtime).by_name(creator, name)
        published = await Publishing(runtime.database).publish(
            creator, row.id, version=version, actor=ACTOR, now=runtime.clock.now()
        )
        counts = ", ".join(f"{count} {what}" for what, count in asdict(published.counts).items())
        row = published.row
        return f"{row.slug} is {row.status} with version {row.live_version}: {counts}."

    typer.echo(_on(creator, data_dir, run))


@app.command()
def pause(
    name: Name, creator: Creator = DEMO_CREATOR, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """Send nothing of it until `resume`."""

    async def run(runtime: Runtime) -> str:
        row = await _programs(runtime).by_name(creator, name)
        await Publishing(runtime.database).pause(creator, row.id, actor=ACTOR)
        return f"{row.slug} is paused."

    typer.echo(_on(creator, data_dir, run))


@app.command()
def resume(
    name: Name, creator: Creator = DEMO_CREATOR, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """Go on with a paused one."""

    async def run(runtime: Runtime) -> str:
        row = await _programs(runtime).by_name(creator, name)
        now = runtime.clock.now()
        await Publishing(runtime.database).resume(creator, row.id, actor=ACTOR, now=now)
        return f"{row.slug} is live."

    typer.echo(_on(creator, data_dir, run))


@app.command()
def archive(
    name: Name, creator: Creator = DEMO_CREATOR, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """Put it away: nothing more is sent, all enrolments end."""

    async def run(runtime: Runtime) -> str:
        row = await _programs(runtime).by_name(creator, name)
        now = runtime.clock.now()
        away = await Publishing(runtime.database).archive(creator, row.id, actor=ACTOR, now=now)
        ended, cancelled = away.ended, away.cancelled
        return f"{row.slug} is archived: {ended} enrolments ended, {cancelled} sends cancelled."

    typer.echo(_on(creator, data_dir, run))


@app.command()
def preview(
    name: Name,
    version: VersionOption = None,
    contact: Contacts = None,
    contacts: Annotated[int, typer.Option(min=1, max=MOST_CONTACTS, help="How many.")] = 3,
    sends: Annotated[int, typer.Option(min=1, max=MOST_SENDS, help="Of each of them.")] = 10,
    as_json: AsJson = False,
    creator: Creator = DEMO_CREATOR,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Who would get what when, if they entered now and answered nothing. Writes nothing."""

    async def run(runtime: Runtime) -> list[ContactPreview]:
        row = await _programs(runtime).by_name(creator, name)
        wanted = Wanted(
            program_id=row.id,
            version=version,
            contact_ids=tuple(contact or ()),
            contacts=contacts,
            sends=sends,
        )
        return await foresee(
            runtime.database, runtime.channels, creator, wanted, runtime.clock.now()
        )

    found = _on(creator, data_dir, run)
    if not found:
        typer.echo("Nobody matches the entry segment now.")
    for one in found:
        typer.echo(json.dumps(asdict(one), default=str) if as_json else _foreseen(one))


@app.command()
def enrol(
    name: Name,
    contact: Contacts = None,
    filter_: Annotated[
        str, typer.Option("--filter", help="A segment's filter, as JSON or YAML.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    creator: Creator = DEMO_CREATOR,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Enrol contacts, or whoever matches a filter now."""
    if bool(contact) == bool(filter_):
        raise InvalidInput("give either --contact or --filter")

    async def run(runtime: Runtime) -> str:
        row, now = await _programs(runtime).by_name(creator, name), runtime.clock.now()
        ids = list(contact or ())
        if filter_:
            async with runtime.database.transaction(creator) as db:
                ids = await enrolling.matching(db, creator, _filter(filter_), now)
        done = await enrolling.enrol_many(
            runtime.database, creator, row.id, ids, actor=ACTOR, now=now, dry_run=dry_run
        )
        verb = "would be enrolled" if dry_run else "enrolled"
        return f"{done.enrolled} {verb}, {done.already} were in it already."

    typer.echo(_on(creator, data_dir, run))


@app.command()
def enrolments(
    name: Name,
    as_json: AsJson = False,
    creator: Creator = DEMO_CREATOR,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Who is in a program, newest first."""

    async def run(runtime: Runtime) -> Lines:
        row = await _programs(runtime).by_name(creator, name)
        async with runtime.database.transaction(creator) as db:
            found = await enrolment_rows.newest(db, creator, row.id, limit=MAX_LISTED)
        return [
            {
                "contact": str(one.contact_id),
                "status": one.status,
                "step": one.step_key,
                "reason": one.reason,
                "since": one.started_at.isoformat(timespec="minutes"),
                "id": str(one.id),
            }
            for one in found
        ]

    _print(_on(creator, data_dir, run), as_json)


@app.command()
def sends(
    name: Annotated[str, typer.Argument(metavar="[PROGRAM]")] = "",
    state: Annotated[
        str, typer.Option(help="waiting, claimed, sent, skipped, cancelled or expired.")
    ] = "",
    contact: Annotated[UUID | None, typer.Option(help="Of this contact only.")] = None,
    as_json: AsJson = False,
    creator: Creator = DEMO_CREATOR,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """What is planned and what became of it, each with its reason in words."""

    async def run(runtime: Runtime) -> Lines:
        row = await _programs(runtime).by_name(creator, name) if name else None
        filters = Filters(
            state=state or None, contact_id=contact, program_id=row.id if row else None
        )
        async with runtime.database.transaction(creator) as db:
            found = await send_lists.listed(db, creator, filters, limit=MAX_LISTED)
        return [
            {
                "due": one.due_at.isoformat(timespec="minutes"),
                "state": one.state,
                "step": one.step_key or one.source_kind,
                "slot": one.occurrence,
                "contact": str(one.contact_id),
                "why": in_words(one.skip_reason or one.defer_reason),
            }
            for one in found
        ]

    _print(_on(creator, data_dir, run), as_json)


def _on(creator: UUID, data_dir: Path, work: Callable[[Runtime], Awaitable[Any]]) -> Any:
    """What the work comes back with, on this creator's data."""

    async def run() -> Any:
        async with operating(data_dir) as runtime:
            await require_creator(runtime.database, creator)
            return await work(runtime)

    return asyncio.run(run())


def _programs(runtime: Runtime) -> Programs:
    return Programs(runtime.database, bots=runtime.bots)


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"cannot read {file}: {error.strerror}") from error


def _filter(text: str) -> dict[str, Any]:
    value = read_yaml(text)
    if not isinstance(value, dict):
        raise InvalidInput("--filter is no object")
    return value


def _print(lines: Iterable[dict[str, Any]], as_json: bool) -> None:
    for line in lines:
        shown = json.dumps(line) if as_json else "  ".join(str(v) for v in line.values() if v)
        typer.echo(shown)


def _foreseen(one: ContactPreview) -> str:
    lines = [f"{one.name or one.contact_id} ({one.timezone})"]
    for send in one.sends:
        text = " ".join((send.text or "(written when it is due)").split())
        where = send.channel or "nowhere"
        lines.append(f"  {send.local_time}  {send.step_key}  {where}: {text[:80]}")
        if send.why:
            lines.append(f"    {send.verdict}: {send.why}")
    return "\n".join(lines if one.sends else [*lines, "  nothing"])
