"""One creator's words in every field, another creator's flows: none of the words is met there."""

import logging
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import chromadb
import httpx
import pytest
import redis.asyncio as redis_client
import structlog

from adapters.telegram.emulator import TelegramEmulator
from core.api.app import schema_app
from core.llm.emulator import OllamaEmulator
from core.runtime import Runtime, open_runtime
from shared import telemetry
from shared.settings import LimitSettings, OllamaSettings, Settings, TelemetrySettings
from tests.apps import quick, working
from tests.core.cli.conftest import Cairn, cairn
from tests.core.rag.files import pdf
from tests.databases import DatabaseUrls
from tests.gateway import new_gateway
from tests.serving import serving
from tests.tenancy.canaries import TOPIC, Canaries, Guest, School, fill, new_school

TENANT = re.compile(r"^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}:")
LISTS = [
    path.removeprefix("/api/v1/")
    for path, operations in schema_app().openapi()["paths"].items()
    if path.startswith("/api/v1")
    and "get" in operations
    and "{" not in path
    and not path.endswith("/events")  # has no end
]
PROMPTS = ("prompts", "list", "answer", "--json")
__all__ = ["cairn"]  # the fixture of the command line's own tests
# So slow that its counters are still there when Redis is read, so deep that no flow is refused.
LIMITS = LimitSettings(
    chat_per_second=0.01, chat_burst=100, sessions_per_minute=30, api_per_second=100
)


@dataclass(frozen=True, kw_only=True)
class Town:
    """Two schools on one Cairn, and everything that either may leave a trace in."""

    runtime: Runtime
    http: httpx.AsyncClient
    telegram: TelegramEmulator
    telegram_url: str
    ollama: OllamaEmulator
    log: Path
    a: School
    b: School
    canaries: Canaries


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    file = tmp_path / "cairn.log"
    telemetry.configure(TelemetrySettings(), file=file)
    writing = root.handlers[:]
    yield file
    # A command that ran meanwhile has put its own in their place.
    for handler in {*writing, *root.handlers}:
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
async def town(settings: Settings, log_file: Path) -> AsyncIterator[Town]:
    canaries, ollama, telegram = Canaries(), OllamaEmulator(), TelegramEmulator()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(telegram.close)
        telegram_url = await stack.enter_async_context(serving(telegram, lifespan="off"))
        host = await stack.enter_async_context(serving(ollama.app))
        changed = quick(settings, limits=LIMITS, ollama=OllamaSettings(host=host))
        runtime = await stack.enter_async_context(open_runtime(changed))
        base_url = await stack.enter_async_context(serving(new_gateway(runtime)))
        runtime.settings.public_base_url = base_url
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=base_url, timeout=30))
        await stack.enter_async_context(working(runtime))
        # Idle connections would hold the emulator's shutdown up.
        stack.push_async_callback(runtime.channels["telegram"].close)
        secret = f"111111:{canaries.plant('bot token')}{'a' * 20}"
        a = await new_school(runtime, http, telegram, canaries.plant("creator"), secret)
        b = await new_school(runtime, http, telegram, "Bob", "222222:" + "b" * 36)
        yield Town(
            runtime=runtime,
            http=http,
            telegram=telegram,
            telegram_url=telegram_url,
            ollama=ollama,
            log=log_file,
            a=a,
            b=b,
            canaries=canaries,
        )


async def visit_all(town: Town) -> tuple[Guest, list[Any]]:
    """Everything the second school's people and programs can do; what they were answered."""
    b = town.b
    await b.learns({"Juggling": f"To begin with {TOPIC}, start with one hand and a soft ball."})
    await b.uploads("kites.pdf", pdf(["Kites fly best with a steady wind."]))
    web = await b.opens_web()
    await b.opens_telegram(town.telegram_url)
    guest = Guest(school=b, route=web["route_key"])
    await guest.arrives("Grace")
    for text in (f"How do I begin with {TOPIC}?", "Tell me about kites", "/goals", "/help"):
        await guest.says(text)
    await b.hears(f"How do I begin with {TOPIC}?", chat=501, name="Grace")
    await b.hears("/goals", chat=501, name="Grace")
    await b.settled()
    answers = [await b.api("GET", path) for path in LISTS]
    answers += [await _details(b), await guest.transcript(), await _stream(guest)]
    answers += [await b.api("GET", path) for path in ("prompts/answer", "models/answers")]
    answers.append(await b.api("POST", "prompts/answer/preview", json={}))
    answers.append((await town.http.get("/chat/config", params={"channel": guest.route})).text)
    return guest, answers


async def _details(school: School) -> list[Any]:
    """Each thing of each list, by its id."""
    found = []
    for path in ("channels", "contacts", "conversations", "knowledge/documents"):
        for item in (await school.api("GET", path))["items"]:
            found.append(await school.api("GET", f"{path}/{item['id']}"))
            if path == "conversations":
                found.append(await school.api("GET", f"{path}/{item['id']}/messages"))
    return found


async def _stream(guest: Guest) -> str:
    """The whole conversation as its page reads it."""
    count, read = len(await guest.transcript()), ""
    url = f"/chat/{guest.route}/events"
    async with guest.school.http.stream("GET", url, headers=guest.headers) as response:
        async for text in response.aiter_text():
            read += text
            if read.count("event: message\n") >= count:
                break
    return read


async def test_no_word_of_one_creator_reaches_another(town: Town) -> None:
    await fill(town.a, town.canaries, town.telegram_url)
    asked_before, sent_before = len(town.ollama.requests), len(town.telegram.requests)
    _, answers = await visit_all(town)
    prompts = [request.body for request in town.ollama.requests[asked_before:]]
    sent = [request.params for request in town.telegram.requests[sent_before:]]
    replies = [message.text for message in town.telegram.bots[town.b.bot_token].sent]
    assert town.canaries.found_in(answers, prompts, sent, replies) == []
    # Its own prompt and files do reach the model that the first school asks.
    own = [request.body for request in town.ollama.requests[:asked_before]]
    assert {"prompt", "PDF page", "DOCX text"} <= set(town.canaries.found_in(own))
    # The flows did run: a model was asked with passages, and both channels answered from it.
    assert any("soft ball" in str(prompt.get("messages")) for prompt in prompts)
    assert any("soft ball" in text for text in replies)
    assert len(town.canaries.words) >= 40
    shown = [await town.a.api("GET", path) for path in LISTS]
    assert {"PDF name", "DOCX name", "source", "new space", "migration error"} <= set(
        town.canaries.found_in(shown)
    )


async def test_a_search_for_another_creators_words_finds_none(town: Town) -> None:
    await fill(town.a, town.canaries, town.telegram_url)
    await town.b.learns({"Juggling": f"To begin with {TOPIC}, start with one hand."})
    found = [
        await town.b.api("POST", "knowledge/search", json={"query": query, "k": 50})
        for query in (*town.canaries.words.values(), TOPIC, "kites")
    ]
    for answer in found:
        del answer["query"]  # what the searcher wrote themselves
    assert town.canaries.found_in(found) == []
    assert any(answer["passages"] for answer in found)
    # The owner's own search does find them: the words were planted where searches look.
    for place in ("document", "PDF page", "PDF chapter", "DOCX heading", "DOCX text", "file"):
        query = {"query": town.canaries.words[place], "k": 5}
        own = await town.a.api("POST", "knowledge/search", json=query)
        del own["query"]
        assert {place, "calibration"} <= set(town.canaries.found_in(own))


async def test_logs_metrics_and_redis_hold_no_text_of_anybody(
    town: Town, settings: Settings
) -> None:
    await fill(town.a, town.canaries, town.telegram_url)
    await visit_all(town)
    logged = town.log.read_text(encoding="utf-8")
    assert "turn.completed" in logged
    assert town.canaries.found_in(logged) == []
    metrics = (await town.http.get("/metrics")).text
    assert f'creator="{town.a.id}"' in metrics
    assert town.canaries.found_in(metrics) == []
    assert "501" not in re.findall(r'"([^"]*)"', metrics)
    entries = await _redis_entries(settings)
    assert entries
    assert [key for key in entries if not TENANT.match(key)] == []
    assert town.canaries.found_in(entries) == []


async def _redis_entries(settings: Settings) -> dict[str, str]:
    assert settings.redis.url is not None
    client = redis_client.Redis.from_url(settings.redis.url.get_secret_value())
    try:
        keys = [key async for key in client.scan_iter()]
        return {key.decode(): str(await client.dump(key)) for key in keys}
    finally:
        await client.aclose()


async def test_chroma_holds_ids_and_vectors_only(town: Town, settings: Settings) -> None:
    await fill(town.a, town.canaries, town.telegram_url)
    held = await _chroma_records(settings)
    owners = {record["metadata"]["creator_id"] for record in held}
    assert str(town.a.id) in owners
    assert [record for record in held if set(record["metadata"]) != {"creator_id"}] == []
    assert [record for record in held if record["document"] or record["uri"]] == []
    assert town.canaries.found_in(held) == []


async def _chroma_records(settings: Settings) -> list[dict[str, Any]]:
    assert settings.chroma.url is not None
    host, port = settings.chroma.url.removeprefix("http://").split(":")
    client = await chromadb.AsyncHttpClient(host=host, port=int(port))
    records: list[dict[str, Any]] = []
    for collection in await client.list_collections():
        page = await collection.get(include=["documents", "metadatas", "uris"])
        nothing: list[Any] = [None] * len(page["ids"])
        columns = (page["metadatas"] or [], page["documents"] or nothing, page["uris"] or nothing)
        rows = zip(page["ids"], *columns, strict=True)
        records += [
            {"id": id_, "metadata": metadata, "document": document, "uri": uri}
            for id_, metadata, document, uri in rows
        ]
    return records


async def test_the_command_line_shows_one_creator_its_own(
    town: Town, database_urls: DatabaseUrls, cairn: Cairn
) -> None:
    await fill(town.a, town.canaries, town.telegram_url)
    await town.b.opens_web(name="Bob's chat")
    await town.b.learns({"Bob's notes": "Start with one hand."})
    admin = await asyncpg.connect(database_urls.admin)
    await admin.execute("UPDATE app.messages SET status = 'dead' WHERE direction = 'in'")
    await admin.close()
    of_a, of_b = ("--creator", str(town.a.id)), ("--creator", str(town.b.id))
    shown = [
        await _shown(cairn, *command, *of_b)
        for command in (("channels", "list"), ("kb", "list"), ("models", "list"), PROMPTS)
    ]
    assert "Bob's chat" in shown[0]
    assert "Bob's notes" in shown[1]
    none = await cairn("embeddings", "status", *of_b)
    assert "no migration" in str(none.error)
    dead = await _shown(cairn, "dead", "list")
    assert str(town.a.id) in dead
    assert town.canaries.found_in(*shown, none.out, str(none.error), dead) == []
    own = [await _shown(cairn, *command, *of_a) for command in (("kb", "list"), PROMPTS)]
    assert {"title", "prompt note"} <= set(town.canaries.found_in(*own))


async def _shown(cairn: Cairn, name: str, *arguments: str) -> str:
    outcome = await cairn(name, *arguments)
    assert outcome.code == 0, outcome.error
    return outcome.out
