"""Answer a question on the best rung that works: a language model, else the passages' own words.

Each rung has its deadline out of one budget. What a model streams is provisional: it is withdrawn
(`Restart`) when the model fails half-way or cites nothing, and the extractive answer follows.
"""

import asyncio
import logging
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Literal

import structlog

from core.llm.base import (
    ChatPrompt,
    ChatRung,
    ChatUsage,
    ModelGarbled,
    ModelOverloaded,
    ModelRejected,
    Rungs,
    Template,
    Templates,
)
from core.llm.breaker import BreakerOpen
from core.llm.budget import UNKNOWN, AnswerRequest, fit, unfenced
from core.llm.checked import check
from core.llm.citations import Cited, resolve
from core.llm.extractive import ExtractiveAnswerer
from core.llm.phrases import FALLBACK, PHRASES, phrases_in
from core.llm.prompts import PromptTemplate
from core.llm.structured import Draft, Reader
from shared.errors import AppError, ContextTooLong, ModelError, PromptRenderError

__all__ = ["AnswerChain", "AnswerEvent", "ChatRung", "Completion", "Delta", "Restart", "may_refuse"]

log = structlog.get_logger(__name__)

RungName = Literal["ollama", "extractive", "canned"]
TEMPLATE, NEWEST = "answer", 2
CANNED = PHRASES[FALLBACK].canned
# Kept back from the models, so that the turn can still answer and record in time.
RESERVE_SECONDS = 1.0
LOOK_UP_SECONDS = 2.0
_NOT_THE_HOSTS_FAULT = (ContextTooLong, PromptRenderError, ModelRejected, ModelOverloaded)


@dataclass(frozen=True, kw_only=True)
class Delta:
    """A piece of a provisional answer."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Restart:
    """All deltas so far are withdrawn; `reason` is an error code or `unsupported`."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Completion:
    """The answer that counts. `is_known` is false when the model says it isn't in the passages.

    The tokens are those of every model that was asked on the way to it.
    """

    text: str
    rung: RungName
    model: str
    prompt: str
    citations: tuple[Cited, ...] = ()
    is_known: bool = True
    prompt_tokens: int = 0
    answer_tokens: int = 0


AnswerEvent = Delta | Restart | Completion


class AnswerChain:
    """Chat models in order, then the extractive answer, then a canned line."""

    def __init__(
        self,
        *,
        rungs: Sequence[ChatRung] | Rungs,
        extractive: ExtractiveAnswerer,
        templates: Templates | None = None,
        canned: str | None = None,
    ) -> None:
        self.rungs = rungs
        self._extractive = extractive
        self._templates = templates
        self._built_in = PromptTemplate(TEMPLATE, NEWEST)
        self._first = PromptTemplate(TEMPLATE, 1)
        self._canned = canned

    def using(
        self,
        *,
        rungs: Sequence[ChatRung] | Rungs | None = None,
        templates: Templates | None = None,
    ) -> "AnswerChain":
        """The same chain with other models or prompts, to measure what is not in use yet."""
        return AnswerChain(
            rungs=self.rungs if rungs is None else rungs,
            extractive=self._extractive,
            templates=templates or self._templates,
            canned=self._canned,
        )

    async def answer(
        self, request: AnswerRequest, *, budget_seconds: float
    ) -> AsyncGenerator[AnswerEvent, None]:
        """Deltas and restarts, and one Completion at the end. Raises no ModelError.

        Close it (`aclosing`) when you stop early: that closes the model's request.
        """
        ends_at, spent = time.monotonic() + budget_seconds - RESERVE_SECONDS, ChatUsage()
        rungs = await self._rungs_of(request) if request.passages else ()
        template = await self._template_of(request) if rungs else self._built_in
        for rung in rungs:
            if ends_at - time.monotonic() <= 0:
                break
            async with aclosing(self._ask(rung, request, template, ends_at, spent)) as events:
                async for event in events:
                    if isinstance(event, Completion):
                        yield _costing(event, spent)
                        return
                    yield event
        yield _costing(await self._without_model(request), spent)

    async def complete(
        self,
        request: AnswerRequest,
        *,
        budget_seconds: float,
        on_event: Callable[[Delta | Restart], Awaitable[None]] | None = None,
    ) -> Completion:
        """`answer` for callers that want the end; `on_event` sees the rest."""
        async with aclosing(self.answer(request, budget_seconds=budget_seconds)) as events:
            async for event in events:
                if isinstance(event, Completion):
                    return event
                if on_event is not None:
                    await on_event(event)
        raise AssertionError("an answer ends with a completion")

    async def _rungs_of(self, request: AnswerRequest) -> Sequence[ChatRung]:
        """Without the registry no model is asked: the passages answer."""
        if isinstance(self.rungs, Sequence):
            return self.rungs
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                return await self.rungs.rungs(request.creator_id, request.contact_id)
        except (AppError, TimeoutError, OSError) as error:
            log.warning("answer.models_unknown", error=type(error).__name__)
            return ()

    async def _template_of(self, request: AnswerRequest) -> Template:
        """The creator's, else the built-in one."""
        if self._templates is None:
            return self._built_in
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                return await self._templates.resolve(
                    request.creator_id,
                    TEMPLATE,
                    locale=request.locale,
                    contact_id=request.contact_id,
                )
        except (AppError, TimeoutError, OSError) as error:
            log.warning("answer.template_unknown", error=type(error).__name__)
            return self._built_in

    def _fit(self, request: AnswerRequest, template: Template, num_ctx: int) -> ChatPrompt:
        """A template that cannot be rendered is replaced by the first built-in one."""
        try:
            return fit(request, template, num_ctx=num_ctx)
        except PromptRenderError as error:
            log.warning("answer.template_failed", template=template.name, code=error.code)
            return fit(request, self._first, num_ctx=num_ctx)

    async def _ask(
        self,
        rung: ChatRung,
        request: AnswerRequest,
        template: Template,
        ends_at: float,
        spent: ChatUsage,
    ) -> AsyncGenerator[AnswerEvent, None]:
        """One rung: its deltas, then its Completion; or a Restart if it had begun and failed."""
        usage, reader = ChatUsage(), Reader()
        try:
            async with rung.breaker.attempt(counts=_counts):
                prompt = self._fit(request, template, rung.model.num_ctx)
                budget = ends_at - time.monotonic()
                stream = rung.model.stream(prompt, budget_seconds=budget, usage=usage)
                async with aclosing(stream) as pieces:
                    async for piece in pieces:
                        if reader.is_too_long:
                            raise ModelGarbled("the answer does not end")
                        if added := reader.take(piece):
                            yield Delta(text=added)
        except ModelError as error:
            # A skipped rung was warned about when it failed.
            level = logging.INFO if isinstance(error, BreakerOpen) else logging.WARNING
            log.log(level, "answer.rung_failed", model=rung.identity, code=error.code)
            spent.add(usage)
            if reader.answer:
                yield Restart(reason=error.code)
            return
        spent.add(usage)
        completion = await asyncio.to_thread(
            _completion, rung.identity, prompt, reader.draft(), request, usage.finish
        )
        if completion is None:
            log.info("answer.unsupported", model=rung.identity, finish=usage.finish)
            if reader.answer:
                yield Restart(reason="unsupported")
        else:
            yield completion

    async def _without_model(self, request: AnswerRequest) -> Completion:
        found = await self._extractive.answer(request.question, request.passages)
        if found is None:
            text = self._canned or phrases_in(request.locale).canned
            return Completion(text=text, rung="canned", model="", prompt="")
        quotes: dict[int, list[str]] = {}
        for quote in found.quotes:
            quotes.setdefault(quote.passage, []).append(quote.text)
        numbered = resolve(found.text, request.passages)
        cited = [
            Cited(number=c.number, passage=c.passage, quote=quotes[c.passage][0])
            for c in numbered.citations
        ]
        return Completion(
            text=numbered.text,
            rung="extractive",
            model=self._extractive.name,
            prompt="",
            citations=tuple(cited),
        )


def _costing(completion: Completion, spent: ChatUsage) -> Completion:
    return replace(completion, prompt_tokens=spent.prompt_tokens, answer_tokens=spent.answer_tokens)


def _counts(error: Exception) -> bool:
    """Whether an error says something about the host's health."""
    return isinstance(error, ModelError) and not isinstance(error, _NOT_THE_HOSTS_FAULT)


def _completion(
    model: str, prompt: ChatPrompt, draft: Draft, request: AnswerRequest, finish: str
) -> Completion | None:
    """What the model wrote, checked; None when nothing supports it."""
    told = Completion(
        text=UNKNOWN,
        rung="ollama",
        model=model,
        prompt=prompt.template,
        is_known=False,
    )
    if _is_refusal(draft.answer):
        return told
    if finish == "length" and draft.is_open:
        draft = replace(draft, answer=_without_cut_end(draft.answer))
    draft = replace(draft, answer=unfenced(draft.answer))
    checked = check(draft, request.passages[: prompt.passages])
    if checked is None:
        return None
    if checked.dropped:
        log.info("answer.sentences_dropped", model=model, dropped=checked.dropped)
    return replace(told, text=checked.text, citations=checked.citations, is_known=True)


def _is_refusal(written: str) -> bool:
    """Whether the model says, in the words it was given, that the passages don't answer."""
    return _letters(written).startswith(_letters(UNKNOWN))


def may_refuse(written: str) -> bool:
    """Whether what a model has written so far is, or may become, a refusal."""
    return _is_refusal(written) or _letters(UNKNOWN).startswith(_letters(written))


def _letters(text: str) -> str:
    return re.sub(r"[^a-z ]", "", text.replace("’", "'").lower()).strip()


def _without_cut_end(written: str) -> str:
    """An answer that ran into its limit, up to the last whole sentence or line."""
    ends = [m.end() for m in re.finditer(r"[.!?…](?:\s*\[\d+\])*(?=\s)|\n", written)]
    return written[: ends[-1]] if ends else written
