"""`cairn privacy`: hand out what is held of a contact, or erase it."""

import asyncio
import hashlib
import json
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from core.cli.context import DEFAULT_DATA_DIR, DataDir, operating
from core.creators import creator_ids
from core.runtime import Runtime
from shared.errors import AppError, Conflict, NotFound
from shared.models.exports import ErasureRow, ExportRow

POLL_SECONDS = 0.5
OPERATOR = "operator"
MANIFEST = "manifest.json"

app = typer.Typer(
    help="Hand out what is held of a contact, or erase it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Put = Callable[[str, AsyncIterator[bytes]], Awaitable[None]]


@app.command()
def export(
    contact_id: UUID,
    to: Annotated[
        Path | None, typer.Option(help="A .zip file or a folder; contact-ID.zip by default.")
    ] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Write everything that is held of a contact: JSON, CSV by table, a manifest with digests."""
    target = to or Path(f"contact-{contact_id}.zip")
    row = asyncio.run(_export(contact_id, target, data_dir))
    rows = sum(row.manifest["rows"].values())
    typer.echo(f"{rows} rows of {len(row.manifest['rows'])} tables in {target}.")


@app.command()
def erase(
    contact_id: UUID,
    confirm: Annotated[
        str | None, typer.Option(help="The contact's name or id, instead of being asked.")
    ] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Erase a contact from everything. There is no way back."""
    said = confirm or typer.prompt(f"Erase {contact_id} for good? Type the name or the id")
    row = asyncio.run(_erase(contact_id, said, data_dir))
    counts = {table: number for table, number in row.counts.items() if table != "left"}
    typer.echo(json.dumps({"id": str(row.id), "state": row.state, "counts": counts}, indent=2))
    if row.state != "done":
        raise typer.Exit(1)


async def _export(contact_id: UUID, target: Path, data_dir: Path) -> ExportRow:
    async with operating(data_dir) as runtime:
        creator_id = await _creator_of(runtime, contact_id)
        privacy = runtime.privacy
        row = await privacy.ask_export(creator_id, contact_id, actor=OPERATOR)
        # A worker may have it; whoever is quicker does a step.
        while row.state in ("waiting", "running"):
            await privacy.export(creator_id, row.id)
            row = await privacy.get_export(creator_id, row.id)
            await _pause(row.state)
        if row.state != "done":
            raise AppError(f"the export failed: {row.error_code}")
        with _opened(target) as put:
            await _write(runtime, creator_id, row, put)
    return row


async def _erase(contact_id: UUID, confirm: str, data_dir: Path) -> ErasureRow:
    async with operating(data_dir) as runtime:
        creator_id = await _creator_of(runtime, contact_id)
        privacy = runtime.privacy
        row = await privacy.ask_erasure(creator_id, contact_id, actor=OPERATOR, confirm=confirm)
        while row.state in ("waiting", "running"):
            await privacy.erase(creator_id, row.id)
            row = await privacy.get_erasure(creator_id, row.id)
            await _pause(row.state)
    return row


async def _pause(state: str) -> None:
    if state in ("waiting", "running"):
        await asyncio.sleep(POLL_SECONDS)


async def _creator_of(runtime: Runtime, contact_id: UUID) -> UUID:
    """The creator whose contact it is, whom the operator need not know."""
    for creator_id in await creator_ids(runtime.database):
        async with runtime.database.transaction(creator_id) as connection:
            if await connection.fetchval(
                "SELECT 1 FROM app.contacts WHERE creator_id = $1 AND id = $2",
                creator_id,
                contact_id,
            ):
                return creator_id
    raise NotFound(f"there is no contact {contact_id}")


async def _write(runtime: Runtime, creator_id: UUID, row: ExportRow, put: Put) -> None:
    for file in row.manifest["files"]:
        seen = hashlib.sha256()
        stored = partial(runtime.privacy.next_part, creator_id, row.id, file["name"])
        await put(file["name"], _pieces(stored, seen.update))
        if seen.hexdigest() != file["sha256"]:
            raise Conflict(f"{file['name']} is not what the manifest says")

    async def manifest() -> AsyncIterator[bytes]:
        yield json.dumps(row.manifest, indent=2).encode()

    await put(MANIFEST, manifest())


async def _pieces(
    stored: Callable[[int], Awaitable[tuple[int, bytes] | None]], see: Callable[[bytes], None]
) -> AsyncIterator[bytes]:
    part = -1
    while found := await stored(part):
        part, data = found
        see(data)
        yield data


@contextmanager
def _opened(target: Path) -> Iterator[Put]:
    """What takes the files: an archive that only its owner reads, or a folder."""
    if target.suffix == ".zip":
        target.touch(mode=0o600)
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:

            async def into_archive(name: str, pieces: AsyncIterator[bytes]) -> None:
                with archive.open(name, "w", force_zip64=True) as file:
                    async for piece in pieces:
                        file.write(piece)

            yield into_archive
        return
    target.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def into_folder(name: str, pieces: AsyncIterator[bytes]) -> None:
        with (target / name).open("wb") as file:
            async for piece in pieces:
                file.write(piece)

    yield into_folder
