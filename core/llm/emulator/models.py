"""The models of an emulated host: what is installed, what is loaded and with which context."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from core.llm.emulator.vectors import Vectors
from core.llm.ollama import full_name

DEFAULT_NUM_CTX = 4096  # OLLAMA_CONTEXT_LENGTH
Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class EmulatedModel:
    """`revision` stands for a re-pulled tag: another one gives another digest and other vectors."""

    name: str
    capabilities: tuple[str, ...] = ("completion",)
    context_length: int = 131072
    embedding_length: int = 3072
    family: str = "llama"
    size: int = 2_019_393_189
    revision: int = 1
    vectors: Vectors | None = None  # what texts embed to; any other text is made up

    @classmethod
    def embedding(
        cls, name: str, *, dimensions: int = 384, vectors: Vectors | None = None
    ) -> "EmulatedModel":
        """An embedding model of its own, with vectors computed elsewhere if any are given."""
        return cls(
            name=name,
            capabilities=("embedding",),
            context_length=2048,
            embedding_length=vectors.dimensions if vectors else dimensions,
            family="bert",
            size=45_960_996,
            vectors=vectors,
        )

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{full_name(self.name)}@{self.revision}".encode()).hexdigest()

    @property
    def details(self) -> Json:
        return {
            "parent_model": "",
            "format": "gguf",
            "family": self.family,
            "families": [self.family],
            "parameter_size": "3.2B",
            "quantization_level": "Q4_K_M",
        }

    def listed(self) -> Json:
        """A row of `/api/tags`."""
        return {
            "name": full_name(self.name),
            "model": full_name(self.name),
            "modified_at": "2026-01-01T00:00:00Z",
            "size": self.size,
            "digest": self.digest,
            "details": self.details,
        }

    def shown(self) -> Json:
        """The body of `/api/show`."""
        return {
            "modelfile": f"FROM {self.name}\n",
            "parameters": "",
            "template": "{{ .Prompt }}",
            "details": self.details,
            "model_info": {
                "general.architecture": self.family,
                f"{self.family}.context_length": self.context_length,
                f"{self.family}.embedding_length": self.embedding_length,
            },
            "capabilities": list(self.capabilities),
            "modified_at": "2026-01-01T00:00:00Z",
        }


CHAT_MODEL = EmulatedModel(name="llama3.2:3b", capabilities=("completion", "tools"))
EMBEDDING_MODEL = EmulatedModel(
    name="nomic-embed-text",
    capabilities=("embedding",),
    context_length=2048,
    embedding_length=384,
    family="nomic-bert",
    size=274_302_450,
)


@dataclass(kw_only=True)
class _Loaded:
    num_ctx: int
    expires_at: datetime


@dataclass(kw_only=True)
class Runners:
    """Loaded models and their slots: a request waits without bound for one, as in Ollama."""

    num_parallel: int = 1
    load_seconds: float = 0.0
    loads: list[tuple[str, int]] = field(default_factory=list)
    loaded: dict[str, _Loaded] = field(default_factory=dict)
    active: int = 0
    waiting: int = 0
    most_waiting: int = 0
    _slots: dict[str, asyncio.Semaphore] = field(default_factory=dict)

    @asynccontextmanager
    async def slot(self, model: EmulatedModel, num_ctx: int) -> AsyncIterator[float]:
        """A slot of the model, loaded with that context; gives the seconds that loading took."""
        slots = self._slots.setdefault(model.name, asyncio.Semaphore(self.num_parallel))
        self.waiting += 1
        self.most_waiting = max(self.most_waiting, self.waiting)
        try:
            await slots.acquire()
        finally:
            self.waiting -= 1
        self.active += 1
        try:
            yield await self._load(model, min(num_ctx, model.context_length))
        finally:
            self.active -= 1
            slots.release()

    async def _load(self, model: EmulatedModel, num_ctx: int) -> float:
        expires_at = datetime.now(UTC) + timedelta(minutes=5)
        known = self.loaded.get(model.name)
        if known and known.num_ctx == num_ctx:
            known.expires_at = expires_at
            return 0.0
        await asyncio.sleep(self.load_seconds)
        self.loads.append((model.name, num_ctx))
        self.loaded[model.name] = _Loaded(num_ctx=num_ctx, expires_at=expires_at)
        return self.load_seconds

    def unload(self, name: str) -> None:
        self.loaded.pop(name, None)

    def running(self, models: dict[str, EmulatedModel]) -> list[Json]:
        """The rows of `/api/ps`."""
        return [
            {
                **{k: v for k, v in model.listed().items() if k != "modified_at"},
                "expires_at": loaded.expires_at.isoformat(),
                "size_vram": 0,
                "context_length": loaded.num_ctx,
            }
            for model in models.values()
            if (loaded := self.loaded.get(model.name))
        ]
