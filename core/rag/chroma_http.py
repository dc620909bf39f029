"""What a search and an ingestion ask of Chroma all the time, over a lean client.

A person waits for the search, and the official client spends three times the processor on it that
the rest of a search takes: validation, copies and a layer of HTTP for every one of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import aiohttp
import numpy as np
import orjson
from numpy.typing import NDArray

OUTAGES = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)
_HEADERS = {"Content-Type": "application/json"}


class CollectionGone(Exception):
    """There is no such collection."""


class Refused(Exception):
    """Chroma refused the request."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a collection is."""

    tenant: str
    database: str
    id: UUID


class ChromaHttp:
    """Connects at the first request. Every call raises CollectionGone, Refused or one of OUTAGES.

    Bound each by a timeout.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def nearest(
        self, place: Place, vector: Sequence[float], *, where: dict[str, str], limit: int
    ) -> tuple[list[str], list[float]]:
        """Ids and distances, nearest first."""
        question = {
            "query_embeddings": np.asarray([vector], dtype=np.float32),
            "n_results": limit,
            "where": where,
            "include": ["distances"],
        }
        found = await self._post(place, "query", question)
        return found["ids"][0], found["distances"][0]

    async def upsert(
        self,
        place: Place,
        ids: Sequence[str],
        vectors: NDArray[np.float32],
        metadatas: Sequence[dict[str, str]],
    ) -> None:
        await self._post(
            place, "upsert", {"ids": ids, "embeddings": vectors, "metadatas": metadatas}
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _post(self, place: Place, verb: str, content: dict[str, Any]) -> Any:
        body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
        url = (
            f"{self._url}/api/v2/tenants/{place.tenant}/databases/{place.database}"
            f"/collections/{place.id}/{verb}"
        )
        try:
            return await self._send(url, body)
        except aiohttp.ServerDisconnectedError:
            # The server closed the connection while it lay idle. Both verbs may be repeated.
            return await self._send(url, body)

    async def _send(self, url: str, body: bytes) -> Any:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        async with self._session.post(
            url, data=body, headers=_HEADERS, allow_redirects=False
        ) as response:
            if response.status == 404:
                raise CollectionGone
            if response.status not in (200, 201):
                raise Refused(f"status {response.status}")
            return orjson.loads(await response.read())
