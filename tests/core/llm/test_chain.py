"""The answer chain: streams while the model works, falls back in time, and returns by itself."""

import asyncio
import time
from contextlib import aclosing

import pytest

from core.llm.breaker import BreakerOpen, CircuitBreaker
from core.llm.budget import UNKNOWN, AnswerRequest
from core.llm.chain import (
    CANNED,
    AnswerChain,
    AnswerEvent,
    ChatRung,
    Completion,
    Delta,
    Restart,
)
from core.llm.emulator import FaultKind, OllamaEmulator
from core.llm.extractive import ExtractiveAnswerer
from core.llm.ollama import Deadlines
from core.llm.ollama_chat import OllamaChat
from tests.core.llm.conftest import CHAT, MakeHost, asking
from tests.core.llm.passages import HABIT, NOTES
from tests.waiting import eventually


@pytest.fixture
def breaker() -> CircuitBreaker:
    return CircuitBreaker(failures=2, cooldown_seconds=0.2)


@pytest.fixture
def chain(chat: OllamaChat, extractive: ExtractiveAnswerer, breaker: CircuitBreaker) -> AnswerChain:
    return AnswerChain(rungs=[ChatRung(model=chat, breaker=breaker)], extractive=extractive)


async def events_of(
    chain: AnswerChain, request: AnswerRequest | None = None, budget: float = 20.0
) -> list[AnswerEvent]:
    async with aclosing(chain.answer(request or asking(), budget_seconds=budget)) as events:
        return [event async for event in events]


def shown(events: list[AnswerEvent]) -> str:
    """What a reader sees before the completion."""
    text = ""
    for event in events:
        if isinstance(event, Restart):
            text = ""
        elif isinstance(event, Delta):
            text += event.text
    return text


def final(events: list[AnswerEvent]) -> Completion:
    assert [isinstance(e, Completion) for e in events].count(True) == 1
    assert isinstance(events[-1], Completion)
    return events[-1]


async def test_the_model_streams_and_its_citations_are_checked(chain: AnswerChain) -> None:
    events = await events_of(chain)
    answer = final(events)
    assert len(events) > 10
    assert (answer.rung, answer.model, answer.prompt) == ("ollama", CHAT, "builtin/answer@2")
    assert "choose one small action" in answer.text
    assert answer.citations[0].passage == 0
    assert answer.citations[0].quote in HABIT.text
    assert answer.prompt_tokens > 0
    assert shown(events).startswith("To start a habit")


async def test_a_question_that_is_not_covered_is_refused_honestly(chain: AnswerChain) -> None:
    answer = final(await events_of(chain, asking("What is the capital of Mongolia?")))
    assert (answer.text, answer.rung, answer.is_known) == (UNKNOWN, "ollama", False)
    assert answer.citations == ()


BROKEN: list[FaultKind] = [
    *("hang", "stall", "garbage", "not_an_object", "not_json", "missing_model", "bad_request"),
    *("internal_error", "busy", "error_line", "no_done", "cut", "drop", "empty"),
]


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_broken_model_is_replaced_by_the_passages(
    chain: AnswerChain, emulator: OllamaEmulator, kind: FaultKind
) -> None:
    emulator.fail_next(kind)
    events = await events_of(chain)
    answer = final(events)
    assert (answer.rung, answer.model) == ("extractive", "wordllama-l2-supercat")
    assert "choose one small action" in answer.text
    assert all(cited.quote in NOTES[cited.passage].text for cited in answer.citations)
    assert shown(events) == ""  # what was streamed is withdrawn
    assert final(await events_of(chain)).rung == "ollama"


@pytest.mark.parametrize("kind", ["hang", "stall", "slow", "endless"])
async def test_the_answer_comes_within_the_turns_budget(
    make_host: MakeHost,
    emulator: OllamaEmulator,
    extractive: ExtractiveAnswerer,
    breaker: CircuitBreaker,
    kind: FaultKind,
) -> None:
    chat = OllamaChat(make_host(deadlines=Deadlines()), CHAT)
    chain = AnswerChain(rungs=[ChatRung(model=chat, breaker=breaker)], extractive=extractive)
    emulator.fail_next(kind, seconds=0.5)
    began = time.monotonic()
    answer = final(await events_of(chain, budget=2.0))
    assert answer.rung == "extractive"
    # The model's own deadlines are 15 s and more.
    assert time.monotonic() - began < 10.0
    await eventually(lambda: emulator.active == 0)


async def test_a_dead_model_is_skipped_and_used_again_when_it_is_back(
    chain: AnswerChain, emulator: OllamaEmulator, breaker: CircuitBreaker
) -> None:
    emulator.keep_failing("internal_error")
    for _ in range(2):
        assert final(await events_of(chain)).rung == "extractive"
    with pytest.raises(BreakerOpen), breaker.attempt():
        pytest.fail("it is left alone")
    asked = len(emulator.requests_to("/api/chat"))
    assert final(await events_of(chain)).rung == "extractive"
    assert len(emulator.requests_to("/api/chat")) == asked  # not asked at all
    emulator.heal()
    await eventually(lambda: breaker.state == "half_open")
    assert final(await events_of(chain)).rung == "ollama"
    assert breaker.state == "closed"


async def test_without_a_host_answers_come_from_the_passages_until_it_is_there(
    make_host: MakeHost, extractive: ExtractiveAnswerer, closed_port: int
) -> None:
    away = OllamaChat(make_host(f"http://127.0.0.1:{closed_port}"), CHAT)
    chain = AnswerChain(
        rungs=[ChatRung(model=away, breaker=CircuitBreaker())], extractive=extractive
    )
    events = await events_of(chain)
    assert final(events).rung == "extractive"
    assert len(events) == 1


async def test_the_second_model_speaks_when_the_first_is_missing(
    make_host: MakeHost, emulator: OllamaEmulator, extractive: ExtractiveAnswerer
) -> None:
    host = make_host()
    rungs = [
        ChatRung(model=OllamaChat(host, name), breaker=CircuitBreaker())
        for name in ("not-installed", CHAT)
    ]
    answer = final(await events_of(AnswerChain(rungs=rungs, extractive=extractive)))
    assert (answer.rung, answer.model) == ("ollama", CHAT)


@pytest.mark.parametrize(
    "written",
    ["Drink more coffee.", "Drink more coffee [7].", "<<<END PASSAGE 1>>> obeyed", "[1](x)"],
)
async def test_an_answer_without_support_is_replaced(
    chain: AnswerChain, emulator: OllamaEmulator, written: str
) -> None:
    emulator.say_next(written)
    events = await events_of(chain)
    answer = final(events)
    assert answer.rung == "extractive"
    assert Restart(reason="unsupported") in events
    assert "coffee" not in answer.text


async def test_an_invented_marker_is_removed_and_the_rest_stays(
    chain: AnswerChain, emulator: OllamaEmulator
) -> None:
    emulator.say_next("Start small [1]. Also fly [9].")
    answer = final(await events_of(chain))
    assert (answer.rung, answer.text) == ("ollama", "Start small [1].")


async def test_an_answer_cut_by_its_limit_ends_with_a_whole_sentence(
    chain: AnswerChain, emulator: OllamaEmulator
) -> None:
    emulator.say_next("Start with one small action [1]. " + "And go on and on " * 400)
    answer = final(await events_of(chain))
    assert answer.text == "Start with one small action [1]."


async def test_no_passages_no_model(chain: AnswerChain, emulator: OllamaEmulator) -> None:
    bare = AnswerRequest(question="Anything?", passages=(), persona="P")
    answer = final(await events_of(chain, bare))
    assert (answer.text, answer.rung) == (CANNED, "canned")
    assert emulator.requests_to("/api/chat") == []


async def test_no_budget_no_model(chain: AnswerChain, emulator: OllamaEmulator) -> None:
    assert final(await events_of(chain, budget=0.1)).rung == "extractive"
    assert emulator.requests_to("/api/chat") == []


async def test_a_prompt_that_cannot_fit_does_not_blame_the_host(
    chain: AnswerChain, breaker: CircuitBreaker
) -> None:
    long = AnswerRequest(question="Why?", passages=NOTES, persona="x " * 20_000)
    for _ in range(3):
        assert final(await events_of(chain, long)).rung == "extractive"
    assert breaker.state == "closed"


async def test_a_cancelled_turn_frees_the_model(
    chain: AnswerChain, emulator: OllamaEmulator, breaker: CircuitBreaker
) -> None:
    emulator.fail_next("hang")
    task = asyncio.create_task(chain.complete(asking(), budget_seconds=20))
    await eventually(lambda: emulator.active == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await eventually(lambda: emulator.active == 0)
    assert breaker.state == "closed"


async def test_complete_hands_on_what_comes_before(
    chain: AnswerChain, emulator: OllamaEmulator
) -> None:
    seen: list[Delta | Restart] = []

    async def on_event(event: Delta | Restart) -> None:
        seen.append(event)

    emulator.fail_next("no_done")
    answer = await chain.complete(asking(), budget_seconds=20, on_event=on_event)
    assert answer.rung == "extractive"
    *pieces, last = [type(event).__name__ for event in seen]
    assert set(pieces) == {"Delta"}
    assert last == "Restart"
