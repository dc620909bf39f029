"""Put a file into a creator's knowledge at once, for the command line and the first start."""

import asyncio
from pathlib import Path
from uuid import UUID

from core.runtime import Runtime
from shared.errors import InvalidInput
from shared.models.knowledge import SourceKind


async def ingest_file(
    runtime: Runtime, creator_id: UUID, path: Path, source_kind: SourceKind = "file"
) -> str:
    """Store and index one file now; why it failed, or an empty string."""
    data = await asyncio.to_thread(path.read_bytes)
    try:
        document = await runtime.knowledge.add_document(
            creator_id,
            title=path.stem.replace("-", " ").replace("_", " ").capitalize(),
            data=data,
            filename=path.name,
            source_kind=source_kind,
            source_uri=path.name,
        )
    except InvalidInput as error:
        return error.message
    await runtime.knowledge.ingest(creator_id, document.id)
    stored = await runtime.knowledge.get_document(creator_id, document.id)
    return "" if stored.status == "ready" else stored.error or stored.status
