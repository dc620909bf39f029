"""The models of one process: Ollama when it answers, and what needs no server when it doesn't."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from redis.asyncio import Redis

from core.llm.base import PromoteGate, Templates
from core.llm.breakers import Breakers
from core.llm.chain import AnswerChain
from core.llm.checkup import Checkups
from core.llm.embedded import WordLlama
from core.llm.embedders import PASSAGES, EmbedderPool
from core.llm.extractive import ExtractiveAnswerer
from core.llm.hosts import OllamaHosts
from core.llm.ollama import Deadlines, OllamaHost, OllamaStatus
from core.llm.paths import WORDLLAMA, parse_path
from core.llm.registry import ModelMetadata, ModelRegistry
from core.llm.rungs import ANSWERS, RegisteredRungs
from shared.database import DatabaseManager
from shared.errors import ConfigurationError, InvalidInput
from shared.settings import OllamaSettings


@dataclass(frozen=True, kw_only=True)
class Models:
    hosts: OllamaHosts
    registry: ModelRegistry
    embedders: EmbedderPool
    rungs: RegisteredRungs
    answers: AnswerChain
    checkups: Checkups

    async def status(self) -> OllamaStatus:
        """What the Ollama hosts said last; a few seconds old at most."""
        return await self.hosts.status()

    async def describe(self, metadata: ModelMetadata, model_path: str) -> ModelMetadata:
        """With the digest and dimensions the installed model has, where nothing else was said."""
        path = parse_path(model_path)
        if path == WORDLLAMA:
            space = self.embedders.wordllama.space
            return replace(metadata, dimensions=metadata.dimensions or space.dimensions)
        if path.family != "ollama":
            return metadata
        asked = replace(metadata, model_path=model_path, digest=None, dimensions=None)
        [found] = await self.checkups.of([asked])
        digest = next((on.digest for on in found.hosts if on.digest), None)
        length = found.embedding_length if metadata.model_type == "embedding" else 0
        return replace(
            metadata,
            digest=metadata.digest or digest,
            dimensions=metadata.dimensions or length or None,
        )


@asynccontextmanager
async def open_models(
    settings: OllamaSettings,
    database: DatabaseManager,
    *,
    redis: "Redis | None" = None,
    templates: Templates | None = None,
    gate: PromoteGate | None = None,
) -> AsyncIterator[Models]:
    """The models by these settings. Nothing is asked of Ollama before it is needed."""
    # A probe has shown by then whether the model answers.
    probe_seconds = settings.first_token_seconds + settings.between_tokens_seconds
    hosts = OllamaHosts(
        [_host(settings, address) for address in settings.hosts],
        breakers=Breakers(redis, probe_seconds=probe_seconds),
    )
    registry = ModelRegistry(
        database, built_in=_built_in(settings), default_num_ctx=settings.num_ctx, gate=gate
    )
    wordllama = WordLlama()
    rungs = RegisteredRungs(registry, hosts)
    try:
        yield Models(
            hosts=hosts,
            registry=registry,
            embedders=EmbedderPool(
                hosts=hosts,
                model=settings.embedding_model,
                wordllama=wordllama,
                registry=registry,
            ),
            rungs=rungs,
            answers=AnswerChain(
                rungs=rungs, extractive=ExtractiveAnswerer(wordllama), templates=templates
            ),
            checkups=Checkups(hosts, registry),
        )
    finally:
        await registry.aclose()
        await hosts.aclose()


def _built_in(settings: OllamaSettings) -> tuple[ModelMetadata, ...]:
    """What the settings name, for whom nothing else is registered: version 0."""
    return (
        ModelMetadata(
            name=ANSWERS,
            model_type="chat",
            model_path=_path(settings.chat_model, "CAIRN_OLLAMA__CHAT_MODEL"),
            num_ctx=settings.num_ctx,
        ),
        ModelMetadata(
            name=PASSAGES,
            model_type="embedding",
            model_path=_path(settings.embedding_model, "CAIRN_OLLAMA__EMBEDDING_MODEL"),
        ),
    )


def _path(model: str, setting: str) -> str:
    try:
        return str(parse_path(f"ollama:{model}"))
    except InvalidInput as error:
        raise ConfigurationError(f"{setting} is no name of a model") from error


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
