"""Documents over REST: accepted at once, read by a worker, followed as events, within a quota."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from core.api.resources.knowledge_events import read_moment
from core.api.streams import MAX_PER_CONVERSATION
from core.runtime import Runtime
from shared.errors import AppError
from tests.core.api.conftest import Tenant, visit
from tests.core.rag import files
from tests.waiting import eventually

DOCUMENTS = "/api/v1/knowledge/documents"
EVENTS = "/api/v1/knowledge/events"
BOOK = files.pdf(["Habits\nStart small.", "Sleep\nKeep one bedtime."], outline=[("Sleep", 1)])


async def upload(tenant: Tenant, data: bytes, name: str = "file.bin") -> httpx.Response:
    return await tenant.api.post(DOCUMENTS, files={"file": (name, data)})


async def work(runtime: Runtime, tenant: Tenant, document_id: str) -> dict[str, Any]:
    """What a worker does with a document, and how it is shown then."""
    with suppress(AppError):
        await runtime.knowledge.ingest(tenant.id, UUID(document_id))
    shown: dict[str, Any] = (await tenant.api.get(f"{DOCUMENTS}/{document_id}")).json()
    return shown


KINDS = {
    "pdf": (BOOK, "application/pdf"),
    "docx": (files.docx([(1, "Sleep"), (0, "Keep one bedtime.")]), "application/vnd.openxml"),
    "html": (b"<!doctype html><h1>Sleep</h1><p>Keep one bedtime.", "text/html"),
    "faq": (b"question,answer\nSleep?,Keep one bedtime.", "text/csv"),
    "old text": ("Schlaf: für später – bedtime über alles schön.".encode("cp1252"), "text/plain"),
    "md": (b"# Sleep\n\nKeep one bedtime.", "text/markdown"),
}


async def test_a_version_that_cannot_be_read_makes_the_one_before_stale(
    runtime: Runtime, ada: Tenant
) -> None:
    for data in (BOOK, BOOK[:-60]):
        added = await runtime.knowledge.add_document(
            ada.id, title="Book", data=data, source_kind="file", source_uri="book.pdf"
        )
        shown = await work(runtime, ada, str(added.id))
    stands = (shown["status"], shown["is_stale"], shown["error_code"])
    assert stands == ("ready", True, "unreadable_document")
    assert shown["error"]
    found = await ada.api.post("/api/v1/knowledge/search", json={"query": "bedtime"})
    assert "bedtime" in found.json()["passages"][0]["text"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_file_of_any_kind_becomes_searchable(
    runtime: Runtime, ada: Tenant, kind: str
) -> None:
    data, media_type = KINDS[kind]
    added = await upload(ada, data, "misleading.exe")
    assert (added.status_code, added.json()["status"]) == (202, "pending"), added.text
    shown = await work(runtime, ada, added.json()["id"])
    assert (shown["status"], shown["progress"], shown["error_code"]) == ("ready", 1.0, None)
    assert shown["media_type"].startswith(media_type)
    found = await ada.api.post("/api/v1/knowledge/search", json={"query": "bedtime"})
    best = found.json()["passages"][0]
    assert "bedtime" in best["text"]
    assert best["page"] == (2 if kind == "pdf" else None)
    assert shown["pages"] == (2 if kind == "pdf" else None)


async def test_a_citation_opens_at_its_page(
    runtime: Runtime, ada: Tenant, client: httpx.AsyncClient
) -> None:
    added = await upload(ada, BOOK)
    await work(runtime, ada, added.json()["id"])
    found = await ada.api.post("/api/v1/knowledge/search", json={"query": "bedtime"})
    visitor = await visit(client, ada.route)
    path = f"/chat/{ada.route}/passages/{found.json()['passages'][0]['chunk_id']}"
    opened = (await client.get(path, headers=visitor.headers)).json()
    assert (opened["page"], opened["heading"]) == (2, "Sleep")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (files.pdf(["x"], encrypted=True), "encrypted"),
        (files.laughing_docx(), "too_complex"),
        (files.archive({"word/document.xml": bytes(51 * 2**20)}), "too_complex"),
        (BOOK[:-50], "unreadable_document"),
        (files.pdf([""]), "no_text"),
    ],
    ids=["encrypted", "laughs", "bomb", "cut", "no text"],
)
async def test_what_cannot_be_read_says_why_and_may_be_sent_again(
    runtime: Runtime, ada: Tenant, data: bytes, code: str
) -> None:
    added = await upload(ada, data)
    assert added.status_code == 202, added.text
    shown = await work(runtime, ada, added.json()["id"])
    assert (shown["status"], shown["error_code"], shown["chunk_count"]) == ("failed", code, 0)
    assert "Traceback" not in shown["error"]
    again = (await upload(ada, data)).json()
    assert again == {"id": added.json()["id"], "status": "pending", "created": False}


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(99), 422, "unsupported_media_type"),
        (b"", 422, "no_text"),
        (b"\xef\xbb\xbf \n", 422, "no_text"),
        (b"x" * (10 * 2**20 + 1), 413, "payload_too_large"),
    ],
    ids=["png", "empty", "blank", "11 MB"],
)
async def test_what_is_plainly_wrong_is_refused_at_once(
    ada: Tenant, data: bytes, status: int, code: str
) -> None:
    refused = await upload(ada, data, "notes.md")
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert (await ada.api.get(DOCUMENTS)).json()["items"] == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"url": "http://127.0.0.1/"}, "url_not_public"),
        ({"url": "http://[::ffff:10.0.0.1]/"}, "url_not_public"),
        ({"url": "http://2130706433/"}, "url_not_public"),
        ({"url": "http://user:pass@example.org/"}, "url_not_public"),
        ({"url": "http://example.org:6379/"}, "url_not_public"),
        ({"url": "ftp://example.org/"}, "bad_url"),
        ({"url": "http://example.org/", "text": "both"}, "invalid_input"),
        ({"url": ""}, "invalid_input"),
        ({"url": 7}, "invalid_input"),
    ],
    ids=str,
)
async def test_an_address_in_our_network_is_refused(
    ada: Tenant, body: dict[str, Any], code: str
) -> None:
    refused = await ada.api.post(DOCUMENTS, json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, code), refused.text
    assert "user:pass" not in refused.text


async def test_a_page_that_is_away_fails_and_may_be_tried_again(
    runtime: Runtime, ada: Tenant
) -> None:
    body = {"url": "http://coach.invalid/page#part", "title": "Page"}
    added = await ada.api.post(DOCUMENTS, json=body)
    assert added.status_code == 202, added.text
    shown = await work(runtime, ada, added.json()["id"])
    assert (shown["status"], shown["error_code"]) == ("failed", "url_unreachable")
    assert (shown["title"], shown["source_uri"]) == ("Page", "http://coach.invalid/page")
    again = (await ada.api.post(DOCUMENTS, json=body)).json()
    assert again == {"id": shown["id"], "status": "pending", "created": False}


async def test_a_full_quota_is_a_problem(runtime: Runtime, ada: Tenant, bob: Tenant) -> None:
    runtime.knowledge._intake._quota = type(runtime.knowledge._intake._quota)(documents=1)
    assert (await upload(ada, b"One.", "a.txt")).status_code == 202
    refused = await upload(ada, BOOK)
    assert (refused.status_code, refused.json()["code"]) == (429, "knowledge_quota")
    assert int(refused.headers["retry-after"]) > 60
    assert (await upload(ada, b"One.", "a.txt")).json()["created"] is False
    assert (await upload(bob, b"One.", "a.txt")).status_code == 202


async def _lines(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """The documents of a stream; `id` is the event's."""
    number = ""
    async for line in response.aiter_lines():
        if line.startswith("id: "):
            number = line[4:]
        if line.startswith("data: "):
            yield json.loads(line[6:]) | {"event_id": number}


@asynccontextmanager
async def following(
    base_url: str, tenant: Tenant, **headers: str
) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    sent = {"Authorization": f"Bearer {tenant.api_key}", **headers}
    async with (
        httpx.AsyncClient(base_url=base_url, timeout=20) as client,
        client.stream("GET", EVENTS, headers=sent) as response,
    ):
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield _lines(response)


async def test_changes_are_events(
    runtime: Runtime, base_url: str, ada: Tenant, bob: Tenant
) -> None:
    waiting = (await upload(ada, BOOK)).json()["id"]
    await upload(bob, b"Bob's own words.", "bob.txt")
    async with following(base_url, ada) as events:
        first = await anext(events)
        assert (first["id"], first["status"]) == (waiting, "pending")
        await work(runtime, ada, waiting)
        seen = [first]
        while seen[-1]["status"] != "ready":
            seen.append(await anext(events))
        assert {one["id"] for one in seen} == {waiting}
        assert (seen[-1]["progress"], seen[-1]["pages"]) == (1.0, 2)
    await ada.api.delete(f"{DOCUMENTS}/{waiting}")
    other = (await upload(ada, b"More words.", "more.txt")).json()["id"]
    async with following(base_url, ada, **{"Last-Event-ID": seen[-1]["event_id"]}) as events:
        assert (await anext(events))["id"] == other


async def test_streams_are_bounded_and_end_with_the_gateway(
    app: FastAPI, base_url: str, ada: Tenant
) -> None:
    slots = app.state.streams
    sent = {"Authorization": f"Bearer {ada.api_key}"}
    async with httpx.AsyncClient(base_url=base_url, timeout=20, headers=sent) as client:
        open_ = [
            await client.send(client.build_request("GET", EVENTS), stream=True)
            for _ in range(MAX_PER_CONVERSATION)
        ]
        await eventually(lambda: slots.open_count == MAX_PER_CONVERSATION)
        refused = await client.get(EVENTS)
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        slots.close_all()
        for response in open_:
            await response.aread()
    await eventually(lambda: slots.open_count == 0)


async def test_a_stranger_follows_nothing(client: httpx.AsyncClient) -> None:
    assert (await client.get(EVENTS)).status_code == 401


@pytest.mark.parametrize("value", ["", "x", "-5", "9" * 40, "1e9", "٣"])
def test_a_garbage_event_id_is_none(value: str) -> None:
    assert read_moment(value) is None
