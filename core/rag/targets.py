"""Where a migration leads: what people write becomes a space and the model that makes it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from core.llm.registry import ModelRegistry
from core.rag.spaces import Spaces
from shared.errors import InvalidInput

PATHS = ("embedded:", "ollama:")

# Turns `passages@2` into a model path; raises an AppError for what it doesn't know.
Resolve = Callable[[UUID, str], Awaitable[str]]


@dataclass(frozen=True, kw_only=True)
class Target:
    space: str
    model_path: str


class Targets:
    """`resolve` knows the names of a registry; without it there are none."""

    def __init__(self, spaces: Spaces, resolve: Resolve | None = None) -> None:
        self._spaces = spaces
        self._resolve = resolve

    async def find(self, creator_id: UUID, to: str) -> Target:
        """`to` is a space, `embedded:NAME`, `ollama:TAG`, or a registry's `name@version`.

        Raises InvalidInput with the code `unknown_model`, what the registry raises, and ModelError
        when the model is away.
        """
        if await self._spaces.embedder(to) is not None:
            return Target(space=to, model_path="")
        path = to
        if not to.startswith(PATHS):
            if self._resolve is None:
                raise InvalidInput(f"there is no embedding model {to!r}", code="unknown_model")
            path = await self._resolve(creator_id, to)
        embedder = await self._spaces.open(path)
        return Target(space=embedder.space.name, model_path=path)


def by_registry(registry: ModelRegistry) -> Resolve:
    """`name`, `name@3` or `name@label`; a number means that version and no other."""

    async def resolve(creator_id: UUID, to: str) -> str:
        name, _, version = to.partition("@")
        found = await registry.get_model(
            name,
            int(version) if version.isdecimal() else version or "production",
            creator_id=creator_id,
            is_exact=version.isdecimal(),
        )
        if found.model_type != "embedding":
            raise InvalidInput(f"{to} is no embedding model", code="unknown_model")
        return found.model_path

    return resolve
