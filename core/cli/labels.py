"""What `cairn models` and `cairn prompts` share: whose versions they are, and labels that move."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Protocol
from uuid import UUID

import typer

from core.cli.context import operating
from core.creators import require_creator
from core.house import HOUSE, ensure_house
from core.runtime import Runtime

ACTOR = "operator"

Creator = Annotated[
    UUID | None, typer.Option("--creator", help="A creator's own; else what all creators share.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Percent = Annotated[int, typer.Option(help="Of the contacts, for a candidate.")]
Force = Annotated[
    bool, typer.Option("--force", help="Also when it was measured as worse, or not at all.")
]


class Label(Protocol):
    @property
    def label(self) -> str: ...

    @property
    def version(self) -> int: ...

    @property
    def percent(self) -> int: ...


@asynccontextmanager
async def owned(data_dir: Path, creator: UUID | None) -> AsyncIterator[tuple[Runtime, UUID]]:
    """A runtime, and whose versions are meant: a creator's, or the house's for all."""
    async with operating(data_dir) as runtime:
        if creator is None:
            await ensure_house(runtime.database)
        else:
            await require_creator(runtime.database, creator)
        yield runtime, creator or HOUSE


def tell(name: str, label: Label) -> None:
    """Where a label points now."""
    whom = f" for {label.percent} % of the contacts" if label.label == "candidate" else ""
    typer.echo(f"{name}@{label.version} is {label.label} now{whom}.")


def tell_back(name: str, label: str, back: Label | None) -> None:
    """Where a label points after a rollback."""
    if back is None:
        typer.echo(f"There was none before: nothing is labelled {label} any more.")
    else:
        tell(name, back)
