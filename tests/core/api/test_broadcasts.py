"""Broadcasts over REST: tried out, started once, paused, resumed, cancelled; what came of it."""

import asyncio
import itertools
import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from core.programs.broadcasts.plan import PARKED
from core.runtime import Runtime
from tests.core.api.conftest import Tenant
from tests.crowds import add_crowd

EVERYBODY: dict[str, Any] = {"all": []}
NEWS = {"name": "News", "content": {"en": "Hello {name}"}, "filter": EVERYBODY}


@pytest.fixture
async def crowd(runtime: Runtime, ada: Tenant) -> list[UUID]:
    async with runtime.database.transaction(ada.id) as connection:
        return await add_crowd(connection, ada.id, UUID(ada.web["id"]), 20, locale="en")


async def add(ada: Tenant, **changes: Any) -> str:
    response = await ada.api.post("/api/v1/broadcasts", json=NEWS | changes)
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


async def post(ada: Tenant, broadcast_id: str, step: str, status: int = 200) -> dict[str, Any]:
    response = await ada.api.post(f"/api/v1/broadcasts/{broadcast_id}/{step}")
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    return body


async def sends(runtime: Runtime, ada: Tenant) -> list[Any]:
    async with runtime.database.transaction(ada.id) as connection:
        return list(await connection.fetch("SELECT * FROM app.scheduled_sends ORDER BY due_at"))


async def waiting(runtime: Runtime, ada: Tenant) -> list[Any]:
    return [row for row in await sends(runtime, ada) if row["state"] == "waiting"]


async def settle(runtime: Runtime, ada: Tenant, state: str, count: int) -> None:
    """As the scheduler does, for sends that are next."""
    async with runtime.database.transaction(ada.id) as connection:
        await connection.execute(
            "UPDATE app.scheduled_sends SET state = $1, settled_at = now()"
            " WHERE id IN"
            " (SELECT id FROM app.scheduled_sends WHERE state = 'waiting'"
            " ORDER BY due_at LIMIT $2)",
            state,
            count,
        )


async def test_a_broadcast_is_planned_once_for_everybody(
    runtime: Runtime, ada: Tenant, crowd: list[UUID]
) -> None:
    broadcast_id = await add(ada, spread_seconds=190, expires_after="6 hours")
    shown = await post(ada, broadcast_id, "start")
    assert (shown["state"], shown["planned"], shown["progress"]["waiting"]) == ("running", 20, 20)
    assert (await post(ada, broadcast_id, "start"))["planned"] == 20
    rows = await sends(runtime, ada)
    assert {row["contact_id"] for row in rows} == set(crowd)
    assert {row["id"].version for row in rows} == {7}
    gaps = {b["due_at"] - a["due_at"] for a, b in itertools.pairwise(rows)}
    assert gaps == {timedelta(seconds=9.5)}
    assert {row["window_end"] - row["due_at"] for row in rows} == {timedelta(hours=6)}


async def test_two_who_start_at_once_start_it_once(
    runtime: Runtime, ada: Tenant, crowd: list[UUID]
) -> None:
    broadcast_id = await add(ada)
    await asyncio.gather(*(post(ada, broadcast_id, "start") for _ in range(4)))
    assert len(await sends(runtime, ada)) == len(crowd)
    async with runtime.database.transaction(ada.id) as connection:
        noted = await connection.fetchval(
            "SELECT count(*) FROM app.audit_log WHERE action = 'broadcast.started'"
        )
    assert noted == 1


async def test_who_cannot_be_reached_is_told_before_and_takes_no_time(
    runtime: Runtime, ada: Tenant, crowd: list[UUID]
) -> None:
    web = UUID(ada.web["id"])
    async with runtime.database.transaction(ada.id) as connection:
        await add_crowd(connection, ada.id, web, 3, first=2000, agreed=())
        await connection.execute(
            "UPDATE app.contact_identities SET reachable = 'blocked' WHERE contact_id = ANY ($1)",
            crowd[:2],
        )
        await connection.execute(
            "UPDATE app.contact_identities SET opted_out_at = now() WHERE contact_id = ANY ($1)",
            crowd[2:6],
        )
        await connection.execute(
            "INSERT INTO app.contacts (creator_id, id) VALUES ($1, uuidv7())", ada.id
        )
    broadcast_id = await add(ada, spread_seconds=140)
    shown = await post(ada, broadcast_id, "dry-run")
    assert (shown["recipients"], shown["reached"]) == (24, 14)
    assert shown["left_out"] == {
        "unreachable": 2,
        "opted_out": 4,
        "no_consent": 3,
        "no_channel": 1,
    }
    assert shown["seconds"] == 140
    await post(ada, broadcast_id, "start")
    rows = await sends(runtime, ada)
    assert len(rows) == 24
    starts_at = min(row["due_at"] for row in rows)
    reached = sorted(row["due_at"] - starts_at for row in rows if row["contact_id"] in crowd[6:])
    assert reached == [timedelta(seconds=10 * n) for n in range(14)]


async def test_languages_without_a_text_of_theirs_are_named(
    runtime: Runtime, ada: Tenant, crowd: list[UUID]
) -> None:
    async with runtime.database.transaction(ada.id) as connection:
        for first, locale in ((3000, "pt-BR"), (4000, "de")):
            await add_crowd(connection, ada.id, UUID(ada.web["id"]), 2, first=first, locale=locale)
    broadcast_id = await add(ada, content={"en": "Hello", "pt": "Olá"})
    found = {
        one["language"]: one for one in (await post(ada, broadcast_id, "dry-run"))["languages"]
    }
    assert {k: (v["content"], v["recipients"], v["is_missing"]) for k, v in found.items()} == {
        "en": ("en", 20, False),
        "pt": ("pt", 2, False),
        "de": ("en", 2, True),
    }


async def test_pause_puts_what_waits_out_of_sight_and_resume_spreads_it_anew(
    runtime: Runtime, ada: Tenant, crowd: list[UUID]
) -> None:
    broadcast_id = await add(ada, spread_seconds=200)
    await post(ada, broadcast_id, "start")
    await settle(runtime, ada, "sent", 5)
    shown = await post(ada, broadcast_id, "pause")
    assert (shown["state"], shown["progress"]["sent"]) == ("paused", 5)
    assert {row["due_at"] for row in await waiting(runtime, ada)} == {PARKED}
    assert (await post(ada, broadcast_id, "dry-run"))["recipients"] == 15

    before = runtime.clock.now()
    assert (await post(ada, broadcast_id, "resume"))["state"] == "running"
    left = await waiting(runtime, ada)
    assert len(left) == 15
    assert left[0]["due_at"] >= before
    assert left[-1]["due_at"] - left[0]["due_at"] == timedelta(seconds=140)
    assert {row["window_end"] - row["due_at"] for row in left} == {timedelta(days=1)}


async def test_cancel_stops_what_waits_and_keeps_what_was_sent(
    runtime: Runtime, ada: Tenant, crowd: list[UUID]
) -> None:
    broadcast_id = await add(ada)
    await post(ada, broadcast_id, "start")
    await settle(runtime, ada, "sent", 8)
    progress = (await post(ada, broadcast_id, "cancel"))["progress"]
    assert (progress["sent"], progress["cancelled"], progress["waiting"]) == (8, 12, 0)
    assert progress["reasons"] == {"broadcast_cancelled": 12}
    assert (await post(ada, broadcast_id, "cancel"))["state"] == "cancelled"
    await post(ada, broadcast_id, "resume", 409)
    await post(ada, broadcast_id, "start", 409)


async def test_it_is_done_when_nothing_waits(
    runtime: Runtime, ada: Tenant, crowd: list[UUID]
) -> None:
    broadcast_id = await add(ada)
    await post(ada, broadcast_id, "start")
    await settle(runtime, ada, "sent", 20)
    shown = (await ada.api.get(f"/api/v1/broadcasts/{broadcast_id}")).json()
    last = max(row["settled_at"] for row in await sends(runtime, ada))
    assert shown["state"] == "done"
    assert datetime.fromisoformat(shown["finished_at"]) == last
    await post(ada, broadcast_id, "cancel", 409)


async def test_only_a_draft_is_changed_and_only_what_rests_is_deleted(
    ada: Tenant, crowd: list[UUID]
) -> None:
    broadcast_id = await add(ada)
    path = f"/api/v1/broadcasts/{broadcast_id}"
    changed = await ada.api.patch(path, json={"name": "Other", "spread_seconds": 60})
    assert (changed.status_code, changed.json()["name"]) == (200, "Other")
    assert changed.json()["content"]["en"]["text"] == "Hello {name}"
    await post(ada, broadcast_id, "start")
    assert (await ada.api.patch(path, json={"name": "Third"})).status_code == 409
    assert (await ada.api.delete(path)).status_code == 409
    await post(ada, broadcast_id, "cancel")
    assert (await ada.api.delete(path)).status_code == 204
    assert (await ada.api.get(path)).status_code == 404


async def test_an_empty_segment_is_refused_clearly(ada: Tenant) -> None:
    broadcast_id = await add(ada)
    assert (await post(ada, broadcast_id, "dry-run"))["recipients"] == 0
    refused = await post(ada, broadcast_id, "start", 422)
    assert refused["code"] == "segment_empty"
    assert (await ada.api.get(f"/api/v1/broadcasts/{broadcast_id}")).json()["state"] == "draft"


async def test_a_draft_follows_its_segment_until_it_is_started(
    runtime: Runtime, ada: Tenant, crowd: list[UUID]
) -> None:
    nobody = {"field": "tags", "op": "has", "value": "nobody"}
    made = await ada.api.post("/api/v1/segments", json={"name": "All", "filter": nobody})
    segment = made.json()["id"]
    body = {name: value for name, value in NEWS.items() if name != "filter"}
    response = await ada.api.post("/api/v1/broadcasts", json={**body, "segment_id": segment})
    broadcast_id = response.json()["id"]
    await post(ada, broadcast_id, "start", 422)
    await ada.api.patch(f"/api/v1/segments/{segment}", json={"filter": EVERYBODY})
    shown = await post(ada, broadcast_id, "start")
    assert (shown["planned"], shown["filter"]) == (20, EVERYBODY)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"filter": {"field": "tags", "op": "like", "value": "x"}}, id="operator"),
        pytest.param({"filter": {}}, id="filter"),
        pytest.param({"content": {}}, id="no-content"),
        pytest.param({"content": {"en": " \n"}}, id="blank"),
        pytest.param({"content": {"englisch?": "x"}}, id="language"),
        pytest.param({"expires_after": "2 months"}, id="months"),
        pytest.param({"expires_after": "0 days"}, id="no-time"),
        pytest.param({"spread_seconds": -1}, id="spread"),
        pytest.param({"starts_at": "2026-01-01T10:00"}, id="no-offset"),
        pytest.param({"creator_id": "x"}, id="unknown"),
        pytest.param({"content": {"en": "Hello {nmae}"}}, id="misspelt"),
        pytest.param({"content": {"en": "Week {week}"}}, id="week"),
        pytest.param({"content": {"en": "You said {answer:mood}"}}, id="answer"),
    ],
)
async def test_bad_drafts_are_refused(ada: Tenant, changes: dict[str, Any]) -> None:
    response = await ada.api.post("/api/v1/broadcasts", json=NEWS | changes)
    assert response.status_code == 422, response.text


async def test_a_misspelt_placeholder_is_named_in_each_language(ada: Tenant) -> None:
    broadcast_id = await add(ada, content={"en": "{name}, {city}, {attribute:city}, {streak}"})
    content = {"en": "Hello {nmae}", "de": "Hallo {streek}"}
    path = f"/api/v1/broadcasts/{broadcast_id}"
    refused = await ada.api.patch(path, json={"content": content})
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_placeholder")
    for hint in ("content.en.text: {nmae}", "did you mean {name}?", "did you mean {streak}?"):
        assert hint in refused.json()["detail"]


async def test_recipients_are_listed_by_pages_and_state(
    runtime: Runtime, ada: Tenant, crowd: list[UUID]
) -> None:
    broadcast_id = await add(ada)
    await post(ada, broadcast_id, "start")
    await settle(runtime, ada, "skipped", 7)
    path, seen, cursor = f"/api/v1/broadcasts/{broadcast_id}/recipients", [], None
    while True:
        page = (
            await ada.api.get(path, params={"limit": 3, "state": "skipped", "cursor": cursor or ""})
            if cursor
            else await ada.api.get(path, params={"limit": 3, "state": "skipped"})
        ).json()
        seen += [one["contact_id"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 7


async def test_another_creators_broadcast_is_not_there(
    ada: Tenant, bob: Tenant, crowd: list[UUID]
) -> None:
    broadcast_id = await add(ada)
    for step in ("dry-run", "start", "pause", "resume", "cancel"):
        await post(bob, broadcast_id, step, 404)
    assert (await bob.api.get(f"/api/v1/broadcasts/{broadcast_id}/events")).status_code == 404


async def test_whoever_follows_is_told_of_every_change_until_it_is_over(
    app: FastAPI, base_url: str, runtime: Runtime, ada: Tenant, crowd: list[UUID]
) -> None:
    broadcast_id = await add(ada)
    url = f"{base_url}/api/v1/broadcasts/{broadcast_id}/events"
    headers = {"Authorization": f"Bearer {ada.api_key}"}
    seen = []
    async with (
        httpx.AsyncClient(timeout=30) as client,
        client.stream("GET", url, headers=headers) as stream,
    ):
        async for line in stream.aiter_lines():
            if not line.startswith("data: "):
                continue
            shown = json.loads(line.removeprefix("data: "))
            seen.append((shown["state"], shown["progress"]["sent"]))
            if shown["state"] == "draft":
                await post(ada, broadcast_id, "start")
            elif not shown["progress"]["sent"]:
                await settle(runtime, ada, "sent", 20)
    assert seen == [("draft", 0), ("running", 0), ("done", 20)]
