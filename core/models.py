"""The models of one process: Ollama when it answers, and what needs no server when it doesn't."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from core.llm.base import Templates
from core.llm.breaker import CircuitBreaker
from core.llm.chain import AnswerChain, ChatRung
from core.llm.embedded import WordLlama
from core.llm.embedders import EmbedderPool
from core.llm.extractive import ExtractiveAnswerer
from core.llm.hosts import OllamaHosts
from core.llm.ollama import Deadlines, OllamaHost, OllamaStatus
from core.llm.ollama_chat import OllamaChat
from shared.settings import OllamaSettings


@dataclass(frozen=True, kw_only=True)
class Models:
    hosts: OllamaHosts
    embedders: EmbedderPool
    answers: AnswerChain

    async def status(self) -> OllamaStatus:
        """What the Ollama hosts said last; a few seconds old at most."""
        return await self.hosts.status()


@asynccontextmanager
async def open_models(
    settings: OllamaSettings, *, templates: Templates | None = None
) -> AsyncIterator[Models]:
    """The models by these settings. Nothing is asked of Ollama before it is needed."""
    hosts = OllamaHosts([_host(settings, address) for address in settings.hosts])
    wordllama = WordLlama()
    chat = OllamaChat(hosts.hosts[0], settings.chat_model, num_ctx=settings.num_ctx)
    try:
        yield Models(
            hosts=hosts,
            embedders=EmbedderPool(
                hosts=hosts, model=settings.embedding_model, wordllama=wordllama
            ),
            answers=AnswerChain(
                rungs=[ChatRung(model=chat, breaker=CircuitBreaker())],
                extractive=ExtractiveAnswerer(wordllama),
                templates=templates,
            ),
        )
    finally:
        await hosts.aclose()


def _host(settings: OllamaSettings, address: str) -> OllamaHost:
    return OllamaHost(
        address,
        chat_model=settings.chat_model,
        embedding_model=settings.embedding_model,
        deadlines=Deadlines(
            connect=settings.connect_seconds,
            first_token=settings.first_token_seconds,
            between_tokens=settings.between_tokens_seconds,
            total=settings.total_seconds,
        ),
        parallel=settings.parallel,
        queue=settings.queue,
    )
