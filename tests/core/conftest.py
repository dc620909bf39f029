"""A runtime without a worker, a creator in it, and a learner on an emulated Telegram."""

from collections.abc import AsyncIterator

import pytest

from core.runtime import Runtime, open_runtime
from shared.settings import Settings
from tests.apps import App, quick
from tests.learners import Learner, new_school, on_telegram


@pytest.fixture
async def school_runtime(settings: Settings) -> AsyncIterator[Runtime]:
    async with open_runtime(quick(settings)) as opened:
        yield opened


@pytest.fixture
async def school(school_runtime: Runtime) -> AsyncIterator[App]:
    async with new_school(school_runtime) as app:
        yield app


@pytest.fixture
async def learner(school: App) -> AsyncIterator[Learner]:
    async with on_telegram(school) as learner:
        yield learner
