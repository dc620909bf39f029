"""`cairn ingest PATH…`: files or folders into a creator's knowledge; short for `cairn kb add`."""

import typer

from core.cli import kb
from core.cli.context import DEFAULT_DATA_DIR, DataDir
from core.seed import DEMO_CREATOR

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def ingest(
    sources: kb.Sources,
    creator: kb.Creator = DEMO_CREATOR,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Read files into the creator's knowledge. The same file twice is one document."""
    kb.add(sources, creator, data_dir)
