"""Consent over REST: what stands, how it came about, and whose word counts."""

from typing import Any

import pytest

from core.runtime import Runtime
from tests.core.api.conftest import Tenant, Visitor, drain

SAID = {"text": "signed the form at the front desk", "at": "2026-05-04T10:00:00+02:00"}


async def says(runtime: Runtime, ada: Tenant, visitor: Visitor, text: str, number: int = 1) -> None:
    await visitor.post({"id": f"0190a1b2-0000-7000-8000-00000000000{number}", "text": text})
    await drain(runtime, ada.id, visitor.conversation_id)


async def path_of(ada: Tenant) -> str:
    contact = (await ada.api.get("/api/v1/contacts")).json()["items"][0]
    return f"/api/v1/contacts/{contact['id']}/consents"


async def change(ada: Tenant, path: str, action: str, *purposes: str, **extra: Any) -> Any:
    body = {"channel_id": ada.web["id"], "action": action, "purposes": purposes, "evidence": SAID}
    return await ada.api.post(path, json=body | extra)


def states(body: Any) -> dict[str, str]:
    return {one["purpose"]: one["state"] for one in body["current"]}


async def test_what_a_first_message_agrees_to_is_shown_with_its_message(
    runtime: Runtime, ada: Tenant, visitor: Visitor
) -> None:
    await says(runtime, ada, visitor, "hello")
    await says(runtime, ada, visitor, "hello again", 2)
    body = (await ada.api.get(await path_of(ada))).json()
    assert states(body) == {"coaching": "granted", "reminder": "granted"}
    events = body["events"]["items"]
    assert {(one["source"], one["action"], one["scope"]) for one in events} == {
        ("start", "granted", "web/coach")
    }
    async with runtime.database.transaction(ada.id) as connection:
        first = await connection.fetchval("SELECT id FROM app.messages ORDER BY seq LIMIT 1")
    assert {one["evidence"]["message_id"] for one in events} == {str(first)}
    assert len(events) == 2


async def test_a_team_notes_what_was_said_elsewhere(
    runtime: Runtime, ada: Tenant, visitor: Visitor
) -> None:
    await says(runtime, ada, visitor, "hello")
    path = await path_of(ada)
    granted = await change(ada, path, "granted", "broadcast")
    assert granted.status_code == 201, granted.text
    assert states(granted.json())["broadcast"] == "granted"
    event = granted.json()["events"]["items"][0]
    assert (event["source"], event["evidence"]["text"]) == ("api", SAID["text"])
    assert (event["actor"].split(":")[0], event["at"]) == ("api_key", "2026-05-04T08:00:00Z")
    withdrawn = await change(ada, path, "withdrawn", "broadcast")
    assert states(withdrawn.json())["broadcast"] == "refused"
    # What the team noted, the team may correct.
    assert (await change(ada, path, "granted", "broadcast")).status_code == 201


@pytest.mark.parametrize("said", ["STOP", "/stop broadcast"])
async def test_what_a_person_refused_only_they_take_back(
    runtime: Runtime, ada: Tenant, visitor: Visitor, said: str
) -> None:
    await says(runtime, ada, visitor, "hello")
    await says(runtime, ada, visitor, said, 2)
    path = await path_of(ada)
    response = await change(ada, path, "granted", "broadcast")
    assert (response.status_code, response.json()["code"]) == (409, "conflict")
    assert "broadcast" not in {
        one["purpose"]
        for one in (await ada.api.get(path)).json()["current"]
        if one["state"] == "granted"
    }


async def test_a_stop_by_telephone_counts_like_one_by_word(
    runtime: Runtime, ada: Tenant, visitor: Visitor
) -> None:
    await says(runtime, ada, visitor, "hello")
    path = await path_of(ada)
    body = (await change(ada, path, "withdrawn", "*")).json()
    assert states(body) == {"*": "refused", "coaching": "granted", "reminder": "granted"}
    shown = (await ada.api.get(path.removesuffix("/consents"))).json()
    assert shown["identities"][0]["opted_out_at"] is not None
    assert (await change(ada, path, "granted", "coaching")).status_code == 201
    shown = (await ada.api.get(path.removesuffix("/consents"))).json()
    assert shown["identities"][0]["opted_out_at"] is None


async def test_events_are_paged(runtime: Runtime, ada: Tenant, visitor: Visitor) -> None:
    await says(runtime, ada, visitor, "hello")
    path, seen, cursor = await path_of(ada), [], None
    for _ in range(3):
        params = {"limit": 1} | ({"cursor": cursor} if cursor else {})
        page = (await ada.api.get(path, params=params)).json()["events"]
        seen += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert (len(seen), cursor) == (2, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"purposes": []},
        {"purposes": ["*"]},
        {"purposes": ["Big Sale"]},
        {"evidence": {"text": ""}},
        {"evidence": {"text": "they said so", "at": "2999-01-01T00:00:00Z"}},
        {"evidence": {"text": "they said so", "at": "2026-01-01T00:00:00"}},
        {"action": "revoked"},
        {"creator_id": "x"},
    ],
    ids=["none", "all", "no slug", "no evidence", "future", "no zone", "action", "unknown"],
)
async def test_what_proves_nothing_is_refused(
    runtime: Runtime, ada: Tenant, visitor: Visitor, wrong: dict[str, Any]
) -> None:
    await says(runtime, ada, visitor, "hello")
    action, extra = wrong.get("action", "granted"), {
        k: v for k, v in wrong.items() if k != "action"
    }
    response = await change(ada, await path_of(ada), action, "broadcast", **extra)
    assert response.status_code == 422, response.text


async def test_another_creators_contact_and_channel_are_not_found(
    runtime: Runtime, ada: Tenant, bob: Tenant, visitor: Visitor
) -> None:
    await says(runtime, ada, visitor, "hello")
    path = await path_of(ada)
    assert (await bob.api.get(path)).status_code == 404
    assert (await change(bob, path, "granted", "broadcast")).status_code == 404
    foreign = await change(ada, path, "granted", "broadcast", channel_id=bob.web["id"])
    assert foreign.status_code == 404
