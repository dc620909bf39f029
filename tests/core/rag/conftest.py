"""A knowledge facade on the real engines, with the embedders a test decides on."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from core.knowledge import Knowledge
from core.llm.base import Embedder
from core.llm.embedded import WordLlama
from core.rag.vectors import ChromaVectors
from shared.database import DatabaseManager
from shared.errors import ModelUnavailable
from shared.models import embeddings
from shared.settings import Settings


class Reachable:
    """The embedders that answer now, best first; a test adds and removes them."""

    def __init__(self, *embedders: Embedder) -> None:
        self.now = list(embedders)

    async def preferred(self) -> Embedder:
        return self.now[0]

    async def find(self, space: str) -> Embedder | None:
        return next((one for one in self.now if one.space.name == space), None)

    async def open(self, model_path: str) -> Embedder:
        for one in self.now:
            if f"ollama:{one.space.model}" == model_path:
                return one
        raise ModelUnavailable


@pytest.fixture(scope="session")
def wordllama() -> WordLlama:
    return WordLlama()


@pytest.fixture
def embedders(wordllama: WordLlama) -> Reachable:
    return Reachable(wordllama)


@pytest.fixture
async def vectors(settings: Settings) -> AsyncIterator[ChromaVectors]:
    store = ChromaVectors(settings.chroma)
    yield store
    await store.close()


@pytest.fixture
def knowledge(database: DatabaseManager, vectors: ChromaVectors, embedders: Reachable) -> Knowledge:
    return Knowledge(database, vectors, embedders)


async def add(knowledge: Knowledge, creator_id: UUID, title: str, text: str) -> UUID:
    """Accept and index one document."""
    document = await knowledge.add_document(creator_id, title=title, text=text)
    await knowledge.ingest(creator_id, document.id)
    return document.id


async def states(database: DatabaseManager, creator_id: UUID) -> dict[str, str]:
    """The embedding spaces of a creator and how each stands."""
    async with database.transaction(creator_id) as db:
        return {space.name: space.state for space in await embeddings.spaces(db, creator_id)}
