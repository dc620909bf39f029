"""Every bot holds the dialogues that stand beside it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.settings import Settings
from tests.apps import App, quick, running_app
from tests.bots import dialogues


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[App]:
    async with running_app(quick(settings)) as app:
        yield app


@pytest.mark.parametrize("path", dialogues.DIALOGUES, ids=dialogues.name_of)
async def test_a_dialogue_goes_as_written(app: App, path: Path) -> None:
    await dialogues.read_knowledge(app, dialogues.bot_of(path))
    assert await dialogues.play(app, path)
