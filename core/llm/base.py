"""What a language model and an embedder are to the rest of Cairn, whoever serves them.

ModelError (shared.errors)
├── ModelUnavailable ↻: ModelTimeout ↻ · ModelOverloaded ↻
├── ModelMissing · ModelRejected · ModelGarbled · EmbeddingSpaceChanged
└── TruncatedStream ↻ · ContextTooLong · PromptRenderError        (↻ retryable)"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol
from uuid import UUID

from shared.errors import ModelError, ModelUnavailable

Kind = Literal["query", "passage"]
Role = Literal["system", "user", "assistant"]


class ModelTimeout(ModelUnavailable):
    """The language model did not answer in time."""

    code = "model_timeout"


class ModelOverloaded(ModelUnavailable):
    """Too many requests wait for the language model."""

    code = "model_overloaded"


class ModelMissing(ModelError):
    """The language model is not installed on its host."""

    code = "model_missing"


class ModelRejected(ModelError):
    """The language model's host refused the request."""

    code = "model_rejected"


class ModelGarbled(ModelError):
    """The language model's host sent something that is not its protocol."""

    code = "model_garbled"


class EmbeddingSpaceChanged(ModelError):
    """The embedding model was replaced: its vectors no longer fit those already stored."""

    code = "embedding_space_changed"


@dataclass(frozen=True, kw_only=True)
class EmbeddingSpace:
    """Vectors are comparable only inside one space; `name` is a stable slug, safe in an id."""

    name: str
    model: str
    dimensions: int
    digest: str | None = None


class Embedder(Protocol):
    @property
    def space(self) -> EmbeddingSpace: ...

    async def embed(self, texts: Sequence[str], *, kind: Kind) -> list[list[float]]:
        """One unit vector of `space.dimensions` floats a text, in order."""
        ...


class Passage(Protocol):
    """A piece of the creator's knowledge; whatever retrieval returns fits this shape."""

    @property
    def title(self) -> str: ...

    @property
    def heading(self) -> str: ...

    @property
    def text(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class ChatMessage:
    role: Role
    content: str


@dataclass(frozen=True, kw_only=True)
class ChatPrompt:
    """A rendered prompt that fits its model; `passages` is how many of those offered are in it.

    `schema` is the JSON schema the answer is to follow; None asks for plain text.
    """

    messages: tuple[ChatMessage, ...]
    passages: int
    answer_tokens: int
    estimated_tokens: int
    template: str
    schema: Mapping[str, Any] | None = None


@dataclass(kw_only=True)
class ChatUsage:
    """What one completion cost, filled in while it streams; a server may omit the counts."""

    prompt_tokens: int = 0
    answer_tokens: int = 0
    finish: str = ""

    def add(self, other: "ChatUsage") -> None:
        self.prompt_tokens += other.prompt_tokens
        self.answer_tokens += other.answer_tokens


class ChatModel(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def num_ctx(self) -> int: ...

    def stream(
        self, prompt: ChatPrompt, *, budget_seconds: float, usage: ChatUsage | None = None
    ) -> AsyncGenerator[str, None]:
        """Pieces of the answer as they come; close it (`aclosing`) to stop the model.

        Raises a ModelError, also in the middle.
        """
        ...


class Breaker(Protocol):
    def attempt(self, *, counts: Callable[[Exception], bool]) -> AbstractAsyncContextManager[None]:
        """Around one call: raises BreakerOpen instead of it, learns from how it ends."""
        ...


@dataclass(frozen=True, kw_only=True)
class ChatRung:
    """A chat model with the breaker that remembers how it fares.

    `ref` is what messages store of it, `name@version`; the model's own name when it has none.
    """

    model: ChatModel
    breaker: Breaker
    ref: str = ""

    @property
    def identity(self) -> str:
        return self.ref or self.model.name


class Rungs(Protocol):
    """Which chat models answer for a contact, the best first."""

    async def rungs(self, creator_id: UUID, contact_id: UUID | None) -> Sequence[ChatRung]: ...


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """The blocks of a prompt, all of one version of its template.

    `reference` is what messages store of it: `answer@3` and `answer.de@1` are the creator's own
    versions; those of others say so, `shared/answer@2` and `builtin/answer@1`.
    """

    reference: str
    blocks: Mapping[str, str]


class Template(Protocol):
    """A prompt in blocks; `name` is `template@version`."""

    @property
    def name(self) -> str: ...

    def render_blocks(self, context: Mapping[str, Any], *blocks: str) -> Rendered:
        """Raises PromptRenderError."""
        ...


class Templates(Protocol):
    """Which version of a prompt a contact's question is put in."""

    async def resolve(
        self, creator_id: UUID, template_id: str, *, locale: str, contact_id: UUID | None
    ) -> Template: ...


class PromoteGate(Protocol):
    """Whether what was measured of a model or a prompt allows it to become the one in use."""

    async def check(self, creator_id: UUID, subject: str, against: str | None) -> None:
        """`subject` and `against` are like `model answers@3` and `prompt answer@2`; `against` is
        in production now, None when nothing is. Raises Conflict: `not_evaluated` or
        `scores_below_production`."""
        ...
