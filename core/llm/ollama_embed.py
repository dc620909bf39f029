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
    ModelMissing,
    ModelRejected,
)
from core.llm.ollama import OllamaHost, full_name
from shared.errors import ModelUnavailable

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


class OllamaEmbedder:
    def __init__(self, host: OllamaHost, space: EmbeddingSpace) -> None:
        self._host = host
        self._space = space

    @classmethod
    async def discover(cls, host: OllamaHost, model: str) -> "OllamaEmbedder":
        """The space of the model as it is installed now. Raises ModelUnavailable, ModelMissing."""
        status = await host.status()
        if not status.reachable:
            raise ModelUnavailable()
        digest = status.digests.get(full_name(model))
        if digest is None:
            raise ModelMissing(f"Ollama has no such model: {model}")
        vectors = await host.embed(
            model=model,
            texts=["dimensions"],
            truncate=True,
            within_seconds=host.deadlines.embed_batch,
        )
        slug = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")
        bare = digest.removeprefix("sha256:")
        return cls(
            host,
            EmbeddingSpace(
                name=f"ollama-{slug}-{bare[:8]}",
                model=model,
                dimensions=len(vectors[0]) if vectors else 0,
                digest=bare,
            ),
        )

    @property
    def space(self) -> EmbeddingSpace:
        return self._space

    async def embed(self, texts: Sequence[str], *, kind: Kind) -> list[list[float]]:
        await self._refuse_another_model()
        prefix = prefix_of(self._space.model, kind)
        vectors: list[list[float]] = []
        for start in range(0, len(texts), BATCH):
            batch = [prefix + text for text in texts[start : start + BATCH]]
            vectors += await self._embed_batch(batch, kind)
        return vectors

    async def _refuse_another_model(self) -> None:
        """A tag that was pulled again is another model: its vectors mean something else."""
        digests = (await self._host.status()).digests
        digest = digests.get(full_name(self._space.model), "").removeprefix("sha256:")
        if digest and self._space.digest and digest != self._space.digest:
            raise EmbeddingSpaceChanged()

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
        deadlines = self._host.deadlines
        vectors = await self._host.embed(
            model=self._space.model,
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
