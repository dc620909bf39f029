"""Vectors in Chroma: the only place that knows Chroma. Ids and vectors only, never text.

An embedding space is spread over a fixed number of collections ("buckets"); all vectors of a
creator lie in one of them, and every call names the creator. What comes back is a list of ids to
be read again under row level security, so even a wrong one shows nothing.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit
from uuid import UUID

import chromadb
import httpx
import numpy as np
from chromadb.api import AsyncClientAPI
from chromadb.api.models.AsyncCollection import AsyncCollection
from chromadb.api.types import GetResult
from chromadb.config import Settings as ChromaClientSettings
from chromadb.errors import ChromaError, NotFoundError

from core.llm.breaker import BreakerOpen, CircuitBreaker
from core.rag import chroma_http
from core.rag.chroma_http import ChromaHttp, CollectionGone, Place, Refused
from core.rag.together import Together
from shared.errors import AppError, Unavailable
from shared.settings import ChromaSettings

Embeddings = Sequence[Sequence[float]]

# Chroma refuses more than 5,461 records at once (its limit of SQL variables); smaller ones also
# keep a call well below the timeout.
BATCH = 1000
# A write that takes too long counts as an outage for the searches beside it.
DROPPED_AT_ONCE = 200
TENANT_KEY = "creator_id"
OUTAGES = (httpx.TransportError, TimeoutError, OSError, *chroma_http.OUTAGES)
# A person waits for a search, so it gives up on Chroma sooner than the general timeout.
QUERY_SECONDS = 1.5
# Writing takes longer than a search: Chroma puts each record into its log on disk.
WRITE_TIMEOUTS = 10


class VectorsUnavailable(Unavailable):
    """The vector store is away."""

    code = "vectors_unavailable"


class VectorStoreError(AppError):
    """The vector store refused the request."""

    code = "vector_store_error"
    loggable = True


@dataclass(frozen=True, kw_only=True)
class VectorHit:
    """`similarity` is the cosine, from -1 to 1."""

    chunk_id: UUID
    similarity: float


@dataclass(frozen=True, kw_only=True)
class _Record:
    id: str
    creator_id: str
    vector: Sequence[float]


class VectorStore(Protocol):
    """Where the vectors of passages live. Raises VectorsUnavailable and VectorStoreError."""

    async def upsert(
        self, creator_id: UUID, space: str, ids: Sequence[UUID], vectors: Embeddings
    ) -> None: ...

    async def query(
        self, creator_id: UUID, space: str, vector: Sequence[float], limit: int
    ) -> list[VectorHit]: ...

    async def delete(self, creator_id: UUID, space: str, ids: Sequence[UUID]) -> None: ...

    async def delete_all(self, creator_id: UUID, space: str) -> None: ...

    async def ids(self, creator_id: UUID, space: str) -> set[UUID]: ...

    async def fetch(
        self, creator_id: UUID, space: str, ids: Sequence[UUID]
    ) -> dict[UUID, list[float]]: ...

    async def close(self) -> None: ...


class ChromaVectors:
    """VectorStore on a Chroma server. It connects at the first call, and again after an outage."""

    def __init__(self, settings: ChromaSettings, *, breaker: CircuitBreaker | None = None) -> None:
        if settings.url is None:
            raise Unavailable("no Chroma server configured")
        self._url = urlsplit(settings.url)
        self._http = ChromaHttp(settings.url)
        self._writes = Together(self._write, limit=BATCH, blamed=VectorStoreError)
        self._query_seconds = min(settings.timeout_seconds, QUERY_SECONDS)
        self._write_seconds = settings.timeout_seconds * WRITE_TIMEOUTS
        self._buckets = settings.buckets
        self._breaker = breaker or CircuitBreaker(
            failures=2, cooldown_seconds=5, longest_seconds=30
        )
        self._client: AsyncClientAPI | None = None
        self._collections: dict[str, AsyncCollection] = {}

    async def upsert(
        self, creator_id: UUID, space: str, ids: Sequence[UUID], vectors: Embeddings
    ) -> None:
        """Store vectors one an id. The same id again replaces its vector."""
        name = collection_name(space, creator_id, self._buckets)
        records = [
            _Record(id=str(chunk_id), creator_id=str(creator_id), vector=vector)
            for chunk_id, vector in zip(ids, vectors, strict=True)
        ]
        for start in range(0, len(records), BATCH):
            await self._writes.add(name, records[start : start + BATCH])

    async def _write(self, name: str, records: Sequence["_Record"]) -> None:
        # Two runs of one document may meet here, and Chroma refuses an id that comes twice.
        unique = list({record.id: record for record in records}.values())
        async with self._call(name, self._write_seconds) as collection:
            await self._http.upsert(
                _place(collection),
                [record.id for record in unique],
                np.asarray([record.vector for record in unique], dtype=np.float32),
                [{TENANT_KEY: record.creator_id} for record in unique],
            )

    async def query(
        self, creator_id: UUID, space: str, vector: Sequence[float], limit: int
    ) -> list[VectorHit]:
        """The nearest vectors of the creator, best first."""
        async with self._at(creator_id, space, self._query_seconds) as collection:
            ids, distances = await self._http.nearest(
                _place(collection), vector, where={TENANT_KEY: str(creator_id)}, limit=limit
            )
        return list(_hits(ids, distances))

    async def delete(self, creator_id: UUID, space: str, ids: Sequence[UUID]) -> None:
        for start in range(0, len(ids), BATCH):
            batch = [str(chunk_id) for chunk_id in ids[start : start + BATCH]]
            async with self._at(creator_id, space, self._write_seconds) as collection:
                page = await collection.get(ids=batch, include=["metadatas"])
                if own := [batch_id for batch_id, _ in _own(creator_id, page)]:
                    await collection.delete(ids=own)

    async def delete_all(self, creator_id: UUID, space: str) -> None:
        """Forget every vector the creator has in a space, known to us or not."""
        while found := await self._some_ids(creator_id, space, offset=0, limit=DROPPED_AT_ONCE):
            await self.delete(creator_id, space, found)

    async def ids(self, creator_id: UUID, space: str) -> set[UUID]:
        """Every id the creator has in a space."""
        found: set[UUID] = set()
        while page := await self._some_ids(creator_id, space, offset=len(found)):
            found.update(page)
        return found

    async def fetch(
        self, creator_id: UUID, space: str, ids: Sequence[UUID]
    ) -> dict[UUID, list[float]]:
        """The vectors of those ids that are stored."""
        found: dict[UUID, list[float]] = {}
        for start in range(0, len(ids), BATCH):
            batch = [str(chunk_id) for chunk_id in ids[start : start + BATCH]]
            async with self._at(creator_id, space, self._write_seconds) as collection:
                page = await collection.get(ids=batch, include=["metadatas", "embeddings"])
            vectors = page["embeddings"]
            if vectors is not None:
                own = _own(creator_id, page)
                found |= {UUID(name): [float(x) for x in vectors[at]] for name, at in own}
        return found

    async def ping(self) -> None:
        """Raises VectorsUnavailable when Chroma doesn't answer; past the breaker, for health."""
        try:
            async with asyncio.timeout(self._query_seconds):
                client = await self._connected()
                await client.heartbeat()
        except (*OUTAGES, ChromaError) as error:
            raise VectorsUnavailable from error

    async def close(self) -> None:
        self._collections.clear()
        self._client = None
        await self._writes.close()
        await self._http.close()

    async def _some_ids(
        self, creator_id: UUID, space: str, *, offset: int, limit: int = BATCH
    ) -> list[UUID]:
        async with self._at(creator_id, space, self._write_seconds) as collection:
            page = await collection.get(
                where={TENANT_KEY: str(creator_id)}, limit=limit, offset=offset, include=[]
            )
        return [UUID(found) for found in page["ids"]]

    def _at(
        self, creator_id: UUID, space: str, seconds: float
    ) -> AbstractAsyncContextManager[AsyncCollection]:
        return self._call(collection_name(space, creator_id, self._buckets), seconds)

    @asynccontextmanager
    async def _call(self, name: str, seconds: float) -> AsyncIterator[AsyncCollection]:
        """One bounded call on a collection, its errors translated to ours."""
        try:
            with self._breaker.attempt(counts=_is_outage):
                async with asyncio.timeout(seconds):
                    yield await self._collection(name)
        except BreakerOpen as error:
            raise VectorsUnavailable from error
        except OUTAGES as error:
            # A client made before the outage may hold dead connections.
            self._client = None
            self._collections.clear()
            raise VectorsUnavailable from error
        except (NotFoundError, CollectionGone) as error:
            # The collection was dropped behind our back: the next call makes it again.
            self._collections.pop(name, None)
            raise VectorsUnavailable("the collection is gone") from error
        except (ChromaError, Refused, httpx.HTTPStatusError, ValueError) as error:
            raise VectorStoreError(type(error).__name__) from error

    async def _collection(self, name: str) -> AsyncCollection:
        known = self._collections.get(name)
        if known is not None:
            return known
        client = await self._connected()
        collection = await client.get_or_create_collection(
            name, configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
        )
        _require_cosine(collection)
        self._collections[name] = collection
        return collection

    async def _connected(self) -> AsyncClientAPI:
        if self._client is None:
            is_tls = self._url.scheme == "https"
            # Chroma's own default is not to verify the server's certificate.
            options = ChromaClientSettings(
                anonymized_telemetry=False, chroma_server_ssl_verify=is_tls or None
            )
            self._client = await chromadb.AsyncHttpClient(
                host=self._url.hostname or "127.0.0.1",
                port=self._url.port or (443 if is_tls else 8000),
                ssl=is_tls,
                settings=options,
            )
        return self._client


def _place(collection: AsyncCollection) -> Place:
    return Place(tenant=collection.tenant, database=collection.database, id=collection.id)


def _own(creator_id: UUID, page: GetResult) -> list[tuple[str, int]]:
    """The ids of a page that are the creator's, with their places in it.

    Chroma needs 25 ms an id for a filter beside a list of ids, in a collection of 10,000; we don't.
    """
    return [
        (name, at)
        for at, (name, metadata) in enumerate(
            zip(page["ids"], page["metadatas"] or (), strict=True)
        )
        if metadata and metadata.get(TENANT_KEY) == str(creator_id)
    ]


def _is_outage(error: Exception) -> bool:
    return isinstance(error, OUTAGES)


def collection_name(space: str, creator_id: UUID, buckets: int) -> str:
    """The bucket of a creator in a space, as a name Chroma accepts."""
    bucket = int.from_bytes(hashlib.sha256(creator_id.bytes).digest()[:4]) % buckets
    readable = re.sub(r"[^a-z0-9]+", "-", space.lower()).strip("-")[:60]
    digest = hashlib.sha256(space.encode()).hexdigest()[:8]
    return f"cairn-{readable}-{digest}-{bucket:03d}"


def _require_cosine(collection: AsyncCollection) -> None:
    # get_or_create returns an older collection silently, whatever its distance.
    hnsw = collection.configuration_json.get("hnsw") or {}
    if hnsw.get("space") != "cosine":
        raise VectorStoreError(f"collection {collection.name} does not measure cosine distance")


def _hits(ids: Sequence[str], distances: Sequence[float]) -> Iterator[VectorHit]:
    for found, distance in zip(ids, distances, strict=True):
        try:
            chunk_id = UUID(found)
        except ValueError:
            continue
        yield VectorHit(chunk_id=chunk_id, similarity=1.0 - distance)
