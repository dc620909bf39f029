"""Answers that grow on the channel: by edits on Telegram, at its pace, once, whatever crashes."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest

from core.channels import Address, Capabilities
from core.dialogue import reply_stream
from core.dialogue.reply_stream import is_enough, mode_of, shown_of
from core.llm.emulator import OllamaEmulator
from core.llm.emulator.models import CHAT_MODEL
from core.llm.prompts import UNKNOWN
from core.runtime import open_runtime
from shared.settings import OllamaSettings, Settings
from tests.apps import quick
from tests.learners import Learner, new_school, on_telegram, work, worked_until
from tests.serving import serving
from tests.waiting import eventually

QUESTION = "How do I start a habit that sticks?"
NOTE = (
    "To start a habit that sticks, tie it to something you do every day already. "
    "A habit sticks when its first step takes less than two minutes."
)
TOKEN_SECONDS = 0.04


@dataclass(kw_only=True)
class Pupil:
    """A learner whose question a slow model answers."""

    learner: Learner
    ollama: OllamaEmulator

    async def asks(self, question: str = QUESTION) -> None:
        await self.learner.says(question)
        await work(self.learner.app)

    @property
    def texts(self) -> list[str]:
        return self.learner.emulator.texts()

    def calls(self, method: str) -> list[Any]:
        return self.learner.emulator.calls(method)

    async def streams(self) -> list[Any]:
        return await self.learner.app.fetch("SELECT * FROM app.reply_streams WHERE creator_id = $1")


@pytest.fixture
async def pupil(settings: Settings) -> AsyncIterator[Pupil]:
    ollama = OllamaEmulator(models=(CHAT_MODEL,), token_seconds=TOKEN_SECONDS)
    async with serving(ollama.app) as host:
        with_model = quick(settings, ollama=OllamaSettings(host=host))
        async with open_runtime(with_model) as runtime, new_school(runtime) as app:
            added = await runtime.knowledge.add_document(app.creator_id, title="Habits", text=NOTE)
            await runtime.knowledge.ingest(app.creator_id, added.id)
            async with on_telegram(app) as learner:
                yield Pupil(learner=learner, ollama=ollama)


# --- an answer grows


async def test_an_answer_grows_by_edits_and_ends_as_the_final_text(pupil: Pupil) -> None:
    await pupil.asks()

    [sent] = pupil.learner.emulator.sent
    growing = [call.params["text"] for call in pupil.calls("sendMessage")]
    edits = [call.params["text"] for call in pupil.calls("editMessageText")]
    assert len(growing) == 1
    assert len(edits) >= 2
    for before, after in pairwise([*growing, *edits[:-1]]):
        assert after.startswith(before)
    assert not any("[1]" in text for text in [*growing, *edits[:-1]])
    assert sent.text == edits[-1]
    assert "two minutes. [1]" in sent.text or "[1]" in sent.text
    assert sent.text.endswith("[1] Habits")
    row = await pupil.learner.last()
    assert (row["status"], row["provider_ids"]) == ("sent", [f"1001:{sent.message_id}"])
    assert await pupil.streams() == []
