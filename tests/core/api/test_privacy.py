"""Exports, erasures and quotas over REST."""

import hashlib
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from core.runtime import Runtime
from shared.models import policies
from tests.core.api.conftest import Tenant, Visitor, visit


async def contact_of(tenant: Tenant) -> dict[str, Any]:
    items: list[dict[str, Any]] = (await tenant.api.get("/api/v1/contacts")).json()["items"]
    return items[0]


async def check_files(tenant: Tenant, path: str, files: list[dict[str, Any]]) -> None:
    for file in files:
        read = await tenant.api.get(f"{path}/files/{file['name']}")
        assert hashlib.sha256(read.content).hexdigest() == file["sha256"]
        assert len(read.content) == file["bytes"]


async def test_an_export_is_asked_for_followed_and_read(
    runtime: Runtime, ada: Tenant, bob: Tenant, visitor: Visitor
) -> None:
    await visitor.post({"id": str(uuid4()), "text": "a secret of mine"})
    contact = await contact_of(ada)
    asked = await ada.api.post(f"/api/v1/contacts/{contact['id']}/export")
    assert (asked.status_code, asked.json()["state"]) == (202, "waiting")
    path = f"/api/v1/exports/{asked.json()['id']}"
    assert (await ada.api.get(f"{path}/files/contact.json")).status_code == 404
    await runtime.privacy.export(ada.id, UUID(asked.json()["id"]))
    done = (await ada.api.get(path)).json()
    assert (done["state"], done["rows"]["messages"]) == ("done", 2)
    await check_files(ada, path, done["files"])
    assert b"a secret of mine" in (await ada.api.get(f"{path}/files/messages.csv")).content
    listed = (await ada.api.get("/api/v1/exports")).json()["items"]
    assert [one["id"] for one in listed] == [done["id"]]
    for url in (path, f"{path}/files/contact.json"):
        assert (await bob.api.get(url)).status_code == 404


async def test_an_erasure_is_confirmed_and_followed(
    runtime: Runtime, ada: Tenant, bob: Tenant, visitor: Visitor, client: httpx.AsyncClient
) -> None:
    contact = await contact_of(ada)
    path = f"/api/v1/contacts/{contact['id']}"
    assert (await bob.api.post(f"{path}/erase", json={"confirm": contact["id"]})).status_code == 404
    wrong = await ada.api.post(f"{path}/erase", json={"confirm": "me"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "not_confirmed")
    asked = await ada.api.post(f"{path}/erase", json={"confirm": contact["id"]})
    assert asked.status_code == 202
    await runtime.privacy.erase(ada.id, UUID(asked.json()["id"]))
    done = (await ada.api.get(f"/api/v1/erasures/{asked.json()['id']}")).json()
    assert (done["state"], done["left"], done["counts"]["contacts"]) == ("done", {}, 1)
    assert (await ada.api.get(path)).status_code == 404
    assert (await bob.api.get(f"/api/v1/erasures/{done['id']}")).status_code == 404
    assert len((await ada.api.get("/api/v1/erasures")).json()["items"]) == 1


async def test_a_page_that_was_open_begins_a_new_session(
    runtime: Runtime, ada: Tenant, visitor: Visitor, client: httpx.AsyncClient
) -> None:
    """Its token names a conversation that is gone: what it sends is kept, and it is told."""
    contact = await contact_of(ada)
    asked = await ada.api.delete(f"/api/v1/contacts/{contact['id']}")
    assert asked.status_code == 202
    await runtime.privacy.erase(ada.id, UUID(asked.json()["id"]))
    words = {"id": str(uuid4()), "text": "Still there?"}
    assert (await visitor.post(words)).status_code == 401
    renewed = await client.post(f"/chat/{ada.route}/sessions", json={}, headers=visitor.headers)
    visitor.token = renewed.json()["token"]
    assert (await visitor.post(words)).status_code == 202
    assert [m["text"] for m in await visitor.messages()] == ["Still there?"]
    assert (await contact_of(ada))["id"] != contact["id"]


@pytest.mark.parametrize("body", [{}, {"confirm": ""}, {"confirm": "x", "more": 1}])
async def test_an_erasure_without_a_word_is_refused(ada: Tenant, body: dict[str, Any]) -> None:
    refused = await ada.api.post(f"/api/v1/contacts/{uuid4()}/erase", json=body)
    assert refused.status_code == 422


async def test_quotas_are_shown_beside_what_was_counted(
    runtime: Runtime, ada: Tenant, bob: Tenant
) -> None:
    async with runtime.database.transaction(ada.id) as db:
        await policies.write(db, ada.id, {"quotas": {"sends": {"soft": 0, "hard": 5}}}, 0)
    report = (await ada.api.get("/api/v1/usage")).json()
    assert report["quotas"]["sends"] == {"used": 0, "soft": 0, "hard": 5, "state": "soft"}
    assert set(report["quotas"]) == {"messages", "tokens", "sends", "storage"}
    assert (await bob.api.get("/api/v1/usage")).json()["quotas"]["sends"]["state"] == "ok"


async def test_a_new_visitor_is_unaffected(client: httpx.AsyncClient, ada: Tenant) -> None:
    first = await visit(client, ada.route)
    second = await visit(client, ada.route)
    assert first.conversation_id != second.conversation_id
