"""Put a file into a creator's knowledge at once, for the command line and the first start."""

import asyncio
from pathlib import Path
from uuid import UUID

from core.runtime import Runtime
from shared.errors import InvalidInput, PayloadTooLarge
from shared.models.knowledge import SourceKind


async def ingest_file(
    runtime: Runtime, creator_id: UUID, path: Path, source_kind: SourceKind = "file"
) -> str:
    """Store and index one file now; why it failed, or an empty string."""
    try:
        data = await asyncio.to_thread(path.read_bytes)
        document = await runtime.knowledge.add_document(
            creator_id,
            title=path.stem.replace("-", " ").replace("_", " ").capitalize(),
            data=data,
            filename=path.name,
            source_kind=source_kind,
            source_uri=path.name,
        )
    except (InvalidInput, PayloadTooLarge) as error:
        return error.message
    except OSError as error:
        return error.strerror or "cannot be read"
    await runtime.knowledge.ingest(creator_id, document.id)
    stored = await runtime.knowledge.get_document(creator_id, document.id)
    return "" if stored.status == "ready" else stored.error or stored.status
