"""Chroma or the embedder away: search goes on by words, quickly, and comes back by itself."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from uuid import UUID

import pytest

from core.knowledge import Knowledge
from core.llm.breaker import CircuitBreaker
from core.llm.embedded import WordLlama
from core.rag.vectors import ChromaVectors, VectorsUnavailable
from shared.database import DatabaseManager
from shared.embedded import EmbeddedEngines
from shared.errors import ModelUnavailable
from shared.settings import ChromaSettings
from tests.core.rag.conftest import Reachable, add
from tests.waiting import eventually

TEXT = "Choose one small action and tie it to a cue that happens every day."
QUERY = "a small action tied to a cue"
SPACE = "wordllama-256"


@pytest.fixture
async def stopped_chroma(engines: EmbeddedEngines) -> AsyncIterator[EmbeddedEngines]:
    """Chroma, to be stopped by the test; it runs again afterwards."""
    yield engines
    if not engines.is_running("chroma"):
        await engines.start("chroma")


OpenVectors = Callable[..., ChromaVectors]


@pytest.fixture
async def open_vectors() -> AsyncIterator[OpenVectors]:
    """Stores on a server, with a breaker of their own, that are closed after the test."""
    opened: list[ChromaVectors] = []

    def make(url: str | None, cooldown_seconds: float = 5.0) -> ChromaVectors:
        breaker = CircuitBreaker(failures=2, cooldown_seconds=cooldown_seconds)
        opened.append(ChromaVectors(ChromaSettings(url=url), breaker=breaker))
        return opened[-1]

    yield make
    for store in opened:
        await store.close()


@pytest.fixture
def silent_server() -> Iterator[str]:
    """A server that accepts and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


async def test_without_chroma_the_words_decide(
    database: DatabaseManager,
    embedders: Reachable,
    creator: UUID,
    stopped_chroma: EmbeddedEngines,
    open_vectors: OpenVectors,
) -> None:
    vectors = open_vectors(stopped_chroma.urls.chroma, 0.1)
    knowledge = Knowledge(database, vectors, embedders)
    await add(knowledge, creator, "Habits", TEXT)
    await stopped_chroma.stop("chroma")
    for _ in range(3):
        began = time.monotonic()
        result = await knowledge.search(creator, QUERY)
        assert time.monotonic() - began < 5.0
        assert (result.degraded, result.answerable) == (True, True)
        assert result.passages[0].text == TEXT
        assert result.passages[0].explain["similarity"] is None
    await stopped_chroma.start("chroma")

    async def is_back() -> bool:
        return not (await knowledge.search(creator, QUERY)).degraded

    await eventually(is_back)


async def test_a_document_waits_for_chroma_and_is_searchable_meanwhile(
    database: DatabaseManager,
    embedders: Reachable,
    creator: UUID,
    stopped_chroma: EmbeddedEngines,
    open_vectors: OpenVectors,
) -> None:
    vectors = open_vectors(stopped_chroma.urls.chroma, 0.01)
    knowledge = Knowledge(database, vectors, embedders)
    await stopped_chroma.stop("chroma")
    document = await knowledge.add_document(creator, title="Habits", text=TEXT)
    with pytest.raises(VectorsUnavailable):
        await knowledge.ingest(creator, document.id)
    assert (await knowledge.get_document(creator, document.id)).status == "indexing"
    assert (await knowledge.search(creator, QUERY)).passages[0].text == TEXT
    await stopped_chroma.start("chroma")
    await knowledge.ingest(creator, document.id)
    assert (await knowledge.get_document(creator, document.id)).status == "ready"
    assert not (await knowledge.search(creator, QUERY)).degraded


async def test_vectors_deleted_without_chroma_leave_it_later(
    database: DatabaseManager,
    embedders: Reachable,
    creator: UUID,
    stopped_chroma: EmbeddedEngines,
    open_vectors: OpenVectors,
) -> None:
    vectors = open_vectors(stopped_chroma.urls.chroma, 0.01)
    knowledge = Knowledge(database, vectors, embedders)
    document_id = await add(knowledge, creator, "Habits", TEXT)
    await stopped_chroma.stop("chroma")
    await knowledge.delete_document(creator, document_id)
    await stopped_chroma.start("chroma")
    await knowledge.ingest(creator, document_id)
    assert await vectors.ids(creator, SPACE) == set()


async def test_a_chroma_that_never_answers_costs_one_timeout_then_nothing(
    knowledge: Knowledge,
    database: DatabaseManager,
    embedders: Reachable,
    creator: UUID,
    silent_server: str,
    open_vectors: OpenVectors,
) -> None:
    await add(knowledge, creator, "Habits", TEXT)
    deaf = Knowledge(database, open_vectors(silent_server), embedders)
    took = []
    for _ in range(4):
        began = time.monotonic()
        assert (await deaf.search(creator, QUERY)).degraded
        took.append(time.monotonic() - began)
    assert max(took) < 8.0
    assert max(took[2:]) < 1.4


async def test_a_burst_meets_a_silent_chroma_once(
    knowledge: Knowledge,
    database: DatabaseManager,
    embedders: Reachable,
    creator: UUID,
    silent_server: str,
    open_vectors: OpenVectors,
) -> None:
    await add(knowledge, creator, "Habits", TEXT)
    deaf = Knowledge(database, open_vectors(silent_server), embedders)
    began = time.monotonic()
    results = await asyncio.gather(*(deaf.search(creator, QUERY) for _ in range(8)))
    assert time.monotonic() - began < 8.0
    assert all(result.degraded and result.passages for result in results)


async def test_without_the_embedder_of_the_index_the_words_decide(
    knowledge: Knowledge, embedders: Reachable, wordllama: WordLlama, creator: UUID
) -> None:
    await add(knowledge, creator, "Habits", TEXT)
    embedders.now = []
    result = await knowledge.search(creator, QUERY)
    assert result.degraded
    assert result.passages[0].text == TEXT
    document = await knowledge.add_document(creator, title="More", text="Another text.")
    with pytest.raises(ModelUnavailable):
        await knowledge.ingest(creator, document.id)
    embedders.now = [wordllama]
    await knowledge.ingest(creator, document.id)
    assert not (await knowledge.search(creator, QUERY)).degraded
