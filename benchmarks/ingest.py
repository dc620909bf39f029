"""What reading documents costs those who ask meanwhile, and how fast passages come of them.

A book of 300 pages, a bomb of 50 MB and 5,000 answers are uploaded at once, while a steady trickle
of requests goes to the gateway; the bound is the same trickle before, with nothing else to do.
"""

import asyncio
import json
import time
from typing import Any

import httpx

from benchmarks.report import Figure
from benchmarks.stage import CAIRN, Stage, child
from core.creators import add_creator
from tests.core.rag import files

DATABASE = "bench_ingest"
DOCUMENTS = "/api/v1/knowledge/documents"
DEADLINE_SECONDS = 300.0
PER_SECOND = 20.0
POLL_SECONDS = 0.25
BOMB_BYTES = 60 * 2**20
AIM = 200.0  # chunks a second
SEARCH = {"query": "How do I keep a habit that I began in spring?", "k": 5}


async def run(stage: Stage) -> list[Figure]:
    await stage.make_database(DATABASE)
    async with stage.runtime(DATABASE) as runtime:
        creator = await add_creator(runtime.database, "bench")
    environment = stage.environment(DATABASE, CAIRN_LIMITS__API_PER_SECOND="0")
    async with (
        child((*CAIRN, "serve", "--port", "0"), environment) as address,
        child((*CAIRN, "worker"), environment),
        httpx.AsyncClient(
            base_url=address,
            timeout=60,
            # Shorter than the server's, so that none is closed just as it is used again.
            limits=httpx.Limits(keepalive_expiry=2.0),
            headers={"Authorization": f"Bearer {creator.api_key}"},
        ) as client,
    ):
        await _ready(client, [await _upload(client, files.faq(200))])
        await _trickle(client, seconds=2.0)
        idle = await _trickle(client, seconds=3.0 if stage.quick else 20.0)
        began = time.perf_counter()
        ids = [await _upload(client, data) for data in _uploads(stage.quick)]
        async with asyncio.TaskGroup() as group:
            done = group.create_task(_ready(client, ids))
            busy = await _trickle(client, until=done)
        shown = done.result()
        seconds = time.perf_counter() - began
    return _figures(idle, busy, shown, seconds)


def _uploads(quick: bool) -> list[bytes]:
    pages, pairs = (60, 500) if quick else (300, 5000)
    bomb = files.archive({"word/document.xml": bytes(BOMB_BYTES)})
    return [files.book(pages), bomb, files.faq(pairs)]


async def _upload(client: httpx.AsyncClient, data: bytes) -> str:
    response = await client.post(DOCUMENTS, files={"file": ("upload", data)})
    response.raise_for_status()
    return str(response.json()["id"])


async def _ready(client: httpx.AsyncClient, ids: list[str]) -> list[dict[str, Any]]:
    """Wait until each document is ready or failed."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            shown = [(await client.get(f"{DOCUMENTS}/{one}")).json() for one in ids]
            if all(one["status"] in ("ready", "failed") for one in shown):
                return shown
            await asyncio.sleep(POLL_SECONDS)


_Times = dict[str, list[float]]


async def _trickle(
    client: httpx.AsyncClient, *, seconds: float = 0.0, until: "asyncio.Task[Any] | None" = None
) -> _Times:
    """Milliseconds of requests that are sent on time, however long those before them take."""
    times: _Times = {"/healthz": [], "search": []}
    began, number = time.perf_counter(), 0
    async with asyncio.TaskGroup() as group:
        while not (until.done() if until else time.perf_counter() - began >= seconds):
            name = "search" if number % 2 else "/healthz"
            group.create_task(_ask(client, name, times[name]))
            number += 1
            await asyncio.sleep(max(0.0, began + number / PER_SECOND - time.perf_counter()))
    return times


async def _ask(client: httpx.AsyncClient, name: str, times: list[float]) -> None:
    began = time.perf_counter()
    if name == "search":
        response = await client.post("/api/v1/knowledge/search", json=SEARCH)
    else:
        response = await client.get(name)
    response.raise_for_status()
    times.append((time.perf_counter() - began) * 1000)


def _figures(
    idle: _Times, busy: _Times, shown: list[dict[str, Any]], seconds: float
) -> list[Figure]:
    book, bomb, faq = shown
    states = [one["status"] for one in (book, faq)]
    if states != ["ready", "ready"] or bomb["error_code"] != "too_complex":
        raise SystemExit(f"unexpected: {json.dumps(shown)}")
    latencies = [
        Figure(
            name=f"{name}, {label} while documents are read",
            value=_percentile(busy[name], share),
            unit="ms",
            bound=_percentile(idle[name], share),
            bound_name="the same with nothing else to do",
        )
        for name in busy
        for label, share in (("p50", 0.5), ("p99", 0.99))
    ]
    chunks = book["chunk_count"] + faq["chunk_count"]
    rate = Figure(
        name="passages made of a book, a bomb and a FAQ, from upload to ready",
        value=chunks / seconds,
        unit="/s",
        bound=AIM,
        bound_name="the aim",
        at_least=1.0,
    )
    return [*latencies, rate]


def _percentile(times: list[float], share: float) -> float:
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
