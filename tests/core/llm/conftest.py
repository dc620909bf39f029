"""An emulated Ollama host on a real port, and what talks to it."""

from collections.abc import AsyncIterator, Callable

import pytest

from core.llm.base import ChatMessage, ChatPrompt
from core.llm.budget import AnswerRequest, fit
from core.llm.embedded import WordLlama
from core.llm.emulator import OllamaEmulator, create_ollama_emulator
from core.llm.extractive import ExtractiveAnswerer
from core.llm.ollama import Deadlines, OllamaHost
from core.llm.ollama_chat import OllamaChat
from core.llm.prompts import PromptTemplate
from tests.core.llm.passages import NOTES
from tests.serving import serving
from tests.waiting import eventually

# Short enough for tests of silence, long enough for a busy machine to answer.
QUICK = Deadlines(connect=1.0, first_token=1.5, between_tokens=1.0, total=8.0, status=2.0)
CHAT, EMBED = "llama3.2:3b", "nomic-embed-text"


@pytest.fixture
def emulator() -> OllamaEmulator:
    return create_ollama_emulator()


@pytest.fixture
async def base_url(emulator: OllamaEmulator) -> AsyncIterator[str]:
    async with serving(emulator.app) as url:
        yield url
        emulator.heal()
        # Whatever a test did, no request may outlive its caller.
        await eventually(lambda: emulator.active == 0 and emulator.waiting == 0)


MakeHost = Callable[..., OllamaHost]


@pytest.fixture
async def make_host(base_url: str) -> AsyncIterator[MakeHost]:
    hosts: list[OllamaHost] = []

    def make(url: str = base_url, **settings: object) -> OllamaHost:
        defaults = {"deadlines": QUICK, "chat_model": CHAT, "embedding_model": EMBED}
        hosts.append(OllamaHost(url, **{**defaults, **settings}))  # type: ignore[arg-type]
        return hosts[-1]

    yield make
    for host in hosts:
        await host.aclose()


@pytest.fixture
def host(make_host: MakeHost) -> OllamaHost:
    return make_host()


@pytest.fixture
def chat(host: OllamaHost) -> OllamaChat:
    return OllamaChat(host, CHAT, num_ctx=4096)


@pytest.fixture(scope="session")
def word_llama() -> WordLlama:
    return WordLlama()


@pytest.fixture(scope="session")
def extractive(word_llama: WordLlama) -> ExtractiveAnswerer:
    return ExtractiveAnswerer(word_llama)


def asking(question: str = "How do I start a habit that sticks?") -> AnswerRequest:
    return AnswerRequest(question=question, passages=NOTES, persona="You are a calm coach.")


def prompt_for(request: AnswerRequest, num_ctx: int = 4096) -> ChatPrompt:
    return fit(request, PromptTemplate("answer", 1), num_ctx=num_ctx)


def bare_prompt(text: str, *, answer_tokens: int = 64) -> ChatPrompt:
    return ChatPrompt(
        messages=(ChatMessage(role="user", content=text),),
        passages=0,
        answer_tokens=answer_tokens,
        estimated_tokens=len(text),
        template="bare@1",
    )
