"""Let a chat model write something short from a prompt template: a nudge, or what an answer means.

There is always something to say without it, so nothing here fails: no model, no time, or nothing
but nonsense is None.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from core.llm.base import (
    ChatMessage,
    ChatPrompt,
    ChatRung,
    ChatUsage,
    ModelGarbled,
    ModelOverloaded,
    ModelRejected,
    Rendered,
    Rungs,
    Templates,
)
from core.llm.budget import estimate_prompt
from core.llm.prompts import PromptTemplate
from shared.errors import AppError, ContextTooLong, ModelError, PromptRenderError

log = structlog.get_logger(__name__)

LOOK_UP_SECONDS = 2.0
MOST_CHARACTERS = 4_000
_NOT_THE_HOSTS_FAULT = (ContextTooLong, PromptRenderError, ModelRejected, ModelOverloaded)


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be written, and for whom. `schema` is the JSON it is to be, None plain text."""

    creator_id: UUID
    contact_id: UUID | None
    template_id: str
    context: Mapping[str, Any]
    locale: str = ""
    schema: Mapping[str, Any] | None = None
    answer_tokens: int = 256
    seconds: float = 20.0


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a model wrote; `model` and `prompt` are what messages store: `name@version`."""

    text: str
    model: str
    prompt: str


class Writer:
    """Chat models in their order, until one of them has written something."""

    def __init__(self, *, rungs: Rungs, templates: Templates) -> None:
        self._rungs = rungs
        self._templates = templates

    async def write(self, order: Order) -> Written | None:
        """None when no model wrote anything in the order's time."""
        ends_at = time.monotonic() + order.seconds
        try:
            async with asyncio.timeout(order.seconds):
                rungs = await self._of(order)
                rendered = await self._rendered(order) if rungs else None
                for rung in rungs:
                    if rendered is None or ends_at <= time.monotonic():
                        return None
                    if text := await _ask(rung, order, rendered, ends_at - time.monotonic()):
                        return Written(text=text, model=rung.identity, prompt=rendered.reference)
        except TimeoutError:
            log.info("writer.too_slow", template=order.template_id)
        return None

    async def _of(self, order: Order) -> Sequence[ChatRung]:
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                return await self._rungs.rungs(order.creator_id, order.contact_id)
        except (AppError, TimeoutError, OSError) as error:
            log.warning("writer.models_unknown", error=type(error).__name__)
            return ()

    async def _rendered(self, order: Order) -> Rendered | None:
        """By the creator's version, else by the one that comes with Cairn."""
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                template = await self._templates.resolve(
                    order.creator_id,
                    order.template_id,
                    locale=order.locale,
                    contact_id=order.contact_id,
                )
            return template.render_blocks(order.context, "system", "user")
        except (AppError, TimeoutError, OSError) as error:
            log.warning("writer.template_failed", error=type(error).__name__)
        try:
            return PromptTemplate(order.template_id, 1).render_blocks(
                order.context, "system", "user"
            )
        except PromptRenderError as error:
            log.warning("writer.template_failed", error=type(error).__name__)
            return None


async def _ask(rung: ChatRung, order: Order, rendered: Rendered, seconds: float) -> str | None:
    messages = (
        ChatMessage(role="system", content=rendered.blocks["system"]),
        ChatMessage(role="user", content=rendered.blocks["user"]),
    )
    prompt = ChatPrompt(
        messages=messages,
        passages=0,
        answer_tokens=order.answer_tokens,
        estimated_tokens=estimate_prompt(messages),
        template=rendered.reference,
        schema=order.schema,
    )
    usage, pieces, length = ChatUsage(), [], 0
    try:
        async with rung.breaker.attempt(counts=_counts):
            stream = rung.model.stream(prompt, budget_seconds=seconds, usage=usage)
            async with aclosing(stream) as written:
                async for piece in written:
                    pieces.append(piece)
                    length += len(piece)
                    if length > MOST_CHARACTERS:
                        raise ModelGarbled("the text does not end")
    except ModelError as error:
        log.info("writer.model_failed", model=rung.identity, code=error.code)
        return None
    # A text that ran into its limit stops in the middle of a word.
    return None if usage.finish == "length" else "".join(pieces).strip() or None


def _counts(error: Exception) -> bool:
    """Whether an error says something about the host's health."""
    return isinstance(error, ModelError) and not isinstance(error, _NOT_THE_HOSTS_FAULT)
