"""Fixtures of the chaos tests. `CHAOS_SEED=n` replays a run; each test prints the seed it used."""

import os
import random
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.slack.emulator import SlackEmulator
from adapters.sms.emulator import SmsEmulator
from adapters.telegram.emulator import TelegramEmulator
from core.channels import Account
from core.creators import add_creator
from core.runtime import open_runtime
from shared.settings import Settings
from tests.chaos.people import ANSWER_SECONDS, TelegramPerson, WebPerson
from tests.chaos.processes import Nursery
from tests.chaos.stage import EXTRA, NO_RATES, PUBLIC_URL, SECRET_TOKEN, Gateway, Stage
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
    settings = settings.model_copy(
        update={"extra_paths": str(EXTRA), "public_base_url": PUBLIC_URL}
    )
    limits = httpx.Limits(max_connections=SENDERS)
    async with (
        AsyncExitStack() as platforms,
        open_runtime(settings) as runtime,
        httpx.AsyncClient(timeout=ANSWER_SECONDS, limits=limits, trust_env=False) as client,
    ):
        created = await add_creator(runtime.database, "Chaos school")

        async def channel(type_: str, credentials: dict[str, str], **more: Any) -> Account:
            return await runtime.accounts.add(
                created.id,
                runtime.channels[type_],
                name=type_,
                bot="echo",
                credentials=credentials,
                settings=NO_RATES | more,
            )

        telegram = TelegramEmulator(log_path=tmp_path / "telegram.jsonl")
        slack = SlackEmulator(log_path=tmp_path / "slack.jsonl")
        sms = SmsEmulator(log_path=tmp_path / "sms.jsonl")
        urls = [await opened(platforms, emulator) for emulator in (telegram, slack, sms)]
        secret = {"bot_token": telegram.token, "secret_token": SECRET_TOKEN}
        playing = Stage(
            runtime=runtime,
            urls=database_urls,
            settings=settings,
            creator_id=created.id,
            telegram=await channel("telegram", secret, api_base_url=urls[0]),
            slack=await channel("slack", slack.credentials, api_base_url=f"{urls[1]}/api/"),
            sms=await channel("sms", sms.credentials, api_base_url=urls[2]),
            web=await channel("web", {}),
            emulator=telegram,
            slack_emulator=slack,
            sms_emulator=sms,
            nursery=nursery,
            client=client,
        )
        try:
            yield playing
        finally:
            await playing.stop()


async def opened(stack: AsyncExitStack, emulator: Any) -> str:
    """The address of an emulated platform, served until the stack is closed."""
    stack.push_async_callback(emulator.close)
    return await stack.enter_async_context(serving(emulator, lifespan="off"))


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
