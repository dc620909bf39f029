"""A second embedding model for tests that move an index: tiny, quick, and away when told to be."""

import asyncio
import hashlib
from collections.abc import Sequence

import numpy as np

from core.llm.base import Embedder, EmbeddingSpace, Kind
from shared.errors import ModelUnavailable

OLD, NEW = "wordllama-256", "ollama-other-32"


class Other:
    """Another model: other dimensions, vectors that mean nothing to WordLlama."""

    space = EmbeddingSpace(name=NEW, model="other", dimensions=32)

    def __init__(self, fails_after: int = 10_000) -> None:
        self.left = fails_after

    async def embed(self, texts: Sequence[str], *, kind: Kind) -> list[list[float]]:
        self.left -= len(texts)
        if self.left < 0:
            raise ModelUnavailable
        return [_direction(text) for text in texts]


def _direction(text: str) -> list[float]:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
    vector = np.random.default_rng(seed).standard_normal(32)
    return [float(value) for value in vector / np.linalg.norm(vector)]


class Held:
    """A model that waits with each text until it is let go: a slow machine, or a moment to look."""

    def __init__(self, model: Embedder | None = None) -> None:
        self._model = model or Other()
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()

    @property
    def space(self) -> EmbeddingSpace:
        return self._model.space

    async def embed(self, texts: Sequence[str], *, kind: Kind) -> list[list[float]]:
        self.asked.set()
        await self.may_answer.wait()
        return await self._model.embed(texts, kind=kind)


class Fickle(Other):
    """Never gives the same vector twice."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    async def embed(self, texts: Sequence[str], *, kind: Kind) -> list[list[float]]:
        self.calls += 1
        return await super().embed([f"{self.calls} {text}" for text in texts], kind=kind)
