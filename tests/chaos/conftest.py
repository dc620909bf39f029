"""Fixtures of the chaos tests. `CHAOS_SEED=n` replays a run; each test prints the seed it used."""

import os
import random
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from adapters.telegram.emulator import TelegramEmulator
from core.creators import add_creator
from core.runtime import open_runtime
from shared.settings import Settings
from tests.chaos.people import ANSWER_SECONDS, TelegramPerson, WebPerson
from tests.chaos.processes import Nursery
from tests.chaos.stage import EXTRA, SECRET_TOKEN, Gateway, Stage
from tests.databases import DatabaseUrls
from tests.serving import serving

SENDERS = 100


@pytest.fixture(scope="session")
async def nursery(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Nursery]:
    async with Nursery(tmp_path_factory.mktemp("processes")) as opened:
        yield opened


@pytest.fixture
def seed() -> int:
    chosen = int(os.environ.get("CHAOS_SEED", "0")) or secrets.randbelow(2**31)
    print(f"CHAOS_SEED={chosen}")  # noqa: T201 - shown when the test fails
    return chosen


@pytest.fixture
def chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311


@pytest.fixture
async def stage(
    settings: Settings,
    database_urls: DatabaseUrls,
    nursery: Nursery,
    tmp_path: Path,
) -> AsyncIterator[Stage]:
    settings = settings.model_copy(update={"extra_paths": str(EXTRA)})
    emulator = TelegramEmulator(log_path=tmp_path / "telegram.jsonl")
    limits = httpx.Limits(max_connections=SENDERS)
    async with (
        serving(emulator, lifespan="off") as telegram_url,
        open_runtime(settings) as runtime,
        httpx.AsyncClient(timeout=ANSWER_SECONDS, limits=limits, trust_env=False) as client,
    ):
        created = await add_creator(runtime.database, "Chaos school")
        telegram = await runtime.accounts.add(
            created.id,
            runtime.channels["telegram"],
            name="telegram",
            bot="echo",
            credentials={"bot_token": emulator.token, "secret_token": SECRET_TOKEN},
            settings={"api_base_url": telegram_url},
        )
        web = await runtime.accounts.add(
            created.id, runtime.channels["web"], name="web", bot="echo", credentials={}, settings={}
        )
        playing = Stage(
            runtime=runtime,
            urls=database_urls,
            settings=settings,
            creator_id=created.id,
            telegram=telegram,
            web=web,
            emulator=emulator,
            nursery=nursery,
            client=client,
        )
        try:
            yield playing
        finally:
            await playing.stop()
            await emulator.close()


@pytest.fixture
async def gateway(stage: Stage) -> Gateway:
    return await stage.start_gateway()


@pytest.fixture
def ada(stage: Stage, gateway: Gateway) -> TelegramPerson:
    return TelegramPerson(stage=stage, gateway=lambda: gateway, chat=1001)


@pytest.fixture
def bob(stage: Stage, gateway: Gateway) -> TelegramPerson:
    return TelegramPerson(stage=stage, gateway=lambda: gateway, chat=1002)


@pytest.fixture
async def eve(stage: Stage, gateway: Gateway) -> WebPerson:
    """On the web chat."""
    person = WebPerson(stage=stage, gateway=lambda: gateway)
    await person.opens()
    return person
