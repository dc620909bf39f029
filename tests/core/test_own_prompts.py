"""A creator's own prompt, from the API to the model and to what is stored of the answer."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from core.llm.emulator import OllamaEmulator
from core.llm.emulator.models import CHAT_MODEL
from core.llm.prompts import built_in
from core.runtime import open_runtime
from shared.settings import Settings
from tests.apps import App, Person, quick, working
from tests.learners import new_school
from tests.serving import serving

NOTE = "To start a habit that sticks, tie it to something you do every day already."
NEWEST = built_in("answer")[0]
ORDER = "Always begin with the word Onward."


@dataclass(kw_only=True)
class School:
    app: App
    ollama: OllamaEmulator
    person: Person

    async def asks(self) -> tuple[str, str]:
        """The system prompt that the model was sent, and the prompt that the answer names."""
        await self.person.says("How do I start a habit that sticks?")
        [row] = await self.app.fetch(
            "SELECT rung, prompt FROM app.messages WHERE creator_id = $1 AND direction = 'out'"
            " ORDER BY created_at DESC, seq DESC LIMIT 1"
        )
        assert row["rung"] == "ollama"
        sent: Any = self.ollama.requests_to("/api/chat")[-1].body
        return sent["messages"][0]["content"], row["prompt"]

    async def publishes(self, body: str, *, locale: str = "") -> None:
        prompts, creator_id = self.app.runtime.prompts, self.app.creator_id
        saved = await prompts.save(creator_id, "answer", body, locale=locale, actor="test")
        await prompts.set_label(
            creator_id, "answer", "production", saved.version, locale=locale, actor="test"
        )


@pytest.fixture
async def school(settings: Settings) -> AsyncIterator[School]:
    ollama = OllamaEmulator(models=(CHAT_MODEL,))
    async with serving(ollama.app) as host:
        changed = quick(settings)
        ollamas = settings.ollama.model_copy(update={"host": host})
        changed = changed.model_copy(update={"ollama": ollamas})
        async with (
            open_runtime(changed) as runtime,
            new_school(runtime) as app,
            working(runtime),
        ):
            added = await runtime.knowledge.add_document(app.creator_id, title="H", text=NOTE)
            await runtime.knowledge.ingest(app.creator_id, added.id)
            person = Person(app=app, account=await app.add_channel("web"))
            await person.says("/help")
            yield School(app=app, ollama=ollama, person=person)


async def test_a_creators_own_prompt_reaches_the_model_and_is_named_by_the_answer(
    school: School,
) -> None:
    system, prompt = await school.asks()
    assert (ORDER in system, prompt) == (False, NEWEST.reference)

    await school.publishes(NEWEST.body.replace("{{ persona }}", "{{ persona }}\n" + ORDER))
    system, prompt = await school.asks()
    assert (ORDER in system, prompt) == (True, "answer@1")

    # A version that fails with what this contact asks gives way to the one below it.
    fails = "{{ persona }}{% if 'sticks?' in question %}{{ 1 / 0 }}{% endif %}"
    await school.publishes(NEWEST.body.replace("{{ persona }}", fails))
    system, prompt = await school.asks()
    assert (ORDER in system, prompt) == (True, "answer@1")


async def test_the_contacts_language_chooses_the_prompt(school: School) -> None:
    await school.publishes(NEWEST.body.replace("{{ persona }}", "{{ persona }}\n" + ORDER))
    await school.publishes(NEWEST.body, locale="de")
    await school.person.says("/language Deutsch")
    assert (await school.asks())[1] == "answer.de@1"
