"""Finds the embedder of any space: WordLlama's, or that of a model on an Ollama host."""

import time
from collections import OrderedDict
from dataclasses import dataclass, field

from core.llm.base import Embedder
from core.llm.embedded import WordLlama
from core.llm.hosts import OllamaHosts
from core.llm.ollama import full_name
from core.llm.ollama_embed import OllamaEmbedder, space_name
from core.llm.paths import WORDLLAMA, parse_path
from core.llm.registry import ModelMetadata, ModelRegistry
from core.llm.versions import PRODUCTION
from shared.errors import AppError, InvalidInput, ModelError

PASSAGES = "passages"
# After an embedder failed to open it is tried again this often.
REDISCOVER_SECONDS = 5.0
MOST_REMEMBERED = 16


@dataclass(kw_only=True)
class EmbedderPool:
    """Knows the embedder of every space this process can reach; spaces are never mixed."""

    hosts: OllamaHosts
    model: str
    wordllama: WordLlama
    registry: ModelRegistry | None = None
    _opened: OrderedDict[str, OllamaEmbedder] = field(default_factory=OrderedDict)
    _failed_at: dict[str, float] = field(default_factory=dict)

    async def preferred(self) -> Embedder:
        """What a new index is built with: the model in production for all, WordLlama when it is
        away."""
        chosen = await self._in_production()
        if chosen.path.family != "ollama":
            return self.wordllama
        model = self._spelled(chosen.path.model)
        try:
            return await self._discover(model, chosen.digest or await self.hosts.digest_of(model))
        except ModelError:
            return self.wordllama

    async def _in_production(self) -> ModelMetadata:
        built_in = ModelMetadata(
            name=PASSAGES, model_type="embedding", model_path=f"ollama:{self.model}"
        )
        if self.registry is None:
            return built_in
        try:
            return await self.registry.get_model(PASSAGES, PRODUCTION)
        except AppError:
            return built_in

    async def open(self, model_path: str, *, digest: str | None = None) -> Embedder:
        """The embedder of a model, with the digest it must have or the one it has now.

        Raises InvalidInput for what is no embedding model's path, ModelMissing, ModelUnavailable,
        EmbeddingSpaceChanged.
        """
        parsed = parse_path(model_path)
        if parsed == WORDLLAMA:
            return self.wordllama
        if parsed.family != "ollama":
            raise InvalidInput(f"{model_path} gives no embeddings")
        model = self._spelled(parsed.model)
        wanted = digest or await self.hosts.digest_of(model)
        return await self._discover(model, wanted, is_patient=False)

    async def find(self, space: str) -> Embedder | None:
        """The embedder of a space; None when it is away or its model was replaced."""
        if space == self.wordllama.space.name:
            return self.wordllama
        installed = await self._installed(space)
        if installed is None:
            return None
        try:
            return await self._discover(*installed)
        except ModelError:
            return None

    async def _installed(self, space: str) -> tuple[str, str] | None:
        """The model and digest whose space this is, when a host has it now."""
        known = self._opened.get(space)
        for _, status in await self.hosts.now():
            if known is not None:
                found = status.digests.get(full_name(known.space.model), "")
                if space_name(known.space.model, found) == space:
                    return known.space.model, found
                continue
            for name, digest in status.digests.items():
                for model in (name, name.removesuffix(":latest")):
                    if space_name(model, digest) == space:
                        return model, digest
        return None

    async def _discover(
        self, model: str, digest: str, *, is_patient: bool = True
    ) -> OllamaEmbedder:
        space = space_name(model, digest)
        known = self._opened.get(space)
        if known is None:
            failed_at = self._failed_at.get(space, -REDISCOVER_SECONDS)
            if is_patient and time.monotonic() - failed_at < REDISCOVER_SECONDS:
                raise ModelError
            try:
                known = await OllamaEmbedder.discover(self.hosts, model, digest=digest)
            except ModelError:
                self._failed_at[space] = time.monotonic()
                raise
            self._failed_at.pop(space, None)
            self._opened[space] = known
        else:
            await self.hosts.having(model, digest)
        self._opened.move_to_end(space)
        if len(self._opened) > MOST_REMEMBERED:
            self._opened.popitem(last=False)
        return known

    def _spelled(self, model: str) -> str:
        """As the settings spell it, since a space is named by that; else without `:latest`."""
        if full_name(model) == full_name(self.model):
            return self.model
        return model.removesuffix(":latest")
