"""Durable accepts: the Telegram webhook through the real gateway, beside the bare statements."""

import os
import statistics
import sys
from typing import Any

from benchmarks.report import Figure
from benchmarks.stage import CAIRN, Stage, answer_of, child
from core.creators import add_creator
from shared.settings import DatabaseSettings

DATABASE = "bench_accept"
TOKEN = "123456:BENCHMARK-TOKEN-00000000000000000000"
SECRET = "benchmark"
CHATS = 200
CONNECTIONS = 16
ROUNDS = 3

LOAD = (sys.executable, "-m", "benchmarks.load")
BARE = (sys.executable, "-m", "benchmarks.bare")
Report = dict[str, Any]


async def run(stage: Stage) -> list[Figure]:
    await stage.make_database(DATABASE)
    async with stage.runtime(DATABASE) as runtime:
        creator = await add_creator(runtime.database, "bench")
        account = await runtime.accounts.add(
            creator.id,
            runtime.channels["telegram"],
            name="bench",
            bot="echo",
            credentials={"bot_token": TOKEN, "secret_token": SECRET},
            settings={},
        )
    path = f"/webhooks/telegram/{account.route_key}"
    bare_environment = dict(os.environ) | {
        "BARE_URL": stage.url(DATABASE),
        "BARE_CREATOR": str(creator.id),
        "BARE_CHANNEL": str(account.channel_id),
        "BARE_POOL": str(DatabaseSettings().pool_size),
    }
    serve = (*CAIRN, "serve", "--port", "0")
    limited = stage.environment(DATABASE, CAIRN_LIMITS__WEBHOOK_PER_SECOND="1000000")
    async with (
        child(serve, stage.environment(DATABASE)) as gateway,
        child(serve, limited) as limiting,
    ):
        numbers = iter(range(0, 10**9, 10**6))
        # The first messages make contacts and conversations, which is not what is measured.
        await load(gateway + path, next(numbers), CHATS * 2)
        await load(limiting + path, next(numbers), CHATS)
        async with child(BARE, bare_environment) as bare:
            urls = {"gateway": gateway + path, "limiter on": limiting + path, "bare": bare}
            reports = await _rounds(urls, numbers, 500 if stage.quick else 2000)
    return _figures(reports)


async def _rounds(urls: dict[str, str], numbers: Any, count: int) -> dict[str, list[Report]]:
    """In turns, so that a noisy moment of the machine hits all of them."""
    reports: dict[str, list[Report]] = {name: [] for name in urls}
    for url in urls.values():
        await load(url, next(numbers), 300)
    for _ in range(ROUNDS):
        for name, url in urls.items():
            reports[name].append(await load(url, next(numbers), count))
    return reports


async def load(url: str, first: int, count: int) -> Report:
    order = {
        "url": url,
        "secret": SECRET,
        "first": first,
        "count": count,
        "chats": CHATS,
        "connections": CONNECTIONS,
    }
    report = await answer_of(LOAD, order)
    if report["refused"]:
        raise SystemExit(f"{report['refused']} of {count} requests were refused")
    return report


def _figures(reports: dict[str, list[Report]]) -> list[Figure]:
    def middle(name: str, key: str) -> float:
        return statistics.median(float(report[key]) for report in reports[name])

    bare = "three statements, bare asyncpg"
    rates = [
        Figure(
            name=f"durable accepts, {name}",
            value=middle(name, "per_second"),
            unit="/s",
            bound=middle("bare", "per_second"),
            bound_name=bare,
            at_least=0.5,
        )
        for name in ("gateway", "limiter on")
    ]
    times = [
        Figure(
            name=f"accept {key[:3]} at {CONNECTIONS} connections",
            value=middle("gateway", key),
            unit="ms",
            bound=middle("bare", key),
            bound_name=bare,
        )
        for key in ("p50_ms", "p99_ms")
    ]
    return [*rates, *times]
