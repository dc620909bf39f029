"""Every rung in its turn, by providers of models and prompts that may fail themselves."""

from collections.abc import AsyncGenerator, Sequence
from uuid import UUID

import pytest

from core.llm.base import ChatPrompt, ChatRung, ChatUsage, Template
from core.llm.breaker import CircuitBreaker
from core.llm.budget import AnswerRequest
from core.llm.chain import AnswerChain, Completion
from core.llm.emulator import EmulatedModel, OllamaEmulator
from core.llm.extractive import ExtractiveAnswerer
from core.llm.ollama_chat import OllamaChat
from core.llm.phrases import PHRASES
from core.llm.prompts import PromptTemplate
from shared.errors import AppError, PromptRenderError, Unavailable
from tests.core.llm.conftest import CHAT, MakeHost, asking

SPARE = "qwen3:0.6b"
CREATOR, CONTACT = UUID(int=1), UUID(int=2)


class Registry:
    """Models and prompts by contact, or the failure of looking them up."""

    def __init__(
        self,
        found: Sequence[ChatRung] = (),
        template: Template | None = None,
        error: AppError | None = None,
    ) -> None:
        self._found, self._template, self._error = found, template, error
        self.asked: list[tuple[object, ...]] = []

    async def rungs(self, creator_id: UUID, contact_id: UUID | None) -> Sequence[ChatRung]:
        self.asked.append((creator_id, contact_id))
        if self._error:
            raise self._error
        return self._found

    async def resolve(
        self, creator_id: UUID, template_id: str, *, locale: str, contact_id: UUID | None
    ) -> Template:
        self.asked.append((creator_id, template_id, locale, contact_id))
        if self._error or self._template is None:
            raise self._error or PromptRenderError()
        return self._template


@pytest.fixture
def rungs(make_host: MakeHost, emulator: OllamaEmulator) -> list[ChatRung]:
    emulator.install(EmulatedModel(name=SPARE))
    host = make_host()
    return [
        ChatRung(model=OllamaChat(host, name), breaker=CircuitBreaker(), ref=ref)
        for name, ref in ((CHAT, "answers@3"), (SPARE, "answers@2"))
    ]


def request(**changes: object) -> AnswerRequest:
    known = asking()
    fields: dict[str, object] = {
        "question": known.question,
        "passages": known.passages,
        "persona": "P",
    }
    fields |= {"creator_id": CREATOR, "contact_id": CONTACT, "locale": "de"}
    return AnswerRequest(**{**fields, **changes})  # type: ignore[arg-type]


async def ended(chain: AnswerChain, **changes: object) -> Completion:
    return await chain.complete(request(**changes), budget_seconds=20)


@pytest.mark.parametrize(
    ("failing", "rung", "model", "prompt"),
    [
        (0, "ollama", "answers@3", "builtin/answer@2"),
        (1, "ollama", "answers@2", "builtin/answer@2"),
        (2, "extractive", "wordllama-l2-supercat", ""),
    ],
)
@pytest.mark.parametrize("kind", ["internal_error", "missing_model", "no_done", "garbage"])
async def test_each_rung_speaks_when_those_before_it_fail(
    rungs: list[ChatRung],
    emulator: OllamaEmulator,
    extractive: ExtractiveAnswerer,
    failing: int,
    rung: str,
    model: str,
    prompt: str,
    kind: str,
) -> None:
    if failing:
        emulator.fail_next(kind, times=failing)  # type: ignore[arg-type]
    registry = Registry(rungs)
    answer = await ended(AnswerChain(rungs=registry, extractive=extractive))
    assert (answer.rung, answer.model, answer.prompt) == (rung, model, prompt)
    assert answer.citations
    assert registry.asked == [(CREATOR, CONTACT)]


async def test_what_no_passage_says_is_left_to_the_next_model(
    rungs: list[ChatRung], emulator: OllamaEmulator, extractive: ExtractiveAnswerer
) -> None:
    emulator.say_next("Just believe in yourself [1].")
    answer = await ended(AnswerChain(rungs=rungs, extractive=extractive))
    assert (answer.rung, answer.model) == ("ollama", "answers@2")


async def test_nothing_to_quote_is_said_in_the_contacts_language(
    rungs: list[ChatRung], extractive: ExtractiveAnswerer
) -> None:
    answer = await ended(AnswerChain(rungs=rungs, extractive=extractive), passages=())
    assert (answer.rung, answer.text) == ("canned", PHRASES["de"].canned)
    assert (answer.model, answer.prompt) == ("", "")


async def test_without_the_registry_the_passages_answer(extractive: ExtractiveAnswerer) -> None:
    away = Registry(error=Unavailable())
    answer = await ended(AnswerChain(rungs=away, extractive=extractive, templates=away))
    assert answer.rung == "extractive"


async def test_the_prompt_is_chosen_for_the_contact(
    rungs: list[ChatRung], extractive: ExtractiveAnswerer
) -> None:
    store = Registry(template=PromptTemplate("answer", 1))
    answer = await ended(AnswerChain(rungs=rungs, extractive=extractive, templates=store))
    assert answer.prompt == "builtin/answer@1"
    assert store.asked == [(CREATOR, "answer", "de", CONTACT)]


@pytest.mark.parametrize("body", ["{{ nobody }}", None], ids=["fails to render", "not found"])
async def test_a_prompt_that_fails_is_replaced_by_a_built_in_one(
    rungs: list[ChatRung], extractive: ExtractiveAnswerer, body: str | None
) -> None:
    own = PromptTemplate.from_source("answer", 7, body) if body else None
    store = Registry(template=own)
    answer = await ended(AnswerChain(rungs=rungs, extractive=extractive, templates=store))
    assert answer.rung == "ollama"
    assert answer.prompt.startswith("builtin/answer@")


async def test_an_answer_that_never_ends_is_given_up(extractive: ExtractiveAnswerer) -> None:
    endless = ChatRung(model=Endless(), breaker=CircuitBreaker(), ref="answers@9")
    answer = await ended(AnswerChain(rungs=[endless], extractive=extractive))
    assert answer.rung == "extractive"


class Endless:
    """A host that heeds no limit."""

    name, num_ctx = "endless", 8192

    async def stream(
        self, prompt: ChatPrompt, *, budget_seconds: float, usage: ChatUsage | None = None
    ) -> AsyncGenerator[str, None]:
        while True:
            yield "habit " * 500
