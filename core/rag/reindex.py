"""Move a creator's index to another embedding space, or rebuild the one it has, without a gap."""

from uuid import UUID

from core.rag.backfill import Backfill
from core.rag.spaces import Spaces, building
from core.rag.vectors import VectorStore
from shared.database import DatabaseManager
from shared.errors import ModelUnavailable
from shared.models import embeddings


class Reindexer:
    """New space beside the old, then one transaction switches the pointer, then the old goes.

    It may be stopped at any point and run again: the ledger knows what is done.
    """

    def __init__(
        self, database: DatabaseManager, vectors: VectorStore, spaces: Spaces, backfill: Backfill
    ) -> None:
        self._database = database
        self._vectors = vectors
        self._spaces = spaces
        self._backfill = backfill

    async def run(self, creator_id: UUID, space: str | None = None) -> str:
        """Index in `space` (default: the preferred embedder's); returns its name.

        Raises ModelUnavailable when that space's embedder is away.
        """
        target = await self._spaces.embedder(space) if space else await self._spaces.preferred()
        if target is None:
            raise ModelUnavailable(f"the embedder of {space} is away")
        name = target.space.name
        active = await self._spaces.active(creator_id)
        if active is not None and active.name == name:
            await self._rebuild(creator_id, name)
        else:
            async with self._database.transaction(creator_id) as db:
                await embeddings.add_space(db, creator_id, building(target.space))
                await embeddings.set_state(db, creator_id, name, "building")
                await embeddings.expect_all(db, creator_id, name)
            await self._backfill.embed_pending(creator_id, name)
            async with self._database.transaction(creator_id) as db:
                await embeddings.switch_active(db, creator_id, name)
        await self._drop_retired(creator_id)
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

    async def _drop_retired(self, creator_id: UUID) -> None:
        async with self._database.transaction(creator_id) as db:
            known = await embeddings.spaces(db, creator_id)
        for old in known:
            if old.state == "retired":
                await self._vectors.delete_all(creator_id, old.name)
                async with self._database.transaction(creator_id) as db:
                    await embeddings.delete_space(db, creator_id, old.name)
