"""What is to be measured when it isn't in use yet: another model, another prompt, another space."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core.house import HOUSE
from core.llm.base import Embedder, ModelMissing, Template
from core.llm.chain import AnswerChain
from core.llm.prompt_store import PromptStore
from core.llm.prompts import PromptTemplate
from core.rag.spaces import Embedders
from shared.errors import InvalidInput, NotFound

_REFERENCE = re.compile(
    r"(?P<name>[a-z][a-z0-9_-]{0,63})(?:\.(?P<locale>[\w-]+))?@(?P<version>\d+)"
)


@dataclass(frozen=True, kw_only=True)
class Reference:
    """`name@version`; a prompt's may name its language too: `answer.de@1`."""

    name: str
    version: int
    locale: str = ""


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
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise InvalidInput(f"{reference!r} is not of the form name@version", code="bad_version")
    return Reference(
        name=match["name"], version=int(match["version"]), locale=match["locale"] or ""
    )


async def in_space(embedders: Embedders, space: str) -> OneEmbedder:
    """Only the embedder of a space. Raises NotFound when none that answers has it."""
    found = await embedders.find(space)
    if found is None:
        raise NotFound(f"no embedder that answers now has the space {space}")
    return OneEmbedder(embedder=found)


async def with_prompt(
    chain: AnswerChain, prompts: PromptStore, owner: UUID, reference: str
) -> AnswerChain:
    """The chain with one version of a prompt, with the built-in ones behind it. Raises NotFound."""
    wanted = parse(reference)
    stored = await prompts.get(owner, wanted.name, wanted.version, locale=wanted.locale)
    template = PromptTemplate.from_source(
        wanted.name,
        wanted.version,
        stored.body,
        locale=wanted.locale,
        origin="shared" if owner == HOUSE else "own",
    )
    return chain.using(templates=OneTemplate(template=template))


def subjects(owner: UUID, figures: Mapping[str, Any], *, model: str, prompt: str) -> Sequence[str]:
    """Of what an evaluation of answers tells: what was named, else all that had a part in it."""
    named = [f"model {model}"] * bool(model) + [f"prompt {prompt}"] * bool(prompt)
    if named:
        return named
    spoke = [f"model {name}" for name in figures["models"]]
    asked = [f"prompt {name}" for name in figures["prompts"]]
    return [spoken_of(owner, subject) for subject in spoke + asked]


def spoken_of(owner: UUID, subject: str) -> str:
    """As the owner itself calls it: what is the house's is not `shared/` to the house."""
    return subject.replace("shared/", "", 1) if owner == HOUSE else subject
