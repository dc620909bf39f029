"""Rebuild a creator's index in the space it has, or move it to another one, without a gap."""

from uuid import UUID

from core.rag.backfill import Backfill
from core.rag.migrate import EmbeddingMigration
from core.rag.spaces import Spaces
from core.rag.vectors import VectorStore
from shared.database import DatabaseManager
from shared.errors import ModelUnavailable
from shared.models import embeddings


class Reindexer:
    """It may be stopped at any point and run again: the ledger knows what is done."""

    def __init__(
        self,
        database: DatabaseManager,
        vectors: VectorStore,
        spaces: Spaces,
        backfill: Backfill,
        migration: EmbeddingMigration,
    ) -> None:
        self._database = database
        self._vectors = vectors
        self._spaces = spaces
        self._backfill = backfill
        self._migration = migration

    async def run(self, creator_id: UUID, space: str | None = None) -> str:
        """Index in `space` (default: the one it is in); returns its name.

        Raises ModelUnavailable when that space's embedder is away, and Conflict when a migration
        to yet another space is open.
        """
        active = await self._spaces.ensure(creator_id)
        name = space or active.name
        if await self._spaces.embedder(name, active.model if name == active.name else "") is None:
            raise ModelUnavailable(f"the embedder of {name} is away")
        if name == active.name:
            await self._rebuild(creator_id, name)
        else:
            await self._migration.migrate_embeddings(creator_id, active.name, name)
        return name

    async def _rebuild(self, creator_id: UUID, name: str) -> None:
        """Store every vector again and remove those that nothing in Postgres knows."""
        async with self._database.transaction(creator_id) as db:
            await embeddings.expect_all(db, creator_id, name)
            await embeddings.forget_stored(db, creator_id, name)
        await self._backfill.sweep(creator_id)
        await self._backfill.embed_pending(creator_id, name)
        held = await self._vectors.ids(creator_id, name)
        async with self._database.transaction(creator_id) as db:
            known = await embeddings.known_ids(db, creator_id, name)
        if orphans := list(held - known):
            await self._vectors.delete(creator_id, name, orphans)
