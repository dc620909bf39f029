"""Hostile and unlucky requests that each found a hole once: no 500, no loss, nothing revealed."""

import asyncio
import base64
import json
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest

from core.api import events, middleware
from core.api.paging import Cursors
from core.runtime import Runtime
from shared.richtext import from_markdown
from tests.core.api.conftest import TELEGRAM, Tenant, Visitor, drain, visit
from tests.core.api.test_events import streaming
from tests.core.api.test_webhooks import SIGNED, add_telegram, texts, update
from tests.waiting import eventually

NEW_CHANNEL = {"type": "telegram", "name": "Bot", "bot": "coach", "credentials": TELEGRAM}


async def test_two_visitors_may_use_the_same_message_id(
    client: httpx.AsyncClient, ada: Tenant, visitor: Visitor
) -> None:
    """Also the same text: a second visitor's message is never taken for the first one's."""
    other, same = await visit(client, ada.route), str(uuid4())
    first = await visitor.post({"id": same, "text": "hello"})
    for text in ("hello", "another"):
        third = await visit(client, ada.route) if text == "another" else other
        answer = await third.post({"id": same, "text": text})
        assert (first.status_code, answer.status_code) == (202, 202), answer.text
        assert [(m["id"], m["text"]) for m in await third.messages()] == [(same, text)]


@pytest.mark.parametrize(
    "host",
    [
        "127。0。0。1",
        "ｌｏｃａｌｈｏｓｔ",
        "127.0.0.%31",
        "127.0.0.1\\.example.org",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[::127.0.0.1]",
        "[fec0::1]",
        "224.0.0.1",
        "redis",
        "169.254.169.254",
        "0",
        "127.0.0.1.",
    ],
)
async def test_an_api_address_never_leads_into_our_network(ada: Tenant, host: str) -> None:
    body = NEW_CHANNEL | {"settings": {"api_base_url": f"http://{host}:8080/"}}
    response = await ada.api.post("/api/v1/channels", json=body)
    assert response.status_code == 422, response.text
    assert response.json()["code"] in ("url_not_public", "bad_api_base_url")


@pytest.mark.parametrize(
    "origin",
    [
        "https://школа.example",
        "https://x;script-src 'unsafe-inline'",
        "https://x y.example",
        "https://x,y.example",
        "https://-",
        "https://'self'",
        "https://a.example\r\nx: y",
    ],
)
async def test_an_origin_cannot_write_headers(ada: Tenant, origin: str) -> None:
    path = f"/api/v1/channels/{ada.web['id']}"
    response = await ada.api.patch(path, json={"settings": {"allowed_origins": [origin]}})
    assert (response.status_code, response.json()["code"]) == (422, "bad_allowed_origins")
    assert (await ada.api.get(f"/embed?channel={ada.route}")).status_code == 200


@pytest.mark.parametrize("number", [2**64, -(2**64), 10**300])
async def test_a_number_too_large_to_store_is_refused(ada: Tenant, number: int) -> None:
    content = json.dumps(NEW_CHANNEL | {"settings": {"n": {"deep": [number]}}})
    response = await ada.api.post("/api/v1/channels", content=content, headers=JSON)
    assert (response.status_code, response.json()["code"]) == (422, "number_out_of_range")


JSON = {"Content-Type": "application/json"}
DIRTY = "a\x00b\ud800c"
CLEAN = "ab\ufffdc"


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "channels", NEW_CHANNEL | {"name": DIRTY}, "name"),
        ("POST", "channels", NEW_CHANNEL | {"settings": {DIRTY: [DIRTY]}}, "settings"),
        ("POST", "api-keys", {"name": DIRTY}, "name"),
        ("PATCH", "channels/{channel}", {"name": DIRTY}, "name"),
        ("PATCH", "contacts/{contact}", {"name": DIRTY}, "name"),
        ("POST", "conversations/{conversation}/messages", {"text": DIRTY}, None),
        ("POST", "knowledge/documents", {"title": DIRTY, "text": DIRTY}, None),
        ("POST", "knowledge/search", {"query": DIRTY}, None),
    ],
)
async def test_strange_characters_are_cleaned_everywhere(
    ada: Tenant, visitor: Visitor, method: str, path: str, body: Any, field: str | None
) -> None:
    contact = (await ada.api.get("/api/v1/contacts")).json()["items"][0]["id"]
    path = path.format(channel=ada.web["id"], contact=contact, conversation=visitor.conversation_id)
    response = await ada.api.request(
        method, f"/api/v1/{path}", content=json.dumps(body), headers=JSON
    )
    assert response.is_success, response.text
    if field:
        expected: Any = {CLEAN: [CLEAN]} if field == "settings" else CLEAN
        assert response.json()[field] == expected


@pytest.mark.parametrize("name", ["a\x00b.md", "\x00.md", "a\ud800.md", "x" * 5000 + ".md"])
async def test_a_strange_file_name_is_made_a_title(ada: Tenant, name: str) -> None:
    boundary = "b0undary"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"'
    content = head.encode(errors="surrogatepass") + b"\r\n\r\n# Hello\r\n"
    content += f"--{boundary}--\r\n".encode()
    response = await ada.api.post(
        "/api/v1/knowledge/documents",
        content=content,
        headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
    )
    assert response.status_code in (202, 400, 422), response.text


@pytest.mark.parametrize(
    ("path", "name", "position"),
    [
        ("conversations", "conversations", ["2026-01-01", str(uuid4())]),
        ("conversations", "conversations", ["0001-01-01T00:00:00+23:59", str(uuid4())]),
        ("conversations", "conversations", ["9999-12-31T23:59:59-23:59", str(uuid4())]),
        ("conversations", "conversations", [5, str(uuid4())]),
        ("channels", "channels", ["x"]),
        ("contacts", "contacts", [None]),
    ],
)
async def test_a_forged_cursor_is_refused(
    ada: Tenant, path: str, name: str, position: list[Any]
) -> None:
    mark = Cursors(name, ada.id)._mark
    cursor = base64.urlsafe_b64encode(orjson.dumps([mark, *position])).rstrip(b"=").decode()
    response = await ada.api.get(f"/api/v1/{path}", params={"cursor": cursor})
    assert response.status_code == 422, response.text


@pytest.mark.parametrize(
    "path",
    [
        f"/static/{'a' * 300}.js",
        f"/static/{'a/' * 3000}a.js",
        "/static/..%2f..%2f..%2fetc/passwd.js",
        "/static/%00.js",
        "/static/%ff%fe.js",
        "/embed?channel=%00",
        "/chat/config?channel=%ff",
        "//etc/passwd",
    ],
)
async def test_a_strange_path_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


async def test_enormous_ids_of_a_platform_are_ignored(
    runtime: Runtime, ada: Tenant, client: httpx.AsyncClient
) -> None:
    webhook = await add_telegram(runtime, ada)
    digits = int("".join(str(n * n % 7919) for n in range(1, 1000)))
    for field in ("chat", "from"):
        body = update()
        body["message"][field]["id"] = digits
        response = await client.post(webhook, content=json.dumps(body), headers=SIGNED)
        assert response.status_code == 200, response.text
    assert await texts(runtime, ada) == []


async def test_a_channel_deleted_on_another_gateway_is_not_found(
    runtime: Runtime, ada: Tenant, client: httpx.AsyncClient, visitor: Visitor
) -> None:
    """This gateway still remembers the channel for a moment."""
    webhook = await add_telegram(runtime, ada)
    assert (await client.post(webhook, json=update(1), headers=SIGNED)).status_code == 200
    assert (await visitor.post({"id": str(uuid4()), "text": "one"})).status_code == 202
    async with runtime.database.transaction(ada.id) as connection:
        await connection.execute("DELETE FROM app.channels")
    late = await client.post(webhook, json=update(2), headers=SIGNED)
    chat = await visitor.post({"id": str(uuid4()), "text": "two"})
    assert (late.status_code, chat.status_code) == (404, 404), (late.text, chat.text)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE app.creators SET status = 'suspended'",
        "UPDATE app.channels SET status = 'disabled'",
        "DELETE FROM app.channels",
    ],
)
async def test_a_closed_chat_ends_its_streams(
    runtime: Runtime,
    ada: Tenant,
    visitor: Visitor,
    base_url: str,
    monkeypatch: pytest.MonkeyPatch,
    statement: str,
) -> None:
    monkeypatch.setattr(events, "PING_SECONDS", 0.0)
    monkeypatch.setattr(events, "SAFETY_POLL_SECONDS", 0.2)
    async with streaming(base_url, visitor) as stream:
        await visitor.post({"id": str(uuid4()), "text": "one"})
        await eventually(lambda: stream.texts() == ["one"])
        async with runtime.database.transaction(ada.id) as connection:
            await connection.execute(statement)
        await eventually(lambda: stream.is_over)
    again = await visitor.client.get(f"/chat/{visitor.route}/events", headers=visitor.headers)
    assert again.status_code in (403, 404)


async def test_a_body_that_never_ends_is_given_up(
    runtime: Runtime, base_url: str, ada: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "BODY_SECONDS", 0.3)
    host, port = base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /chat/{ada.route}/sessions HTTP/1.1\r\nHost: {host}\r\n"
    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{".encode())
    async with asyncio.timeout(10):
        answer = await reader.readline()
    writer.close()
    assert b" 408 " in answer


async def test_a_name_with_markup_stays_a_name(
    runtime: Runtime, ada: Tenant, client: httpx.AsyncClient
) -> None:
    name = "[*free*](https://evil.example) {{7*7}} <b>"
    body = {"visitor": {"name": name}}
    session = (await client.post(f"/chat/{ada.route}/sessions", json=body)).json()
    person = Visitor(
        client=client,
        route=ada.route,
        token=session["token"],
        conversation_id=UUID(session["conversation_id"]),
    )
    await drain(runtime, ada.id, person.conversation_id)
    greeting = from_markdown((await person.messages())[0]["text"])
    assert name in greeting.text
    assert [mark.kind for mark in greeting.marks] == ["code"]


@pytest.mark.parametrize("table", ["channels", "ai_conversations", "contacts"])
async def test_what_is_deleted_during_a_turn_or_a_form_leaves_nothing_behind(
    runtime: Runtime,
    ada: Tenant,
    visitor: Visitor,
    monkeypatch: pytest.MonkeyPatch,
    table: str,
) -> None:
    await drain(runtime, ada.id, visitor.conversation_id)
    await visitor.post({"id": str(uuid4()), "text": "/goal"})
    await drain(runtime, ada.id, visitor.conversation_id)
    await visitor.post({"id": str(uuid4()), "text": "Run a marathon"})
    think = runtime.engine._router.think

    async def delete_and_think(*arguments: Any) -> Any:
        async with runtime.database.transaction(ada.id) as connection:
            await connection.execute(f"DELETE FROM app.{table}")  # noqa: S608 - from the list above
        return await think(*arguments)

    monkeypatch.setattr(runtime.engine._router, "think", delete_and_think)
    await runtime.engine.take_turn(ada.id, visitor.conversation_id)
    async with runtime.database.transaction(ada.id) as connection:
        for left in ("messages", "user_sessions", "ai_conversations"):
            count = await connection.fetchval(f"SELECT count(*) FROM app.{left}")  # noqa: S608
            assert count == 0, left


async def test_a_suspended_creator_is_shut_out_in_mid_session(
    runtime: Runtime, ada: Tenant, visitor: Visitor
) -> None:
    """Within the seconds that a gateway remembers a key or a channel, and back again after."""
    assert (await ada.api.get("/api/v1/usage")).status_code == 200
    for status, expected in (("suspended", (403, 403)), ("active", (200, 202))):
        async with runtime.database.transaction(ada.id) as connection:
            await connection.execute("UPDATE app.creators SET status = $1", status)

        async def has_noticed(expected: tuple[int, int] = expected) -> bool:
            api = await ada.api.get("/api/v1/usage")
            chat = await visitor.post({"id": str(uuid4()), "text": "hello"})
            return (api.status_code, chat.status_code) == expected

        await eventually(has_noticed)


async def test_of_many_edits_of_one_version_one_wins(ada: Tenant) -> None:
    path = f"/api/v1/channels/{ada.web['id']}"
    tag = (await ada.api.get(path)).headers["etag"]
    answers = await asyncio.gather(
        *(
            ada.api.patch(path, json={"name": f"Name {n}"}, headers={"If-Match": tag})
            for n in range(6)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 5]


async def test_an_action_cannot_name_another_conversations_choice(
    runtime: Runtime, ada: Tenant, visitor: Visitor, client: httpx.AsyncClient
) -> None:
    await drain(runtime, ada.id, visitor.conversation_id)
    greeting = next(m for m in await visitor.messages() if m.get("choices"))
    other = await visit(client, ada.route)
    await drain(runtime, ada.id, other.conversation_id)
    body = {
        "id": str(uuid4()),
        "action": f"choice:{greeting['id']}:2",
        "message_id": greeting["id"],
    }
    assert (await other.post(body)).status_code == 202
    await drain(runtime, ada.id, other.conversation_id)
    said = next(m for m in await other.messages() if m["role"] == "contact")
    assert said["text"] == body["action"]
    assert "achieve" not in (await other.messages())[-1]["text"]
