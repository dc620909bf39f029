"""A chat model on an Ollama host: pinned context, no thinking, an alarm when it fills."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import structlog

from core.llm.base import ChatPrompt, ChatUsage
from core.llm.ollama import OllamaHost

log = structlog.get_logger(__name__)

# Ollama cuts a prompt that does not fit without a word; this near to full it probably did.
ALARM_SHARE = 0.95
TEMPERATURE = 0.2


class OllamaChat:
    """`num_ctx` is the same in every request: another value makes the host reload the model.

    A prompt may be held to less of it (`prompt_ctx`). `options` stand over the defaults.
    """

    def __init__(
        self,
        host: OllamaHost,
        model: str,
        *,
        num_ctx: int = 8192,
        prompt_ctx: int | None = None,
        options: Mapping[str, Any] | None = None,
        keep_alive: str = "30m",
    ) -> None:
        self._host = host
        self._model = model
        self._num_ctx = num_ctx
        self._prompt_ctx = prompt_ctx or num_ctx
        self._given = {"temperature": TEMPERATURE, "seed": 0, **(options or {})}
        self._keep_alive = keep_alive

    @property
    def name(self) -> str:
        return self._model

    @property
    def num_ctx(self) -> int:
        """What a prompt and its answer must fit in."""
        return self._prompt_ctx

    async def stream(
        self, prompt: ChatPrompt, *, budget_seconds: float, usage: ChatUsage | None = None
    ) -> AsyncGenerator[str, None]:
        usage = usage if usage is not None else ChatUsage()
        chunks = self._host.chat(
            model=self._model,
            messages=[{"role": m.role, "content": m.content} for m in prompt.messages],
            options=self._options(prompt),
            keep_alive=self._keep_alive,
            budget_seconds=budget_seconds,
            schema=prompt.schema,
        )
        async with aclosing(chunks):
            async for chunk in chunks:
                if chunk.message.content:
                    yield chunk.message.content
                if chunk.done:
                    usage.prompt_tokens = chunk.prompt_eval_count or 0
                    usage.answer_tokens = chunk.eval_count or 0
                    usage.finish = chunk.done_reason or "stop"
        self._watch(usage, prompt)

    def _options(self, prompt: ChatPrompt) -> dict[str, Any]:
        return {
            **self._given,
            "num_ctx": self._num_ctx,
            "num_predict": prompt.answer_tokens,
        }

    def _watch(self, usage: ChatUsage, prompt: ChatPrompt) -> None:
        if usage.prompt_tokens >= ALARM_SHARE * self._num_ctx:
            log.warning(
                "model.context_nearly_full",
                model=self._model,
                prompt_tokens=usage.prompt_tokens,
                estimated_tokens=prompt.estimated_tokens,
                num_ctx=self._num_ctx,
            )
