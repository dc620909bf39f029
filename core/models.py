"""The models of one process: Ollama when it answers, and what needs no server when it doesn't."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from core.llm.base import Embedder
from core.llm.breaker import CircuitBreaker
from core.llm.chain import AnswerChain, ChatRung
from core.llm.embedded import WordLlama
from core.llm.extractive import ExtractiveAnswerer
from core.llm.ollama import Deadlines, OllamaHost, OllamaStatus
from core.llm.ollama_chat import OllamaChat
from core.llm.ollama_embed import OllamaEmbedder
from shared.errors import ModelError
from shared.settings import OllamaSettings

# After Ollama's embedder was away it is looked for this often.
REDISCOVER_SECONDS = 5.0


@dataclass(kw_only=True)
class EmbedderPool:
    """Knows the embedder of every space this process can reach; spaces are never mixed."""

    host: OllamaHost
    model: str
    wordllama: WordLlama
    _ollama: OllamaEmbedder | None = None
    _looked_at: float = 0.0

    async def preferred(self) -> Embedder:
        """Ollama's embedder when it answers, WordLlama otherwise."""
        return await self._discover() or self.wordllama

    async def find(self, space: str) -> Embedder | None:
        """The embedder of a space; None when it is away or its model was replaced."""
        if space == self.wordllama.space.name:
            return self.wordllama
        found = await self._discover()
        return found if found and found.space.name == space else None

    async def _discover(self) -> OllamaEmbedder | None:
        status = await self.host.status()
        if not status.embedding_model_present:
            self._ollama = None
        elif self._ollama is None and time.monotonic() - self._looked_at > REDISCOVER_SECONDS:
            self._looked_at = time.monotonic()
            try:
                self._ollama = await OllamaEmbedder.discover(self.host, self.model)
            except ModelError:
                self._ollama = None
        return self._ollama


@dataclass(frozen=True, kw_only=True)
class Models:
    host: OllamaHost
    embedders: EmbedderPool
    answers: AnswerChain

    async def status(self) -> OllamaStatus:
        """What Ollama said last; a few seconds old at most."""
        return await self.host.status()


@asynccontextmanager
async def open_models(settings: OllamaSettings) -> AsyncIterator[Models]:
    """The models by these settings. Nothing is asked of Ollama before it is needed."""
    host = OllamaHost(
        settings.host,
        chat_model=settings.chat_model,
        embedding_model=settings.embedding_model,
        deadlines=Deadlines(
            connect=settings.connect_seconds,
            first_token=settings.first_token_seconds,
            between_tokens=settings.between_tokens_seconds,
            total=settings.total_seconds,
        ),
        parallel=settings.parallel,
    )
    wordllama = WordLlama()
    chat = OllamaChat(host, settings.chat_model, num_ctx=settings.num_ctx)
    try:
        yield Models(
            host=host,
            embedders=EmbedderPool(host=host, model=settings.embedding_model, wordllama=wordllama),
            answers=AnswerChain(
                rungs=[ChatRung(model=chat, breaker=CircuitBreaker())],
                extractive=ExtractiveAnswerer(wordllama),
            ),
        )
    finally:
        await host.aclose()
