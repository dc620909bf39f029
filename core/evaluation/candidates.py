"""What is to be measured when it isn't in use yet: another model, another prompt, another space."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core.house import HOUSE
from core.llm.base import Embedder, ModelMissing, Template
from core.llm.chain import AnswerChain
from core.llm.paths import EXTRACTIVE, ModelType
from core.llm.prompt_store import PromptStore
from core.llm.prompts import PromptTemplate
from core.llm.registry import ModelMetadata
from core.models import Models
from core.rag.spaces import Embedders
from shared.errors import InvalidInput, ModelUnavailable, NotFound


@dataclass(frozen=True, kw_only=True)
class Reference:
    """`name@version`."""

    name: str
    version: int


@dataclass(frozen=True, kw_only=True)
class OneEmbedder:
    """One space only: a new index is built in it."""

    embedder: Embedder

    async def preferred(self) -> Embedder:
        return self.embedder

    async def find(self, space: str) -> Embedder | None:
        return self.embedder if space == self.embedder.space.name else None

    async def open(self, model_path: str) -> Embedder:
        raise ModelMissing(f"{model_path} has no part in this evaluation")


class NoEmbedder:
    """No space at all: every search goes by words alone."""

    async def preferred(self) -> Embedder:
        raise ModelMissing

    async def find(self, space: str) -> Embedder | None:
        return None

    async def open(self, model_path: str) -> Embedder:
        raise ModelMissing


@dataclass(frozen=True, kw_only=True)
class OneTemplate:
    """The same prompt for everybody and in every language."""

    template: Template

    async def resolve(
        self, creator_id: UUID, template_id: str, *, locale: str, contact_id: UUID | None
    ) -> Template:
        return self.template


def parse(reference: str) -> Reference:
    """Raises InvalidInput."""
    name, _, version = reference.rpartition("@")
    if not name or not version.isdecimal():
        raise InvalidInput(f"{reference!r} is not of the form name@version", code="bad_version")
    return Reference(name=name, version=int(version))


async def in_space(embedders: Embedders, space: str) -> OneEmbedder:
    """Only the embedder of a space. Raises NotFound when none that answers has it."""
    found = await embedders.find(space)
    if found is None:
        raise NotFound(f"no embedder that answers now has the space {space}")
    return OneEmbedder(embedder=found)


async def of_model(models: Models, reference: str) -> OneEmbedder:
    """Only a registered embedding model of the house. Raises UnknownModel or a ModelError."""
    found = await _registered(models, HOUSE, reference, "embedding")
    return OneEmbedder(embedder=await models.embedders.open(found.model_path, digest=found.digest))


async def with_model(
    chain: AnswerChain, models: Models, owner: UUID, reference: str
) -> tuple[AnswerChain, str | None]:
    """The chain with one version of a chat model, and what its answers are signed with.

    None when it quotes and no model is asked. Raises UnknownModel or ModelUnavailable.
    """
    found = await _registered(models, owner, reference, "chat")
    rungs = await models.rungs.of(found)
    if not rungs and found.path != EXTRACTIVE:
        raise ModelUnavailable(f"no host that answers now has {found.model_path}")
    return chain.using(rungs=rungs), found.ref if rungs else None


async def _registered(
    models: Models, owner: UUID, reference: str, model_type: ModelType
) -> ModelMetadata:
    wanted = parse(reference)
    found = await models.registry.get_model(
        wanted.name, wanted.version, creator_id=owner, is_exact=True
    )
    if found.model_type != model_type:
        raise InvalidInput(f"{reference} is no {model_type} model", code="bad_version")
    return found


async def with_prompt(
    chain: AnswerChain, prompts: PromptStore, owner: UUID, reference: str
) -> AnswerChain:
    """The chain with one version of a prompt (`answer@2`, `answer.de@1`). Raises NotFound.

    The built-in ones stand behind it, so that one that fails is seen by what spoke instead.
    """
    wanted = parse(reference)
    template_id, _, locale = wanted.name.partition(".")
    stored = await prompts.get(owner, template_id, wanted.version, locale=locale)
    template = PromptTemplate.from_source(
        template_id, wanted.version, stored.body, locale=stored.locale
    )
    return chain.using(templates=OneTemplate(template=template))


def subjects(figures: Mapping[str, Any], *, model: str, prompt: str) -> Sequence[str]:
    """Of what an evaluation of answers tells: what was named, else all that had a part in it."""
    named = [f"model {model}"] * bool(model) + [f"prompt {prompt}"] * bool(prompt)
    spoke = [f"model {name}" for name in figures["models"]]
    asked = [f"prompt {name}" for name in figures["prompts"]]
    return named or spoke + asked
