"""`cairn embeddings`: an operator changes a creator's embedding model and looks how it goes."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from core.llm.emulator import create_ollama_emulator
from core.runtime import open_runtime
from core.testing.apps import quick, working
from shared.errors import Conflict, InvalidInput, NotFound
from shared.settings import OllamaSettings, Settings
from tests.core.cli.conftest import Cairn
from tests.core.rag.conftest import add
from tests.serving import serving


@pytest.fixture
async def settings(settings: Settings) -> AsyncIterator[Settings]:
    """With an Ollama whose embedding model new indexes are built with."""
    async with serving(create_ollama_emulator().app) as url:
        yield quick(settings, ollama=OllamaSettings(host=url))


async def test_a_migration_is_started_followed_flipped_back_and_aborted(
    cairn: Cairn, settings: Settings, creator: UUID
) -> None:
    of = ("--creator", str(creator))
    to = ("embeddings", "start", "embedded:wordllama", *of)
    assert isinstance((await cairn("embeddings", "status", *of)).error, NotFound)
    assert isinstance((await cairn(*to)).error, InvalidInput)  # there is no index yet
    async with open_runtime(settings) as runtime, working(runtime):
        await add(runtime.knowledge, creator, "Habits", "Start small.")
        started = await cairn(*to, "--soak-seconds", "600")
        assert started.code == 0, started.out
        assert "→ wordllama-256: soaking, 100% (1 of 1 vectors)" in started.out
        assert isinstance((await cairn(*to)).error, Conflict)
        flipped = await cairn("embeddings", "flip-back", *of)
        assert "verifying, paused" in flipped.out
        again = await cairn("embeddings", "resume", "--force", *of)
        assert "cairn embeddings flip-back" in again.out
        assert "aborting" in (await cairn("embeddings", "abort", *of)).out
        followed = await cairn("embeddings", "status", "--follow", *of)
        assert "aborted" in followed.out
        assert isinstance((await cairn("embeddings", "finish", *of)).error, Conflict)
