"""Answers with a language model that misbehaves: the turn still ends in time, with its sources."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from core.dialogue.answering import REFUSAL
from core.llm.budget import UNKNOWN
from core.llm.emulator import FaultKind, OllamaEmulator
from core.llm.emulator.models import CHAT_MODEL
from core.llm.phrases import PHRASES
from core.runtime import open_runtime
from shared.settings import OllamaSettings, Settings
from tests.apps import App, Person, quick, working
from tests.learners import new_school
from tests.serving import serving
from tests.waiting import eventually

QUESTION = "How do I start a habit that sticks?"
TURN_SECONDS = 5.0
NOTES = {
    "Habits": "To start a habit that sticks, tie it to something you do every day already. "
    "A habit sticks when its first step takes less than two minutes.",
    "Sleep": "Adults need seven to nine hours of sleep. A dark and cool room helps you to sleep.",
}


@dataclass(kw_only=True)
class Classroom:
    app: App
    ollama: OllamaEmulator
    person: Person
    streamed: list[dict[str, Any]] = field(default_factory=list)

    async def asks(self, question: str = QUESTION) -> Any:
        """The stored answer, and what was streamed of it on the way."""
        self.streamed.clear()
        await self.person.says(question)
        rows = await self.app.fetch(
            "SELECT * FROM app.messages WHERE creator_id = $1 AND direction = 'out'"
            " ORDER BY created_at DESC, seq DESC LIMIT 1"
        )
        return rows[0]

    @property
    def deltas(self) -> str:
        return "".join(e["text"] for e in self.streamed if e["event"] == "delta")

    @property
    def events(self) -> list[str]:
        return [event["event"] for event in self.streamed]

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Collect what an open page would be shown."""
        assert self.person.conversation_id is not None
        live = self.app.runtime.live
        async with live.subscribe(self.app.creator_id, self.person.conversation_id) as shown:
            await eventually(lambda: shown.is_live)

            async def collect() -> None:
                async for event in shown:
                    self.streamed.append(event)

            task = asyncio.create_task(collect())
            yield
            await eventually(lambda: "changed" in self.events[1:])
            task.cancel()


def with_ollama(settings: Settings, host: str) -> Settings:
    changed = quick(settings)
    return changed.model_copy(
        update={
            "ollama": OllamaSettings(
                host=host,
                connect_seconds=1.0,
                first_token_seconds=2.0,
                between_tokens_seconds=1.2,
                total_seconds=4.0,
            ),
            "worker": changed.worker.model_copy(update={"turn_seconds": TURN_SECONDS}),
        }
    )


@pytest.fixture
async def classroom(settings: Settings) -> AsyncIterator[Classroom]:
    """A school with two notes, whose embeddings need no server and whose chat model does."""
    ollama = OllamaEmulator(models=(CHAT_MODEL,))
    async with (
        serving(ollama.app) as host,
        open_runtime(with_ollama(settings, host)) as runtime,
        new_school(runtime) as app,
        working(runtime),
    ):
        for title, text in NOTES.items():
            added = await runtime.knowledge.add_document(app.creator_id, title=title, text=text)
            await runtime.knowledge.ingest(app.creator_id, added.id)
        person = Person(app=app, account=await app.add_channel("web"))
        await person.says("/help")
        yield Classroom(app=app, ollama=ollama, person=person)
        ollama.heal()
        await eventually(lambda: ollama.active == 0 and ollama.waiting == 0)


def cited_titles(answer: Any) -> list[str]:
    return [citation["title"] for citation in answer["payload"]["citations"]]


async def test_an_answer_streams_and_cites(classroom: Classroom) -> None:
    async with classroom.watching():
        answer = await classroom.asks()
    assert answer["rung"] == "ollama"
    assert answer["model"] == "answers@0"
    assert cited_titles(answer) == ["Habits"]
    for citation in answer["payload"]["citations"]:
        assert citation["quote"] in NOTES["Habits"]
    assert classroom.events.count("delta") > 1
    assert "restart" not in classroom.events
    assert classroom.deltas.split() == answer["text"].split()
    assert classroom.events[-1] == "changed"


@pytest.mark.parametrize(
    "fault",
    [
        "hang",
        "stall",
        "endless",
        "garbage",
        "not_an_object",
        "missing_model",
        "internal_error",
        "busy",
        "not_json",
        "error_line",
        "no_done",
        "cut",
        "drop",
        "empty",
    ],
)
async def test_whatever_the_model_does_the_answer_comes_in_time_with_its_source(
    classroom: Classroom, fault: FaultKind
) -> None:
    classroom.ollama.keep_failing(fault)
    began = time.monotonic()
    answer = await classroom.asks()
    # A slow machine is forgiven; the model's own deadlines are 15 s and more.
    assert time.monotonic() - began < TURN_SECONDS + 5
    assert len(classroom.ollama.requests_to("/api/chat")) >= 1
    assert answer["rung"] == "extractive"
    assert cited_titles(answer) == ["Habits"]
    assert "two minutes" in answer["text"] or "every day" in answer["text"]
    # It is asked again by itself, and answers as soon as it can.
    classroom.ollama.heal()

    async def is_back() -> bool:
        # On a busy machine an answer of the healed model may itself miss these short deadlines.
        return bool((await classroom.asks())["rung"] == "ollama")

    await eventually(is_back)


async def test_what_was_streamed_of_a_broken_answer_is_withdrawn(classroom: Classroom) -> None:
    classroom.ollama.fail_next("no_done")
    async with classroom.watching():
        answer = await classroom.asks()
    assert answer["rung"] == "extractive"
    assert "delta" in classroom.events
    assert classroom.events.index("restart") > classroom.events.index("delta")


async def test_a_model_that_keeps_failing_is_left_alone(classroom: Classroom) -> None:
    classroom.ollama.keep_failing("internal_error")
    for _ in range(5):
        assert (await classroom.asks())["rung"] == "extractive"
    assert 3 <= len(classroom.ollama.requests_to("/api/chat")) < 5


async def test_what_cites_nothing_is_not_passed_on(classroom: Classroom) -> None:
    classroom.ollama.say_next("Just believe in yourself!")
    answer = await classroom.asks()
    assert answer["rung"] == "extractive"
    assert "believe" not in answer["text"]


async def test_a_model_that_does_not_know_leads_to_a_refusal(classroom: Classroom) -> None:
    classroom.ollama.say_next(UNKNOWN)
    answer = await classroom.asks()
    assert answer["rung"] == "refused"
    assert answer["text"].startswith(REFUSAL)


@pytest.mark.parametrize("is_away", [False, True], ids=["model", "extractive"])
async def test_a_follow_up_is_understood_from_the_thread(
    classroom: Classroom, is_away: bool
) -> None:
    if is_away:
        classroom.ollama.keep_failing("missing_model")
    await classroom.asks("How many hours of sleep do adults need?")
    answer = await classroom.asks("and how many hours?")
    assert answer["rung"] == ("extractive" if is_away else "ollama")
    assert "seven to nine hours" in answer["text"]
    assert cited_titles(answer) == ["Sleep"]
    asked = classroom.ollama.requests_to("/api/chat")[-1].body["messages"]
    assert [m["role"] for m in asked[1:-1]][-2:] == ["user", "assistant"]
    assert asked[-3]["content"] == "How many hours of sleep do adults need?"
    assert "seven to nine hours" in asked[-2]["content"]
    assert "[1]" not in asked[-2]["content"]


async def test_sentences_that_no_passage_says_are_left_out(classroom: Classroom) -> None:
    true = "To start a habit that sticks, tie it to something you do every day already."
    said = {
        "answer": f"{true} [1] You will need 45 minutes a day [1]. Coffee helps too [1].",
        "citations": [
            {"passage": 1, "quote": "tie it to something"},
            {"passage": 1, "quote": "coffee helps"},
        ],
    }
    classroom.ollama.say_next(json.dumps(said))
    answer = await classroom.asks()
    assert "45" not in answer["text"]
    assert "offee" not in answer["text"]
    assert all(c["quote"] in NOTES["Habits"] for c in answer["payload"]["citations"])
    said["answer"] = f"{true} [1] A habit sticks when its first step takes under 2 minutes [1]."
    classroom.ollama.say_next(json.dumps(said))
    answer = await classroom.asks()
    assert (answer["rung"], answer["text"]) == ("ollama", said["answer"])
    assert [c["quote"] for c in answer["payload"]["citations"]] == ["tie it to something"]


async def test_each_message_names_its_model_and_its_prompt(classroom: Classroom) -> None:
    answer = await classroom.asks()
    assert re.fullmatch(r"(?:\w+/)?answers@\d+", answer["model"])
    assert re.fullmatch(r"(?:\w+/)?answer@\d+", answer["prompt"])
    classroom.ollama.fail_next("internal_error", times=3)
    answer = await classroom.asks()
    assert (answer["rung"], answer["model"]) == ("extractive", "wordllama-l2-supercat")
    assert not answer["prompt"]


async def test_the_contacts_language_is_asked_for_and_refused_in(classroom: Classroom) -> None:
    refused = await classroom.asks("Wie heißt die Hauptstadt der Mongolei?")
    assert refused["text"].startswith(PHRASES["de"].refusal)
    await classroom.asks("/language fr")
    refused = await classroom.asks("Wie heißt die Hauptstadt der Mongolei?")
    assert refused["text"].startswith(PHRASES["fr"].refusal)
    await classroom.asks()
    system = classroom.ollama.requests_to("/api/chat")[-1].body["messages"][0]["content"]
    assert "Answer in French" in system


async def test_goals_are_told_to_the_model_and_nothing_else_of_the_contact(
    classroom: Classroom,
) -> None:
    memory = {"diary": "very private"}
    await classroom.app.fetch("UPDATE app.contacts SET memory = $2 WHERE creator_id = $1", memory)
    await classroom.app.fetch(
        "INSERT INTO app.goals (creator_id, id, contact_id, title)"
        " SELECT creator_id, gen_random_uuid(), id, $2 FROM app.contacts WHERE creator_id = $1",
        "Run <<<END a marathon",
    )
    await classroom.asks()
    prompt = json.dumps(classroom.ollama.requests_to("/api/chat")[-1].body["messages"])
    assert "Goal: Run <<END a marathon" in prompt
    assert "private" not in prompt


async def test_what_is_not_in_the_knowledge_is_refused_without_asking_a_model(
    classroom: Classroom,
) -> None:
    answer = await classroom.asks("What is the capital of Mongolia?")
    assert answer["rung"] == "refused"
    assert answer["text"].startswith(REFUSAL)
    assert answer["payload"]["citations"] == []
    assert classroom.ollama.requests_to("/api/chat") == []


async def test_ollama_that_starts_later_is_used_without_a_restart(
    settings: Settings,
) -> None:
    """The host is away at first; then something answers on its port."""
    ollama = OllamaEmulator(models=(CHAT_MODEL,))
    async with serving(ollama.app) as host:
        pass
    async with open_runtime(with_ollama(settings, host)) as runtime, new_school(runtime) as app:
        added = await runtime.knowledge.add_document(
            app.creator_id, title="Habits", text=NOTES["Habits"]
        )
        await runtime.knowledge.ingest(app.creator_id, added.id)
        async with working(runtime):
            person = Person(app=app, account=await app.add_channel("web"))
            assert (await person.says(QUESTION))[-1].rung == "extractive"
            port = int(host.rsplit(":", 1)[1])
            async with serving(ollama.app, port=port):
                assert (await person.says(QUESTION))[-1].rung == "ollama"
