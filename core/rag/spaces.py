"""Which embedding space an index lies in. A question is embedded in that space or not at all."""

from typing import Protocol
from uuid import UUID

from core.llm.base import Embedder, EmbeddingSpace
from shared.database import DatabaseManager
from shared.models import embeddings
from shared.models.embeddings import SpaceRecord


class Embedders(Protocol):
    """The embedders this process can reach."""

    async def preferred(self) -> Embedder:
        """The best embedder that answers now: the one a new index is built with."""
        ...

    async def find(self, space: str) -> Embedder | None:
        """The embedder of a space, None when it is away or unknown."""
        ...

    async def open(self, model_path: str) -> Embedder:
        """The embedder of a model, as `embedded:NAME` or `ollama:TAG`. Raises a ModelError."""
        ...


class Spaces:
    """The spaces of each creator, and the embedders that belong to them."""

    def __init__(self, database: DatabaseManager, embedders: Embedders) -> None:
        self._database = database
        self._embedders = embedders

    async def active(self, creator_id: UUID) -> SpaceRecord | None:
        """The space questions are asked in; None before the first document."""
        async with self._database.transaction(creator_id) as db:
            return await embeddings.active_space(db, creator_id)

    async def ensure(self, creator_id: UUID) -> SpaceRecord:
        """The active space; a creator without one gets the preferred embedder's, for good."""
        found = await self.active(creator_id)
        if found:
            return found
        preferred = await self._embedders.preferred()
        async with self._database.transaction(creator_id) as db:
            await embeddings.add_space(db, creator_id, _record(preferred.space))
            # Another process may have been first.
            active = await embeddings.active_space(db, creator_id)
        assert active is not None  # noqa: S101 - one was just inserted or was there
        return active

    async def embedder(self, space: str, model_path: str = "") -> Embedder | None:
        """The embedder of a space; `model_path` helps to find one that is in no setting."""
        found = await self._embedders.find(space)
        if found is None and model_path:
            opened = await self._embedders.open(model_path)
            found = opened if opened.space.name == space else None
        return found

    async def open(self, model_path: str) -> Embedder:
        return await self._embedders.open(model_path)

    async def preferred(self) -> Embedder:
        return await self._embedders.preferred()


def building(space: EmbeddingSpace) -> SpaceRecord:
    return SpaceRecord(
        name=space.name, model=space.model, dimensions=space.dimensions, state="building"
    )


def _record(space: EmbeddingSpace) -> SpaceRecord:
    return SpaceRecord(
        name=space.name, model=space.model, dimensions=space.dimensions, state="active"
    )
