"""An embedder on an Ollama host, pinned to the digest its stored vectors were made with."""

import math
import re
from collections.abc import Sequence

import structlog

from core.llm.base import (
    EmbeddingSpace,
    EmbeddingSpaceChanged,
    Kind,
    ModelGarbled,
    ModelRejected,
)
from core.llm.digests import bare
from core.llm.hosts import OllamaHosts

log = structlog.get_logger(__name__)

BATCH = 32

# What the models' cards ask to write before a query and before a passage.
PREFIXES: dict[str, dict[Kind, str]] = {
    "nomic-embed-text": {"query": "search_query: ", "passage": "search_document: "},
    "mxbai-embed-large": {
        "query": "Represent this sentence for searching relevant passages: ",
        "passage": "",
    },
    "snowflake-arctic-embed": {
        "query": "Represent this sentence for searching relevant passages: ",
        "passage": "",
    },
    "snowflake-arctic-embed2": {"query": "query: ", "passage": ""},
    "embeddinggemma": {
        "query": "task: search result | query: ",
        "passage": "title: none | text: ",
    },
}
_NO_PREFIX: dict[Kind, str] = {"query": "", "passage": ""}


def prefix_of(model: str, kind: Kind) -> str:
    family = model.rsplit("/", 1)[-1].split(":", 1)[0]
    return PREFIXES.get(family, _NO_PREFIX)[kind]


def space_name(model: str, digest: str) -> str:
    """Where vectors of a model lie: the same name as long as it is the same model."""
    slug = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")
    return f"ollama-{slug}-{bare(digest)[:8]}"


class OllamaEmbedder:
    """Vectors from whichever host has the model with the space's digest."""

    def __init__(self, hosts: OllamaHosts, space: EmbeddingSpace) -> None:
        self._hosts = hosts
        self._space = space

    @classmethod
    async def discover(
        cls, hosts: OllamaHosts, model: str, *, digest: str | None = None
    ) -> "OllamaEmbedder":
        """The space of a model as it is installed now, or of the one with this digest.

        Raises ModelUnavailable, ModelMissing, EmbeddingSpaceChanged.
        """
        digest = bare(digest) or await hosts.digest_of(model)
        vectors = await hosts.embed(
            model=model,
            digest=digest,
            texts=["dimensions"],
            truncate=True,
            within_seconds=hosts.deadlines.embed_batch,
        )
        return cls(
            hosts,
            EmbeddingSpace(
                name=space_name(model, digest),
                model=model,
                dimensions=len(vectors[0]) if vectors else 0,
                digest=digest,
            ),
        )

    @property
    def space(self) -> EmbeddingSpace:
        return self._space

    async def embed(self, texts: Sequence[str], *, kind: Kind) -> list[list[float]]:
        prefix = prefix_of(self._space.model, kind)
        vectors: list[list[float]] = []
        for start in range(0, len(texts), BATCH):
            batch = [prefix + text for text in texts[start : start + BATCH]]
            vectors += await self._embed_batch(batch, kind)
        return vectors

    async def _embed_batch(self, batch: list[str], kind: Kind) -> list[list[float]]:
        """A passage that does not fit is refused, found by halving, and only then cut."""
        try:
            return await self._request(batch, kind, truncate=kind == "query")
        except ModelRejected:
            if kind == "query" and len(batch) == 1:
                raise
        if len(batch) == 1:
            log.warning("embed.passage_cut", model=self._space.model, characters=len(batch[0]))
            return await self._request(batch, kind, truncate=True)
        middle = len(batch) // 2
        first = await self._embed_batch(batch[:middle], kind)
        return first + await self._embed_batch(batch[middle:], kind)

    async def _request(self, batch: list[str], kind: Kind, *, truncate: bool) -> list[list[float]]:
        deadlines = self._hosts.deadlines
        vectors = await self._hosts.embed(
            model=self._space.model,
            digest=self._space.digest,
            texts=batch,
            truncate=truncate,
            within_seconds=deadlines.embed_query if kind == "query" else deadlines.embed_batch,
        )
        self._check(vectors, len(batch))
        return vectors

    def _check(self, vectors: list[list[float]], expected: int) -> None:
        if len(vectors) != expected:
            raise ModelGarbled("Ollama returned another number of embeddings than texts")
        if any(len(vector) != self._space.dimensions for vector in vectors):
            raise EmbeddingSpaceChanged()
        if not all(math.isfinite(x) for vector in vectors for x in vector):
            raise ModelGarbled("Ollama returned an embedding that is not finite")
