"""The REST API as a creator uses it: channels, knowledge, conversations, keys, paging."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from core.runtime import Runtime
from tests.core.api.conftest import TELEGRAM, Connect, Tenant, Visitor, drain
from tests.waiting import eventually

NEW_CHANNEL = {"type": "telegram", "name": "Bot", "bot": "coach", "credentials": TELEGRAM}

# Fixed: the names of tests must be the same in every process that collects them.
AN_ID = "0b44a3a1-24c8-43dd-9218-835daa79600f"


async def create_channel(tenant: Tenant, **changes: Any) -> dict[str, Any]:
    response = await tenant.api.post("/api/v1/channels", json=NEW_CHANNEL | changes)
    assert response.status_code == 201, response.text
    body: dict[str, Any] = response.json()
    return body


async def test_a_channel_is_created_without_showing_its_secrets(ada: Tenant) -> None:
    created = await create_channel(ada)
    assert created["webhook_url"].endswith(f"/webhooks/telegram/{created['route_key']}")
    assert set(created["credentials"]) == set(TELEGRAM)
    shown = await ada.api.get("/api/v1/channels")
    assert not [secret for secret in TELEGRAM.values() if secret in shown.text]


async def test_credentials_are_stored_encrypted(runtime: Runtime, ada: Tenant) -> None:
    await create_channel(ada)
    async with runtime.database.transaction(ada.id) as connection:
        stored = await connection.fetchval("SELECT string_agg(credentials, ' ') FROM app.channels")
    assert not [secret for secret in TELEGRAM.values() if secret in stored]


async def test_a_web_channel_has_a_page_and_a_widget(ada: Tenant) -> None:
    created = await create_channel(ada, type="web", credentials={})
    assert created["webhook_url"] is None
    assert created["route_key"] in created["page_url"]
    assert created["route_key"] in created["widget"]


async def test_a_change_needs_the_version_that_was_read(ada: Tenant) -> None:
    path = f"/api/v1/channels/{(await create_channel(ada))['id']}"
    tag = (await ada.api.get(path)).headers["etag"]
    first = await ada.api.patch(path, json={"name": "One"}, headers={"If-Match": tag})
    second = await ada.api.patch(path, json={"name": "Two"}, headers={"If-Match": tag})
    assert (first.status_code, second.status_code) == (200, 409)
    assert (await ada.api.get(path)).json()["name"] == "One"


async def test_new_credentials_replace_the_old_ones(runtime: Runtime, ada: Tenant) -> None:
    created = await create_channel(ada)
    changed = TELEGRAM | {"secret_token": "another"}
    response = await ada.api.patch(
        f"/api/v1/channels/{created['id']}", json={"credentials": changed}
    )
    assert response.status_code == 200
    webhook = f"/webhooks/telegram/{created['route_key']}"
    statuses = [
        (await ada.api.post(webhook, json={"update_id": 1}, headers=_secret(token))).status_code
        for token in (TELEGRAM["secret_token"], "another")
    ]
    assert statuses == [401, 200]


def _secret(token: str) -> dict[str, str]:
    return {"X-Telegram-Bot-Api-Secret-Token": token}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"type": "pigeon"}, "bad_type"),
        ({"bot": "nobody"}, "bad_bot"),
        ({"credentials": TELEGRAM | {"colour": "x"}}, "bad_credentials"),
        ({"credentials": {}}, "invalid_input"),
        ({"credentials": TELEGRAM | {"secret_token": "••••••"}}, "masked_value"),
        ({"creator_id": AN_ID}, "invalid_input"),
        ({"name": " "}, "invalid_input"),
        ({"settings": {"api_base_url": "ftp://api.example.org"}}, "bad_api_base_url"),
        ({"settings": {"api_base_url": "https://user:pass@api.example.org"}}, "bad_api_base_url"),
        ({"settings": {"api_base_url": "http://127.0.0.1:81"}}, "url_not_public"),
        ({"settings": {"api_base_url": "http://[::ffff:10.0.0.1]/"}}, "url_not_public"),
        ({"settings": {"api_base_url": "http://2130706433/"}}, "url_not_public"),
        ({"settings": {"api_base_url": "http://0x7f.1/"}}, "url_not_public"),
        ({"settings": {"api_base_url": "http://metadata.internal/"}}, "url_not_public"),
    ],
)
async def test_a_wrong_channel_is_refused_without_echo(
    ada: Tenant, change: dict[str, Any], code: str
) -> None:
    response = await ada.api.post("/api/v1/channels", json=NEW_CHANNEL | change)
    assert (response.status_code, response.json()["code"]) == (422, code)
    assert TELEGRAM["bot_token"] not in response.text


async def test_text_becomes_a_document_that_is_found(runtime: Runtime, ada: Tenant) -> None:
    text = "Stack a new habit on an old one: after the morning coffee, write one line."
    body = {"title": "Habits", "text": text}
    added = await ada.api.post("/api/v1/knowledge/documents", json=body)
    assert added.status_code == 202, added.text
    again = await ada.api.post("/api/v1/knowledge/documents", json=body)
    assert (again.json()["id"], again.json()["created"]) == (added.json()["id"], False)
    await runtime.knowledge.ingest(ada.id, added.json()["id"])
    found = await ada.api.post("/api/v1/knowledge/search", json={"query": "stack habit", "k": 3})
    assert found.status_code == 200, found.text
    assert found.json()["passages"][0]["document_id"] == added.json()["id"]


async def test_a_file_is_uploaded_read_and_deleted(ada: Tenant) -> None:
    files = {"file": ("sleep.md", b"# Sleep\n\nKeep one bedtime.", "text/markdown")}
    added = await ada.api.post("/api/v1/knowledge/documents", files=files)
    assert added.status_code == 202, added.text
    path = f"/api/v1/knowledge/documents/{added.json()['id']}"
    assert (await ada.api.get(path)).json()["title"] == "sleep.md"
    assert (await ada.api.delete(path)).status_code == 204
    assert (await ada.api.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"json": {"url": "http://127.0.0.1/"}}, 422),
        ({"json": {"title": "x", "text": ""}}, 422),
        ({"json": {"title": "x", "text": "\u200b \u200b"}}, 422),
        ({"json": {"title": "x", "text": "y", "creator_id": AN_ID}}, 422),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400),
        ({"content": b"x", "headers": {"content-type": "text/plain"}}, 415),
        ({"data": {"title": "x"}, "files": {"other": ("a.md", b"x")}}, 422),
        ({"content": b"--x", "headers": {"content-type": "multipart/form-data"}}, 400),
        ({"files": {"file": ("a.exe", b"MZ\x90\x00\x03" * 9)}}, 422),
    ],
    ids=str,
)
async def test_a_wrong_document_is_refused(
    ada: Tenant, request_: dict[str, Any], status: int
) -> None:
    response = await ada.api.post("/api/v1/knowledge/documents", **request_)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"


async def test_a_coach_takes_over_and_hands_back(
    runtime: Runtime, ada: Tenant, visitor: Visitor
) -> None:
    await drain(runtime, ada.id, visitor.conversation_id)
    await visitor.post({"id": str(uuid4()), "text": "/human"})
    await drain(runtime, ada.id, visitor.conversation_id)
    path = f"/api/v1/conversations/{visitor.conversation_id}"
    waiting = await ada.api.get("/api/v1/conversations", params={"status": "queued"})
    assert [item["id"] for item in waiting.json()["items"]] == [str(visitor.conversation_id)]
    sent = await ada.api.post(f"{path}/messages", json={"text": "Ada here."})
    assert sent.status_code == 202, sent.text
    last = (await visitor.messages())[-1]
    assert (last["role"], last["text"]) == ("coach", "Ada here.")
    returned = await ada.api.post(f"{path}/return")
    assert returned.json()["status"] == "returned"


async def test_an_idempotency_key_writes_once(ada: Tenant, visitor: Visitor) -> None:
    path = f"/api/v1/conversations/{visitor.conversation_id}/messages"
    key = {"Idempotency-Key": "monday"}
    first = await ada.api.post(path, json={"text": "One"}, headers=key)
    again = await ada.api.post(path, json={"text": "One"}, headers=key)
    other = await ada.api.post(path, json={"text": "Two"}, headers=key)
    assert first.json() == again.json()
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert [m["text"] for m in await visitor.messages() if m["role"] == "coach"] == ["One"]


async def test_a_contact_is_renamed(ada: Tenant, visitor: Visitor) -> None:
    contact = (await ada.api.get("/api/v1/contacts")).json()["items"][0]
    path = f"/api/v1/contacts/{contact['id']}"
    response = await ada.api.patch(path, json={"name": "Grace", "timezone": "Europe/Lisbon"})
    assert response.status_code == 200, response.text
    assert (response.json()["name"], response.json()["timezone"]) == ("Grace", "Europe/Lisbon")
    assert len(response.json()["identities"]) == 1
    wrong = await ada.api.patch(path, json={"timezone": "Mars/X"})
    assert wrong.status_code == 422


async def test_lists_are_paged_to_their_end(ada: Tenant) -> None:
    made = {(await create_channel(ada, name=f"Bot {n}"))["id"] for n in range(4)}
    seen, cursor = [], None
    while True:
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await ada.api.get("/api/v1/channels", params=params)).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == sorted({*made, ada.web["id"]})


async def test_a_cursor_of_another_creator_or_list_is_refused(ada: Tenant, bob: Tenant) -> None:
    await create_channel(ada)
    page = await ada.api.get("/api/v1/channels", params={"limit": 1})
    params = {"cursor": page.json()["next_cursor"]}
    foreign = await bob.api.get("/api/v1/channels", params=params)
    other = await ada.api.get("/api/v1/contacts", params=params)
    assert [foreign.status_code, other.status_code] == [422, 422]


@pytest.mark.parametrize(
    "params",
    [
        {"limit": "-1"},
        {"limit": "0"},
        {"limit": "1000000000"},
        {"limit": "x"},
        {"cursor": "!"},
        {"cursor": "é"},
        {"cursor": "AAAA"},
        {"cursor": "W10"},
        {"cursor": "eyJhIjoxfQ"},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "path",
    ["channels", "contacts", "conversations", "messages", "api-keys", "knowledge/documents"],
)
async def test_a_bad_page_is_refused(ada: Tenant, path: str, params: dict[str, str]) -> None:
    response = await ada.api.get(f"/api/v1/{path}", params=params)
    assert response.status_code == 422, response.text


async def test_a_revoked_key_stops_working(ada: Tenant, connect: Connect) -> None:
    made = (await ada.api.post("/api/v1/api-keys", json={"name": "second"})).json()
    second = connect(Authorization=f"Bearer {made['key']}")
    assert (await second.get("/api/v1/usage")).status_code == 200
    assert (await ada.api.delete(f"/api/v1/api-keys/{made['id']}")).status_code == 204

    async def is_refused() -> bool:
        return (await second.get("/api/v1/usage")).status_code == 401

    await eventually(is_refused, timeout=10)  # at most a second, on a machine that is not busy
    listed = await ada.api.get("/api/v1/api-keys")
    assert made["key"] not in listed.text


async def test_changes_are_in_the_audit_log(runtime: Runtime, ada: Tenant) -> None:
    created = await create_channel(ada)
    await ada.api.delete(f"/api/v1/channels/{created['id']}")
    async with runtime.database.transaction(ada.id) as connection:
        rows = await connection.fetch("SELECT action, target FROM app.audit_log ORDER BY id")
    actions = [row["action"] for row in rows if row["target"] == created["id"]]
    assert actions == ["channel.created", "channel.deleted"]


async def test_usage_counts_messages(runtime: Runtime, ada: Tenant, visitor: Visitor) -> None:
    await drain(runtime, ada.id, visitor.conversation_id)
    items = (await ada.api.get("/api/v1/usage")).json()["items"]
    assert {item["metric"] for item in items} >= {"messages_in", "messages_out"}


@pytest.mark.parametrize(
    ("headers", "path", "status"),
    [
        ({}, "/api/v1/usage", 401),
        ({"Authorization": "Bearer nonsense"}, "/api/v1/usage", 401),
        ({"Authorization": "Bearer cairn_0123456789ab_" + "0" * 64}, "/api/v1/usage", 401),
        ({"Authorization": "Basic YTpi"}, "/api/v1/usage", 401),
        ({}, "/api/v1/usage?api_key=x", 401),
        ({}, "/api/v1/nothing", 404),
    ],
)
async def test_a_call_without_a_valid_key_is_refused(
    client: httpx.AsyncClient, headers: dict[str, str], path: str, status: int
) -> None:
    response = await client.get(path, headers=headers)
    assert response.status_code == status
    assert response.json()["code"]


async def test_a_key_in_an_address_is_refused_even_beside_a_valid_one(ada: Tenant) -> None:
    assert (await ada.api.get(f"/api/v1/usage?key={ada.api_key}")).status_code == 401


async def test_a_suspended_creator_is_refused(runtime: Runtime, ada: Tenant) -> None:
    async with runtime.database.transaction(ada.id) as connection:
        await connection.execute("UPDATE app.creators SET status = 'suspended'")
    assert (await ada.api.get("/api/v1/usage")).status_code == 403


async def test_what_needs_attention_is_listed_and_tried_again(
    runtime: Runtime, ada: Tenant, visitor: Visitor
) -> None:
    await drain(runtime, ada.id, visitor.conversation_id)
    async with runtime.database.transaction(ada.id) as connection:
        await connection.execute("UPDATE app.messages SET status = 'dead' WHERE direction = 'in'")
        await connection.execute(
            "UPDATE app.messages SET status = 'uncertain' WHERE direction = 'out'"
        )
    for status, action in (("dead", "retry"), ("uncertain", "resend")):
        listed = await ada.api.get("/api/v1/messages", params={"status": status})
        message, *_ = listed.json()["items"]
        path = f"/api/v1/messages/{message['id']}"
        again = await ada.api.post(f"{path}/{action}")
        assert again.status_code == 202, again.text
        assert again.json()["status"] in ("pending", "queued")
        assert (await ada.api.post(f"{path}/{action}")).status_code == 404
