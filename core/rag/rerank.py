"""An optional second look at the best passages, by something slower and better than the first.

Off unless a reranker is handed in. It may fail or be late: then the first order stands.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from core.llm.base import Embedder
from shared.errors import AppError

SECONDS = 1.0
# Sentences looked at of one passage.
MAX_SENTENCES = 24
_SENTENCE = re.compile(r"(?<=[.!?…。！？])\s+|\n+")


class Reranker(Protocol):
    """Scores passages for a question; a higher score is a better passage."""

    async def rerank(self, query: str, passages: Sequence[str]) -> Sequence[float]:
        """One score a passage, in their order. Raises AppError when it can't."""
        ...


class SentenceReranker:
    """By the sentence of a passage that is nearest to the question, in an embedder's space.

    A passage's own vector is the mean of all it says; one sentence may say the answer.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    async def rerank(self, query: str, passages: Sequence[str]) -> list[float]:
        split = [sentences(passage) for passage in passages]
        texts = [sentence for part in split for sentence in part]
        [asked] = await self._embedder.embed([query], kind="query")
        vectors = await self._embedder.embed(texts, kind="passage") if texts else []
        near = np.asarray(vectors, dtype=np.float32) @ np.asarray(asked, dtype=np.float32)
        scores, start = [], 0
        for part in split:
            end = start + len(part)
            scores.append(float(near[start:end].max()) if part else 0.0)
            start = end
        return scores


def sentences(text: str) -> list[str]:
    return [part for part in _SENTENCE.split(text) if part.strip()][:MAX_SENTENCES]


async def scores(
    reranker: Reranker | None, query: str, passages: Sequence[str], *, seconds: float = SECONDS
) -> Sequence[float] | None:
    """The reranker's scores; None without one, or when it fails, is late or miscounts."""
    if reranker is None or not passages:
        return None
    try:
        async with asyncio.timeout(seconds):
            found = await reranker.rerank(query, passages)
    except (AppError, TimeoutError, OSError, ValueError):
        return None
    return found if len(found) == len(passages) else None
