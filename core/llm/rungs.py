"""The chat models that answer for a contact, by the registry: one rung for each host of each model.

The answer chain goes from rung to rung, so a host that fails is followed by the next one that has
the model, and a model whose hosts all fail by the next model.
"""

from collections.abc import Sequence
from uuid import UUID

from core.llm.base import ChatRung
from core.llm.hosts import OllamaHosts
from core.llm.ollama_chat import OllamaChat
from core.llm.registry import ModelMetadata, ModelRegistry

ANSWERS = "answers"
MOST_RUNGS = 8
MOST_HOSTS = 3  # for one model: the next model should have its turn too


class RegisteredRungs:
    """`name` is the logical name of the model that answers."""

    def __init__(self, registry: ModelRegistry, hosts: OllamaHosts, *, name: str = ANSWERS) -> None:
        self._registry = registry
        self._hosts = hosts
        self._name = name

    async def rungs(self, creator_id: UUID, contact_id: UUID | None) -> Sequence[ChatRung]:
        """The best first. Raises Unavailable when the registry was never read."""
        models = await self._registry.in_turn(
            self._name, creator_id=creator_id, contact_id=contact_id
        )
        found = [rung for model in models for rung in await self.of(model)]
        return found[:MOST_RUNGS]

    async def of(self, model: ModelMetadata) -> list[ChatRung]:
        """The rungs of one version, one for each host; none when it needs no model (quoting)."""
        path = model.path
        if path.family != "ollama":
            return []
        pinned = await self._registry.pinned_num_ctx(model.model_path)
        return [
            ChatRung(
                model=OllamaChat(
                    host,
                    path.model,
                    num_ctx=pinned,
                    prompt_ctx=min(model.num_ctx or pinned, pinned),
                    options=model.params,
                ),
                breaker=self._hosts.breakers.of(host.address, path.model),
                ref=model.ref,
            )
            for host in self._hosts.in_order(path.model, digest=model.digest)[:MOST_HOSTS]
        ]
