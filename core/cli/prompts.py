"""`cairn prompts`: versions of a creator's prompt templates, and of what all share."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from core.cli.context import DEFAULT_DATA_DIR, DataDir
from core.cli.labels import ACTOR, AsJson, Creator, Force, Percent, owned, tell, tell_back
from core.llm.prompt_catalog import CATALOG, spec_of
from core.llm.prompt_preview import preview as render_preview
from core.llm.prompt_source import MAX_BODY
from core.llm.prompt_store import BUILT_IN_VERSION
from shared.errors import InvalidInput
from shared.models.prompts import PromptLabel, PromptVersion

app = typer.Typer(
    help="List, save, compare and promote prompt templates.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
MAX_LISTED = 1000

Locale = Annotated[str, typer.Option("--locale", help="For a language only, such as pt-BR.")]
TemplateId = Annotated[str, typer.Argument(metavar="ID", help="The template's id: answer.")]
Version = Annotated[int, typer.Argument(help="A version; 0 is the one that comes with Cairn.")]


@app.command("list")
def list_all(
    template_id: Annotated[str, typer.Argument(metavar="[ID]")] = "",
    creator: Creator = None,
    locale: Locale = "",
    as_json: AsJson = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """The templates there are with their labels; or the versions of one, newest first."""

    async def run() -> list[dict[str, object]]:
        async with owned(data_dir, creator) as (runtime, owner):
            if template_id:
                versions = await runtime.prompts.list(
                    owner, template_id, locale=locale, limit=MAX_LISTED
                )
                return [_version(version) for version in versions]
            labels = {id_: await runtime.prompts.labels(owner, id_) for id_ in CATALOG}
            return [_template(id_, found) for id_, found in labels.items()]

    for line in asyncio.run(run()):
        typer.echo(json.dumps(line) if as_json else _line(line))


@app.command()
def show(
    template_id: TemplateId,
    version: Version = BUILT_IN_VERSION,
    creator: Creator = None,
    locale: Locale = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Print the text of a version, as `save` takes it."""

    async def run() -> str:
        async with owned(data_dir, creator) as (runtime, owner):
            return await runtime.prompts.body(owner, template_id, version, locale=locale)

    typer.echo(asyncio.run(run()), nl=False)


@app.command()
def save(
    template_id: TemplateId,
    file: Annotated[Path, typer.Argument(help="The template; see `show` for one to begin with.")],
    note: Annotated[str, typer.Option(help="What changed, and why.")] = "",
    creator: Creator = None,
    locale: Locale = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Check a template and keep it as the next version. Nobody meets it before `promote`."""
    body = _read(file)

    async def run() -> PromptVersion:
        async with owned(data_dir, creator) as (runtime, owner):
            return await runtime.prompts.save(
                owner, template_id, body, locale=locale, note=note, actor=ACTOR
            )

    saved = asyncio.run(run())
    typer.echo(f"Version {saved.version}. `cairn prompts promote` puts it to work.")


@app.command()
def diff(
    template_id: TemplateId,
    first: Version,
    last: Version,
    creator: Creator = None,
    locale: Locale = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """What changed between two versions."""

    async def run() -> str:
        async with owned(data_dir, creator) as (runtime, owner):
            return await runtime.prompts.diff(owner, template_id, first, last, locale=locale)

    typer.echo(asyncio.run(run()) or "No difference.")


@app.command()
def promote(
    template_id: TemplateId,
    version: Annotated[int, typer.Argument(help="A version that was saved.")],
    label: Annotated[str, typer.Option(help="production, or candidate.")] = "production",
    percent: Percent = 100,
    creator: Creator = None,
    locale: Locale = "",
    force: Force = False,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Put a version to work. One that was measured as worse than the present one is refused."""

    async def run() -> PromptLabel:
        async with owned(data_dir, creator) as (runtime, owner):
            return await runtime.prompts.set_label(
                owner,
                template_id,
                label,
                version,
                percent=percent,
                locale=locale,
                actor=ACTOR,
                is_forced=force,
            )

    tell(template_id, asyncio.run(run()))


@app.command()
def rollback(
    template_id: TemplateId,
    label: Annotated[str, typer.Option(help="production, or candidate.")] = "production",
    creator: Creator = None,
    locale: Locale = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Return to the version before."""

    async def run() -> PromptLabel | None:
        async with owned(data_dir, creator) as (runtime, owner):
            return await runtime.prompts.rollback(
                owner, template_id, label=label, locale=locale, actor=ACTOR
            )

    tell_back(template_id, label, asyncio.run(run()))


@app.command()
def preview(
    template_id: TemplateId,
    version: Version = BUILT_IN_VERSION,
    file: Annotated[Path | None, typer.Option(help="A template that is not saved.")] = None,
    question: Annotated[str, typer.Option(help="Instead of the sample's.")] = "",
    creator: Creator = None,
    locale: Locale = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Print what a model would be sent, with a sample of passages."""
    given = {"question": question} if question else {}
    if file is not None:
        typer.echo(render_preview(spec_of(template_id), _read(file), given).text)
        return

    async def run() -> str:
        async with owned(data_dir, creator) as (runtime, owner):
            return await runtime.prompts.body(owner, template_id, version, locale=locale)

    typer.echo(render_preview(spec_of(template_id), asyncio.run(run()), given).text)


def _read(file: Path) -> str:
    try:
        with file.open(encoding="utf-8") as opened:
            return opened.read(MAX_BODY + 1)
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise InvalidInput(f"cannot read {file}: {why}") from error


def _version(version: PromptVersion) -> dict[str, object]:
    shown = asdict(version)
    del shown["body"], shown["variables"]
    return {**shown, "created_at": version.created_at.isoformat(timespec="seconds")}


def _template(template_id: str, labels: Sequence[PromptLabel]) -> dict[str, object]:
    return {
        "id": template_id,
        "labels": [
            {
                "label": found.label,
                "locale": found.locale,
                "version": found.version,
                "percent": found.percent,
            }
            for found in labels
        ],
    }


def _line(fields: dict[str, object]) -> str:
    """One line of what has something to say: of labels only their names and versions."""
    labels = fields.get("labels")
    if isinstance(labels, list):
        named = [_name(label) for label in labels]
        return "  ".join([str(fields["id"]), *(named or ["nothing is labelled"])])
    return "  ".join(str(value) for value in fields.values() if value)


def _name(label: dict[str, object]) -> str:
    of = f" ({label['locale']})" if label["locale"] else ""
    return f"{label['label']}{of}: {label['version']}"
