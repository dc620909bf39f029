"""From what a person sends to the call that answers, on each channel, with a bot of no cost.

The bound is a bare relay: a webhook that calls the platform at once and keeps nothing.
"""

import asyncio
import socket
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.telegram.emulator import TelegramEmulator
from benchmarks.crowds import PEOPLE, Crowd, PlatformCrowd, WebCrowd, platform, webhook
from benchmarks.report import Figure
from benchmarks.stage import CAIRN, Stage, child
from core.creators import add_creator
from tests.serving import serving

CHANNELS = ("telegram", "slack", "sms", "web")
PACE_SECONDS = 0.05  # between two messages while latency is measured: 20 a second
DEADLINE_SECONDS = 120.0
BOUND = "bare relay"
WHAT = (("in to out, p50", "ms"), ("in to out, p99", "ms"), ("messages", "/s"))


async def run(stage: Stage) -> list[Figure]:
    count = 100 if stage.quick else 500
    async with _relay() as crowd:
        bare = await _measured(crowd, count)
    figures = []
    for channel in CHANNELS:
        async with _channel(stage, channel) as crowd_on_channel:
            measured = await _measured(crowd_on_channel, count)
        for index, (what, unit) in enumerate(WHAT):
            figures.append(
                Figure(
                    name=f"{channel}: {what}",
                    value=measured[index],
                    unit=unit,
                    bound=bare[index],
                    bound_name=BOUND,
                )
            )
    return figures


async def _measured(crowd: Crowd, count: int) -> tuple[float, float, float]:
    """(p50 ms, p99 ms) at a steady pace, then messages a second when all come at once."""
    numbers = iter(range(10**9))
    await _all_at_once(crowd, [next(numbers) for _ in range(PEOPLE)])  # contacts are made
    said: dict[int, float] = {}
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            number = next(numbers)
            said[number] = time.monotonic()
            group.create_task(crowd.say(number))
            await asyncio.sleep(PACE_SECONDS)
    heard = await _answers(crowd, set(said))
    waits = sorted((heard[number] - at) * 1000 for number, at in said.items())
    seconds = await _all_at_once(crowd, [next(numbers) for _ in range(count)])
    p99 = waits[min(len(waits) - 1, int(len(waits) * 0.99))]
    return statistics.median(waits), p99, count / seconds


async def _all_at_once(crowd: Crowd, numbers: list[int]) -> float:
    """Seconds until the last of them was answered."""
    limit = asyncio.Semaphore(16)

    async def say(number: int) -> None:
        async with limit:
            await crowd.say(number)

    began = time.monotonic()
    await asyncio.gather(*map(say, numbers))
    heard = await _answers(crowd, set(numbers))
    return max(heard[number] for number in numbers) - began


async def _answers(crowd: Crowd, numbers: set[int]) -> dict[int, float]:
    ends_at = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < ends_at:
        heard = crowd.heard()
        if numbers <= heard.keys():
            return heard
        await asyncio.sleep(0.02)
    raise SystemExit(f"{len(numbers - crowd.heard().keys())} answers did not come")


# --- what is measured


@asynccontextmanager
async def _channel(stage: Stage, channel: str) -> AsyncIterator[Crowd]:
    """Gateway and worker in processes of their own, with one channel of a bot that echoes."""
    database = f"bench_channels_{channel}"
    await stage.make_database(database)
    port = _free_port()
    gateway = f"http://127.0.0.1:{port}"
    environment = stage.environment(
        database,
        CAIRN_PUBLIC_BASE_URL=gateway,
        CAIRN_LIMITS__CHAT_PER_SECOND="0",
        CAIRN_LIMITS__SESSIONS_PER_MINUTE="0",
    )
    async with (
        child((*CAIRN, "serve", "--port", str(port)), environment),
        child((*CAIRN, "worker"), environment),
    ):
        opened = _web(stage, database, gateway)
        if channel != "web":
            opened = _on_platform(stage, database, channel, gateway)
        async with opened as crowd:
            yield crowd


@asynccontextmanager
async def _on_platform(
    stage: Stage, database: str, channel: str, gateway: str
) -> AsyncIterator[Crowd]:
    async with platform(channel) as (crowd, how), stage.runtime(database) as runtime:
        creator = await add_creator(runtime.database, "bench")
        adapter = runtime.channels[channel]
        account = await runtime.accounts.add(creator.id, adapter, name="bench", bot="echo", **how)
        crowd.emulator.connect(webhook(gateway, account))
        yield crowd


@asynccontextmanager
async def _web(stage: Stage, database: str, gateway: str) -> AsyncIterator[Crowd]:
    async with stage.runtime(database) as runtime:
        creator = await add_creator(runtime.database, "bench")
        account = await runtime.accounts.add(
            creator.id,
            runtime.channels["web"],
            name="bench",
            bot="echo",
            credentials={},
            settings={},
        )
    limits = httpx.Limits(max_connections=None)
    async with (
        httpx.AsyncClient(limits=limits, trust_env=False) as client,
        asyncio.TaskGroup() as streams,
    ):
        crowd = WebCrowd(client=client, chat_url=f"{gateway}/chat/{account.route_key}")
        listening = streams.create_task(_held_open(crowd))
        while not crowd.is_open:
            await asyncio.sleep(0.02)
        yield crowd
        listening.cancel()


async def _held_open(crowd: WebCrowd) -> None:
    async with asyncio.TaskGroup() as group:
        await crowd.open(group)


@asynccontextmanager
async def _relay() -> AsyncIterator[Crowd]:
    """Telegram's webhook and its answer with nothing in between."""
    emulator = TelegramEmulator()
    async with (
        serving(emulator, lifespan="off") as api,
        httpx.AsyncClient(trust_env=False) as client,
    ):

        async def answer(request: Request) -> Response:
            message = (await request.json())["message"]
            reply = {"chat_id": message["chat"]["id"], "text": message["text"]}
            await client.post(f"{api}/bot{emulator.token}/sendMessage", json=reply)
            return Response()

        app = Starlette(routes=[Route("/", answer, methods=["POST"])])
        async with serving(app) as url:
            emulator.connect(url + "/")
            yield PlatformCrowd(
                emulator=emulator, who=lambda n: {"chat": 10_000 + n}, text_field="text"
            )
            await emulator.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
