"""Put a file or a page into a creator's knowledge at once, for commands and first starts."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from uuid import UUID

from core.rag.intake import Document
from core.runtime import Runtime
from shared.errors import AppError, InvalidInput, KnowledgeQuota, PayloadTooLarge
from shared.models.knowledge import SourceKind

POLL_SECONDS = 0.2
SUFFIXES = (".md", ".markdown", ".txt", ".html", ".htm", ".pdf", ".docx", ".csv", ".tsv")

OnProgress = Callable[[float], None]


async def ingest_file(
    runtime: Runtime,
    creator_id: UUID,
    path: Path,
    source_kind: SourceKind = "file",
    *,
    name: str = "",
    on_progress: OnProgress | None = None,
) -> str:
    """Store and index one file now; why it failed, or an empty string.

    `name` tells it from others; another file of that name is its next version.
    """
    try:
        data = await asyncio.to_thread(path.read_bytes)
        document = await runtime.knowledge.add_document(
            creator_id,
            title=path.stem.replace("-", " ").replace("_", " ").capitalize(),
            data=data,
            filename=path.name,
            source_kind=source_kind,
            source_uri=name or path.name,
        )
    except (InvalidInput, PayloadTooLarge, KnowledgeQuota) as error:
        return error.message
    except OSError as error:
        return error.strerror or "cannot be read"
    return await _finish(runtime, creator_id, document, on_progress)


async def ingest_url(
    runtime: Runtime, creator_id: UUID, url: str, on_progress: OnProgress | None = None
) -> str:
    """Fetch and index one page now; why it failed, or an empty string."""
    try:
        document = await runtime.knowledge.add_url(creator_id, url)
    except (InvalidInput, KnowledgeQuota) as error:
        return error.message
    return await _finish(runtime, creator_id, document, on_progress)


def files_in(paths: Iterable[Path]) -> dict[str, Path]:
    """Files by the name that they have among the given files and folders.

    Raises InvalidInput for what is neither.
    """
    found: dict[str, Path] = {}
    for path in paths:
        if path.is_dir():
            inside = (one for one in path.rglob("*") if one.suffix.lower() in SUFFIXES)
            found |= {str(one.relative_to(path)): one for one in inside if one.is_file()}
        elif path.is_file():
            found[path.name] = path
        else:
            raise InvalidInput(f"{path} is neither a file nor a folder")
    return dict(sorted(found.items()))


async def _finish(
    runtime: Runtime, creator_id: UUID, document: Document, on_progress: OnProgress | None
) -> str:
    work = asyncio.create_task(runtime.knowledge.ingest(creator_id, document.id))
    try:
        while on_progress and not work.done():
            await asyncio.wait((work,), timeout=POLL_SECONDS)
            stored = await runtime.knowledge.get_document(creator_id, document.id)
            on_progress(stored.progress)
        await work
    except AppError as error:
        if error.retryable:
            raise
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
    stored = await runtime.knowledge.get_document(creator_id, document.id)
    return stored.error or ("" if stored.status == "ready" else stored.status)
