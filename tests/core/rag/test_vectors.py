"""Chroma behind its one door: what is stored, what is refused, what an error becomes."""

from uuid import UUID

import chromadb
import pytest

from core.llm.breaker import CircuitBreaker
from core.rag.vectors import (
    BATCH,
    ChromaVectors,
    VectorStoreError,
    VectorsUnavailable,
    collection_name,
)
from shared.embedded import EmbeddedEngines
from shared.settings import ChromaSettings, Settings
from shared.utils.ids import new_id

SPACE = "test-3"


@pytest.fixture
def creator_id() -> UUID:
    return new_id()


async def test_a_vector_is_found_again_by_its_cosine(
    vectors: ChromaVectors, creator_id: UUID
) -> None:
    near, far = new_id(), new_id()
    await vectors.upsert(creator_id, SPACE, [near, far], [[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    hits = await vectors.query(creator_id, SPACE, [1.0, 0.0, 0.0], 10)
    assert [hit.chunk_id for hit in hits] == [near, far]
    assert [hit.similarity for hit in hits] == pytest.approx([1.0, 0.0], abs=1e-6)


async def test_the_same_id_again_replaces_its_vector(
    vectors: ChromaVectors, creator_id: UUID
) -> None:
    chunk_id = new_id()
    for vector in ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]):
        await vectors.upsert(creator_id, SPACE, [chunk_id], [vector])
    [hit] = await vectors.query(creator_id, SPACE, [0.0, 1.0, 0.0], 10)
    assert hit.similarity == pytest.approx(1.0, abs=1e-6)


async def test_creators_of_one_bucket_do_not_see_each_other(engines: EmbeddedEngines) -> None:
    settings = ChromaSettings(url=engines.urls.chroma, buckets=1)
    store = ChromaVectors(settings)
    space, ada, eve, chunk_id = "one-bucket-3", new_id(), new_id(), new_id()
    await store.upsert(ada, space, [chunk_id], [[1.0, 0.0, 0.0]])
    assert await store.query(eve, space, [1.0, 0.0, 0.0], 10) == []
    await store.delete(eve, space, [chunk_id])
    await store.delete_all(eve, space)
    assert await store.ids(ada, space) == {chunk_id}
    await store.close()


async def test_more_than_a_batch_is_stored_listed_and_deleted(
    vectors: ChromaVectors, creator_id: UUID
) -> None:
    ids = [new_id() for _ in range(BATCH + 10)]
    await vectors.upsert(creator_id, SPACE, ids, [[1.0, 0.5, 0.1]] * len(ids))
    assert await vectors.ids(creator_id, SPACE) == set(ids)
    await vectors.delete(creator_id, SPACE, ids[:BATCH])
    assert await vectors.ids(creator_id, SPACE) == set(ids[BATCH:])
    await vectors.delete_all(creator_id, SPACE)
    assert await vectors.ids(creator_id, SPACE) == set()


async def test_only_ids_vectors_and_the_tenant_are_in_chroma(
    vectors: ChromaVectors, engines: EmbeddedEngines, settings: Settings, creator_id: UUID
) -> None:
    await vectors.upsert(creator_id, SPACE, [new_id()], [[1.0, 0.0, 0.0]])
    host, port = engines.urls.chroma.removeprefix("http://").split(":")
    client = await chromadb.AsyncHttpClient(host=host, port=int(port))
    name = collection_name(SPACE, creator_id, settings.chroma.buckets)
    collection = await client.get_collection(name, embedding_function=None)
    stored = await collection.get(
        where={"creator_id": str(creator_id)}, include=["documents", "metadatas", "uris"]
    )
    assert set(stored["documents"] or ()) == {None}
    assert set(stored["uris"] or ()) == {None}
    assert stored["metadatas"] == [{"creator_id": str(creator_id)}]
    assert collection.configuration_json["hnsw"]["space"] == "cosine"


async def test_a_collection_with_another_distance_is_refused(
    vectors: ChromaVectors, engines: EmbeddedEngines, settings: Settings, creator_id: UUID
) -> None:
    host, port = engines.urls.chroma.removeprefix("http://").split(":")
    client = await chromadb.AsyncHttpClient(host=host, port=int(port))
    name = collection_name("old-3", creator_id, settings.chroma.buckets)
    await client.create_collection(
        name, configuration={"hnsw": {"space": "l2"}}, embedding_function=None
    )
    with pytest.raises(VectorStoreError, match="cosine"):
        await vectors.query(creator_id, "old-3", [1.0, 0.0, 0.0], 5)


async def test_a_vector_of_another_size_is_refused(
    vectors: ChromaVectors, creator_id: UUID
) -> None:
    await vectors.upsert(creator_id, "sized-3", [new_id()], [[1.0, 0.0, 0.0]])
    with pytest.raises(VectorStoreError):
        await vectors.upsert(creator_id, "sized-3", [new_id()], [[1.0, 0.0]])


async def test_a_collection_dropped_behind_our_back_is_made_again(
    vectors: ChromaVectors, engines: EmbeddedEngines, settings: Settings, creator_id: UUID
) -> None:
    await vectors.upsert(creator_id, "dropped-3", [new_id()], [[1.0, 0.0, 0.0]])
    host, port = engines.urls.chroma.removeprefix("http://").split(":")
    client = await chromadb.AsyncHttpClient(host=host, port=int(port))
    await client.delete_collection(
        collection_name("dropped-3", creator_id, settings.chroma.buckets)
    )
    with pytest.raises(VectorsUnavailable):
        await vectors.query(creator_id, "dropped-3", [1.0, 0.0, 0.0], 5)
    assert await vectors.query(creator_id, "dropped-3", [1.0, 0.0, 0.0], 5) == []


async def test_a_refused_connection_is_an_outage_and_opens_the_breaker(
    closed_port: int, creator_id: UUID
) -> None:
    breaker = CircuitBreaker(failures=2, cooldown_seconds=60)
    store = ChromaVectors(ChromaSettings(url=f"http://127.0.0.1:{closed_port}"), breaker=breaker)
    for _ in range(2):
        with pytest.raises(VectorsUnavailable):
            await store.query(creator_id, SPACE, [1.0, 0.0, 0.0], 5)
    assert breaker.state == "open"
    await store.close()


def test_names_of_collections_are_ones_chroma_accepts() -> None:
    name = collection_name("Ollama/nomic-embed:v1.5 " + "x" * 300, UUID(int=1), 64)
    assert name.replace("-", "").isalnum()
    assert len(name) <= 100
    assert name != collection_name("ollama-nomic-embed-v1-5", UUID(int=1), 64)
