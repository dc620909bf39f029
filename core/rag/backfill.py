"""Bring the vectors in Chroma to what the ledger in Postgres says. May be stopped and repeated."""

from collections.abc import Sequence
from uuid import UUID

from core.llm.base import Embedder
from core.rag.spaces import Spaces
from core.rag.vectors import VectorStore
from shared.database import DatabaseManager
from shared.errors import ModelUnavailable
from shared.failpoints import failpoint
from shared.models import embeddings, indexing
from shared.models.embeddings import PendingChunk

BATCH = 256
MODEL_BATCH = 64


class Backfill:
    """Embeds what waits for a vector and removes what must go. No transaction is held meanwhile."""

    def __init__(self, database: DatabaseManager, vectors: VectorStore, spaces: Spaces) -> None:
        self._database = database
        self._vectors = vectors
        self._spaces = spaces

    async def embed_pending(
        self, creator_id: UUID, space: str, *, document_ids: Sequence[UUID] | None = None
    ) -> int:
        """Store every missing vector of a space, or of some documents; how many that were.

        Raises ModelUnavailable and VectorsUnavailable; what was stored until then is kept.
        """
        done = 0
        while waiting := await self._waiting(creator_id, space, document_ids):
            embedder = await self._spaces.embedder(space)
            if embedder is None:
                raise ModelUnavailable(f"the embedder of {space} is away")
            await self._store(creator_id, embedder, waiting, document_ids or ())
            done += len(waiting)
            await failpoint("mid-ingest")
            if len(waiting) < BATCH:
                break
        return done

    async def embed_some(self, creator_id: UUID, space: str, limit: int) -> int:
        """Store at most so many of a space's missing vectors; how many. Raises as above."""
        async with self._database.transaction(creator_id) as db:
            waiting = await embeddings.pending_chunks(
                db, creator_id, space, document_ids=None, limit=limit
            )
        if waiting:
            embedder = await self._spaces.embedder(space)
            if embedder is None:
                raise ModelUnavailable(f"the embedder of {space} is away")
            await self._store(creator_id, embedder, waiting, ())
        return len(waiting)

    async def sweep(self, creator_id: UUID) -> None:
        """Take the vectors of deleted chunks out of Chroma."""
        while doomed := await self._doomed(creator_id):
            for space, ids in doomed.items():
                await self._vectors.delete(creator_id, space, ids)
                async with self._database.transaction(creator_id) as db:
                    await embeddings.forget_deleted(db, creator_id, space, ids)

    async def _waiting(
        self, creator_id: UUID, space: str, document_ids: Sequence[UUID] | None
    ) -> list[PendingChunk]:
        async with self._database.transaction(creator_id) as db:
            return await embeddings.pending_chunks(
                db, creator_id, space, document_ids=document_ids, limit=BATCH
            )

    async def _doomed(self, creator_id: UUID) -> dict[str, list[UUID]]:
        async with self._database.transaction(creator_id) as db:
            return await embeddings.doomed(db, creator_id, limit=BATCH)

    async def _store(
        self,
        creator_id: UUID,
        embedder: Embedder,
        chunks: Sequence[PendingChunk],
        document_ids: Sequence[UUID],
    ) -> None:
        space = embedder.space.name
        # One call costs Chroma the same for many vectors as for one; a document that is alone
        # tells how far it is more often.
        size = BATCH if len(document_ids) > 1 else MODEL_BATCH
        for start in range(0, len(chunks), size):
            batch = chunks[start : start + size]
            ids = [chunk.id for chunk in batch]
            vectors = await _embedded(embedder, batch)
            await self._vectors.upsert(creator_id, space, ids, vectors)
            # Lost marks are made again: the same vector is stored under the same id.
            async with self._database.transaction(creator_id, is_repeatable=True) as db:
                wanted = await embeddings.mark_stored(db, creator_id, space, ids)
                if len(document_ids) == 1 and start + size < len(chunks):
                    done = await embeddings.share_stored(db, creator_id, space, document_ids[0])
                    await indexing.record_progress(
                        db, creator_id, {document_ids[0]: (1 + done) / 2}
                    )
            # Deleted while it was being embedded: the sweep may have passed already.
            unwanted = [chunk_id for chunk_id in ids if chunk_id not in wanted]
            if unwanted:
                await self._vectors.delete(creator_id, space, unwanted)


async def _embedded(embedder: Embedder, chunks: Sequence[PendingChunk]) -> list[list[float]]:
    vectors: list[list[float]] = []
    for start in range(0, len(chunks), MODEL_BATCH):
        texts = [passage_text(chunk) for chunk in chunks[start : start + MODEL_BATCH]]
        vectors += await embedder.embed(texts, kind="passage")
    return vectors


def passage_text(chunk: PendingChunk) -> str:
    """What is embedded of a chunk: where it stands, then what it says."""
    return "\n".join(part for part in (chunk.heading, chunk.text) if part)
