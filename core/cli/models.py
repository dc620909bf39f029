"""`cairn models`: the models all creators share, or one creator's own, and their health."""

import asyncio
import json
from collections.abc import Sequence
from typing import Annotated, Any, get_args

import typer
from rich.console import Console
from rich.table import Table

from core.cli.context import DEFAULT_DATA_DIR, DataDir
from core.cli.labels import ACTOR, AsJson, Creator, Force, Percent, owned, tell, tell_back
from core.llm.checkup import Checkup
from core.llm.paths import ModelType
from core.llm.registry import Listed, ModelMetadata
from shared.errors import InvalidInput
from shared.models.models import ModelLabel

app = typer.Typer(
    help="List, register, promote and check models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Name = Annotated[str, typer.Argument(help="The logical name: answers, or passages.")]
Label = Annotated[str, typer.Option(help="production, candidate or fallback.")]


@app.command("list")
def list_all(
    creator: Creator = None, as_json: AsJson = False, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """Every version that may be used, with the labels that point at it."""

    async def run() -> list[Listed]:
        async with owned(data_dir, creator) as (runtime, owner):
            return await runtime.models.registry.list_models(owner)

    columns = ("model", "type", "path", "digest", "context", "labels")
    _print([_listed(row) for row in asyncio.run(run())], columns, as_json=as_json)


@app.command()
def register(
    name: Name,
    model_path: Annotated[
        str, typer.Argument(help="ollama:<tag>, embedded:wordllama or extractive.")
    ],
    model_type: Annotated[str, typer.Option("--type", help="chat, embedding, classification.")] = (
        "chat"
    ),
    version: Annotated[int | None, typer.Option(help="The next one if not given.")] = None,
    digest: Annotated[str | None, typer.Option(help="Else that of what is installed.")] = None,
    num_ctx: Annotated[
        int | None, typer.Option(help="Context of every request, in tokens.")
    ] = None,
    dimensions: Annotated[int | None, typer.Option(help="Of an embedding.")] = None,
    params: Annotated[str, typer.Option(help='As JSON: {"temperature": 0.1}')] = "{}",
    creator: Creator = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Keep a version for good. Nobody meets it before `promote`."""
    metadata = ModelMetadata(
        name=name,
        model_type=_type(model_type),
        version=version,
        digest=digest,
        num_ctx=num_ctx,
        dimensions=dimensions,
        params=_object(params),
        creator_id=creator,
    )

    async def run() -> ModelMetadata:
        async with owned(data_dir, creator) as (runtime, _):
            described = await runtime.models.describe(metadata, model_path)
            return await runtime.models.registry.register_model(described, model_path, actor=ACTOR)

    stored = asyncio.run(run())
    typer.echo(f"{stored.name}@{stored.version} is {stored.model_path}. `promote` puts it to work.")


@app.command()
def promote(
    name: Name,
    version: Annotated[int, typer.Argument(help="A version that was registered.")],
    label: Label = "production",
    percent: Percent = 100,
    creator: Creator = None,
    force: Force = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Put a version to work. One that was measured as worse than the present one is refused."""

    async def run() -> ModelLabel:
        async with owned(data_dir, creator) as (runtime, owner):
            return await runtime.models.registry.promote(
                name, version, label, percent, creator_id=owner, actor=ACTOR, is_forced=force
            )

    tell(name, asyncio.run(run()))


@app.command()
def rollback(
    name: Name,
    label: Label = "production",
    creator: Creator = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Return to the version before."""

    async def run() -> ModelLabel | None:
        async with owned(data_dir, creator) as (runtime, owner):
            return await runtime.models.registry.rollback(
                name, label, creator_id=owner, actor=ACTOR
            )

    tell_back(name, label, asyncio.run(run()))


@app.command()
def check(
    creator: Creator = None, as_json: AsJson = False, data_dir: DataDir = DEFAULT_DATA_DIR
) -> None:
    """Ask every host for the models in use; exit 1 when one is missing or another than it was."""

    async def run() -> list[Checkup]:
        async with owned(data_dir, creator) as (runtime, owner):
            rows = await runtime.models.registry.list_models(owner)
            return await runtime.models.checkups.of([row.model for row in rows if row.labels])

    found = asyncio.run(run())
    columns = ("model", "path", "state", "hosts", "remarks")
    _print([_checked(checkup) for checkup in found], columns, as_json=as_json)
    if not all(checkup.is_well for checkup in found):
        raise typer.Exit(1)


def _type(name: str) -> ModelType:
    for known in get_args(ModelType):
        if name == known:
            found: ModelType = known
            return found
    raise InvalidInput(f"a model is of the type {', '.join(get_args(ModelType))}")


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InvalidInput("--params is not JSON") from error
    if not isinstance(value, dict):
        raise InvalidInput("--params is not a JSON object")
    return value


def _print(rows: Sequence[dict[str, str]], columns: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row))
        return
    table = Table(*columns)
    for row in rows:
        table.add_row(*(row[column] for column in columns))
    # Piped into a file it is as wide as it needs to be.
    console = Console()
    (console if console.is_terminal else Console(width=200)).print(table)


def _listed(row: Listed) -> dict[str, str]:
    model = row.model
    labels = [
        f"{label.label} {label.percent} %" if label.label == "candidate" else label.label
        for label in row.labels
    ]
    return {
        "model": model.ref,
        "type": model.model_type,
        "path": model.model_path,
        "digest": (model.digest or "")[:12],
        "context": str(model.num_ctx or ""),
        "labels": ", ".join(labels),
    }


def _checked(checkup: Checkup) -> dict[str, str]:
    having = sum(on.present for on in checkup.hosts)
    return {
        "model": checkup.model.ref,
        "path": checkup.model.model_path,
        "state": checkup.state,
        "hosts": f"{having} of {len(checkup.hosts)}" if checkup.hosts else "none needed",
        "remarks": "; ".join(warning.text for warning in checkup.warnings),
    }
