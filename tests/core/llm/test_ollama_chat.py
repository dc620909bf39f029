"""The Ollama door: streaming, deadlines, admission and every way to fail."""

import asyncio
import time
from contextlib import aclosing
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from core.llm.base import (
    ChatUsage,
    ModelGarbled,
    ModelMissing,
    ModelOverloaded,
    ModelRejected,
    ModelTimeout,
)
from core.llm.emulator import FaultKind, OllamaEmulator
from core.llm.ollama import Deadlines, OllamaHost
from core.llm.ollama_chat import OllamaChat
from core.llm.structured import SCHEMA, read
from shared.errors import ModelError, ModelUnavailable, TruncatedStream
from tests.core.llm.conftest import CHAT, MakeHost, asking, bare_prompt, prompt_for
from tests.core.llm.passages import HABIT
from tests.waiting import eventually


async def collected(chat: OllamaChat, budget: float = 10.0, usage: ChatUsage | None = None) -> str:
    plain = replace(prompt_for(asking()), schema=None)
    stream = chat.stream(plain, budget_seconds=budget, usage=usage)
    async with aclosing(stream) as pieces:
        return "".join([piece async for piece in pieces])


async def test_streams_an_answer_from_the_passages(
    chat: OllamaChat, emulator: OllamaEmulator
) -> None:
    usage = ChatUsage()
    text = await collected(chat, usage=usage)
    assert text.startswith("To start a habit that sticks, choose one small action")
    assert "[1]" in text
    assert usage.finish == "stop"
    assert usage.prompt_tokens > 100
    assert usage.answer_tokens > 5


async def test_always_pins_the_context_and_never_thinks(
    chat: OllamaChat, emulator: OllamaEmulator
) -> None:
    await collected(chat)
    await collected(chat)
    first, second = (request.body for request in emulator.requests_to("/api/chat"))
    assert first["options"]["num_ctx"] == second["options"]["num_ctx"] == 4096
    assert first["options"]["num_predict"] == 768
    assert first["think"] is False
    assert first["keep_alive"] == "30m"
    assert emulator.runners.loads == [(CHAT, 4096)]  # loaded once


@pytest.mark.parametrize("size", [None, 3])
async def test_an_answer_is_asked_for_as_json_with_quotes(
    chat: OllamaChat, emulator: OllamaEmulator, size: int | None
) -> None:
    emulator.split_bytes = size
    async with aclosing(chat.stream(prompt_for(asking()), budget_seconds=10)) as pieces:
        draft = read("".join([piece async for piece in pieces]))
    assert emulator.requests_to("/api/chat")[0].body["format"] == SCHEMA
    assert draft.answer.startswith("To start a habit that sticks, choose one small action")
    assert draft.quotes is not None
    assert all(quote in HABIT.text for quote in draft.quotes[1])


async def test_an_option_of_a_wrong_type_is_the_hosts_error(
    make_host: MakeHost, emulator: OllamaEmulator
) -> None:
    """Ollama answers 500 there, as when it breaks."""
    chat = OllamaChat(make_host(), CHAT, num_ctx="large")  # type: ignore[arg-type]
    with pytest.raises(ModelUnavailable, match="must be of type integer"):
        await collected(chat)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
async def test_reads_lines_split_at_any_byte(
    chat: OllamaChat, emulator: OllamaEmulator, size: int
) -> None:
    emulator.split_bytes = size
    emulator.say_next("Größe zählt nicht: 習慣 🎉 [1]")
    assert await collected(chat) == "Größe zählt nicht: 習慣 🎉 [1]"


async def test_blank_lines_between_chunks_are_skipped(
    chat: OllamaChat, emulator: OllamaEmulator
) -> None:
    emulator.fail_next("blank_lines")
    assert (await collected(chat)).startswith("To start a habit")


async def test_absent_counts_are_zero(chat: OllamaChat, emulator: OllamaEmulator) -> None:
    emulator.fail_next("no_counts")
    usage = ChatUsage()
    assert await collected(chat, usage=usage)
    assert (usage.prompt_tokens, usage.answer_tokens) == (0, 0)


FAILURES: list[tuple[FaultKind, type[ModelError], bool]] = [
    ("missing_model", ModelMissing, False),
    ("bad_request", ModelRejected, False),
    ("internal_error", ModelUnavailable, True),
    ("busy", ModelOverloaded, True),
    ("error_line", ModelUnavailable, True),
    ("no_done", TruncatedStream, True),
    ("cut", TruncatedStream, True),
    ("drop", TruncatedStream, True),
    ("garbage", ModelGarbled, False),
    ("not_an_object", ModelGarbled, False),
    ("not_json", ModelGarbled, False),
    ("hang", ModelTimeout, True),
    ("stall", ModelTimeout, True),
]


@pytest.mark.parametrize(("kind", "error", "retryable"), FAILURES, ids=[f[0] for f in FAILURES])
async def test_every_failure_is_one_of_ours(
    chat: OllamaChat,
    emulator: OllamaEmulator,
    kind: FaultKind,
    error: type[ModelError],
    retryable: bool,
) -> None:
    emulator.fail_next(kind)
    with pytest.raises(error) as caught:
        await collected(chat)
    assert type(caught.value) is error
    assert caught.value.retryable is retryable
    await eventually(lambda: emulator.active == 0)
    assert (await collected(chat)).startswith("To start a habit")  # the next call is fine


async def test_a_refused_connection_is_unavailable(make_host: MakeHost, closed_port: int) -> None:
    chat = OllamaChat(make_host(f"http://127.0.0.1:{closed_port}"), CHAT)
    began = time.monotonic()
    with pytest.raises(ModelUnavailable) as caught:
        await collected(chat)
    assert type(caught.value) is ModelUnavailable
    assert time.monotonic() - began < 10.0


async def test_a_missing_model_is_known_by_status(
    make_host: MakeHost, emulator: OllamaEmulator
) -> None:
    with pytest.raises(ModelMissing):
        await collected(OllamaChat(make_host(), "nobody-has-this"))


@pytest.mark.parametrize("kind", ["hang", "stall", "slow", "endless"])
async def test_never_takes_longer_than_the_budget(
    make_host: MakeHost, emulator: OllamaEmulator, kind: FaultKind
) -> None:
    patient = Deadlines(first_token=30, between_tokens=30, total=30)
    emulator.fail_next(kind, seconds=0.4)
    began = time.monotonic()
    with pytest.raises(ModelTimeout):
        await collected(OllamaChat(make_host(deadlines=patient), CHAT), budget=1.0)
    assert 0.9 < time.monotonic() - began < 15.0  # half of what it would have waited
    await eventually(lambda: emulator.active == 0)


async def test_an_endless_answer_ends_at_the_total(
    make_host: MakeHost, emulator: OllamaEmulator
) -> None:
    emulator.fail_next("endless")
    chat = OllamaChat(make_host(deadlines=Deadlines(total=0.7)), CHAT)
    with pytest.raises(ModelTimeout):
        await collected(chat, budget=60)


async def test_closing_early_frees_the_slot(chat: OllamaChat, emulator: OllamaEmulator) -> None:
    emulator.fail_next("endless")
    async with aclosing(chat.stream(prompt_for(asking()), budget_seconds=10)) as pieces:
        assert await anext(pieces)
        assert emulator.active == 1
    await eventually(lambda: emulator.active == 0)


async def test_cancelling_frees_the_slot(chat: OllamaChat, emulator: OllamaEmulator) -> None:
    emulator.fail_next("hang")
    task = asyncio.create_task(collected(chat))
    await eventually(lambda: emulator.active == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(lambda: emulator.active == 0)


async def test_callers_wait_here_and_not_at_the_host(
    make_host: MakeHost, emulator: OllamaEmulator
) -> None:
    emulator.token_seconds = 0.002
    chat = OllamaChat(make_host(parallel=1, queue=8), CHAT)
    texts = await asyncio.gather(*(collected(chat) for _ in range(4)))
    assert len(set(texts)) == 1
    assert len(emulator.requests_to("/api/chat")) == 4
    assert emulator.runners.most_waiting <= 1


async def test_a_full_queue_refuses_at_once(make_host: MakeHost, emulator: OllamaEmulator) -> None:
    emulator.fail_next("hang")
    host: OllamaHost = make_host(parallel=1, queue=1)
    chat = OllamaChat(host, CHAT)
    first = asyncio.create_task(collected(chat))
    await eventually(lambda: host.chat_admission.active == 1)
    second = asyncio.create_task(collected(chat))
    await eventually(lambda: host.chat_admission.waiting == 1)
    with pytest.raises(ModelOverloaded):
        await collected(chat)
    with pytest.raises(ModelTimeout):
        await first
    assert (await second).startswith("To start a habit")  # its turn came


async def test_waiting_for_a_slot_counts_against_the_budget(
    make_host: MakeHost, emulator: OllamaEmulator
) -> None:
    emulator.fail_next("hang")
    host = make_host(deadlines=Deadlines(first_token=3))
    chat = OllamaChat(host, CHAT)
    first = asyncio.create_task(collected(chat))
    await eventually(lambda: host.chat_admission.active == 1)
    with pytest.raises(ModelOverloaded):
        await collected(chat, budget=0.3)
    assert len(emulator.requests_to("/api/chat")) == 1
    first.cancel()
    await asyncio.wait([first])


async def test_an_alarm_when_the_context_is_nearly_full(
    make_host: MakeHost, emulator: OllamaEmulator
) -> None:
    chat = OllamaChat(make_host(), CHAT, num_ctx=200)
    with capture_logs() as logs:
        async with aclosing(chat.stream(bare_prompt("habit " * 500), budget_seconds=5)) as pieces:
            assert [piece async for piece in pieces]
    assert [entry["event"] for entry in logs] == ["model.context_nearly_full"]
    assert logs[0]["prompt_tokens"] == 200  # the rest was cut without a word
