"""The web chat: sessions, messages once each, bad input refused with a clear problem."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from core.api import visitors
from core.bots import Attachment, Bot, Turn
from core.runtime import Runtime
from tests.core.api.conftest import Tenant, Visitor, drain, visit

# Fixed: the names of tests must be the same in every process that collects them.
AN_ID = "0b44a3a1-24c8-43dd-9218-835daa79600f"


async def test_the_bot_greets_a_new_visitor(
    runtime: Runtime, ada: Tenant, visitor: Visitor
) -> None:
    await drain(runtime, ada.id, visitor.conversation_id)
    greeting = (await visitor.messages())[0]
    assert greeting["role"] == "bot"
    assert greeting["text"]


async def test_a_message_is_stored_and_answered(
    runtime: Runtime, ada: Tenant, visitor: Visitor
) -> None:
    await drain(runtime, ada.id, visitor.conversation_id)
    sent = str(uuid4())
    response = await visitor.post({"id": sent, "text": "/help"})
    assert response.status_code == 202
    assert response.json()["id"] == sent
    await drain(runtime, ada.id, visitor.conversation_id)
    mine, answer = (await visitor.messages(after=response.json()["seq"] - 1))[:2]
    assert (mine["id"], mine["role"], mine["text"]) == (sent, "contact", "/help")
    assert (answer["role"], answer["in_reply_to"]) == ("bot", sent)


async def test_the_same_message_twice_is_one(ada: Tenant, visitor: Visitor) -> None:
    body = {"id": str(uuid4()), "text": "hello"}
    first, second = await visitor.post(body), await visitor.post(body)
    assert first.json() == second.json()
    assert [m["text"] for m in await visitor.messages()] == ["hello"]


async def test_the_same_id_with_another_text_is_a_conflict(visitor: Visitor) -> None:
    same = str(uuid4())
    await visitor.post({"id": same, "text": "hello"})
    response = await visitor.post({"id": same, "text": "goodbye"})
    assert response.status_code == 409
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "conflict"


async def test_a_session_goes_on_with_its_token(
    client: httpx.AsyncClient, ada: Tenant, visitor: Visitor
) -> None:
    response = await client.post(f"/chat/{ada.route}/sessions", headers=visitor.headers)
    assert response.status_code == 201
    assert response.json()["conversation_id"] == str(visitor.conversation_id)


async def test_what_a_bot_attaches_is_shown_beside_its_words(
    runtime: Runtime, ada: Tenant, client: httpx.AsyncClient
) -> None:
    shows = Bot(name="shows", persona="Shows pictures.")
    picture = Attachment(kind="image", url="https://cairn.example/p.png", name="Progress")

    @shows.start
    async def start(turn: Turn) -> None:
        turn.say("Look:", attachments=[picture])

    runtime.bots["shows"] = shows
    changed = await ada.api.patch(f"/api/v1/channels/{ada.web['id']}", json={"bot": "shows"})
    assert changed.status_code == 200, changed.text
    visitor = await visit(client, ada.route)
    await drain(runtime, ada.id, visitor.conversation_id)
    [greeting] = await visitor.messages()
    assert greeting["attachments"] == [picture.model_dump()]


async def test_a_tapped_choice_is_shown_by_its_label(
    runtime: Runtime, ada: Tenant, visitor: Visitor
) -> None:
    await drain(runtime, ada.id, visitor.conversation_id)
    greeting = next(m for m in await visitor.messages() if m.get("choices"))
    choice = greeting["choices"][0]
    body = {"id": str(uuid4()), "action": choice["value"], "message_id": greeting["id"]}
    assert (await visitor.post(body)).status_code == 202
    mine = next(m for m in await visitor.messages() if m["role"] == "contact")
    assert mine["text"] == choice["label"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"id": "x", "text": "hello"}, 422),
        ({"text": "hello"}, 422),
        ({"id": AN_ID}, 422),
        ({"id": AN_ID, "text": ""}, 422),
        ({"id": AN_ID, "text": " \n\t"}, 422),
        ({"id": AN_ID, "text": "\u200b\u2060\ufeff\u00ad"}, 422),
        ({"id": AN_ID, "text": "\x00"}, 422),
        ({"id": AN_ID, "text": 5}, 422),
        ({"id": AN_ID, "text": "hello", "role": "coach"}, 422),
        ({"id": AN_ID, "text": "hello", "creator_id": AN_ID}, 422),
        ({"id": AN_ID, "action": ""}, 422),
        ({"id": AN_ID, "action": "a", "message_id": "x"}, 422),
        ({"id": AN_ID, "text": "x" * 8001}, 413),
        ({"id": AN_ID, "text": "x" * 1_100_000}, 413),
        ([], 422),
        (None, 422),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_a_bad_message_is_refused(visitor: Visitor, body: Any, status: int) -> None:
    response = await visitor.post(body)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert await visitor.messages() == []


@pytest.mark.parametrize(
    "content",
    [b"{", b"[" * 100_000, b"\xff", b'{"id": NaN}', b'{"text": "a", "text": "b"}'],
    ids=lambda value: str(value[:20]),
)
async def test_a_malformed_body_is_refused(visitor: Visitor, content: bytes) -> None:
    headers = visitor.headers | {"Content-Type": "application/json"}
    path = f"/chat/{visitor.route}/messages"
    response = await visitor.client.post(path, content=content, headers=headers)
    assert (response.status_code, response.json()["code"]) == (400, "malformed_json")


async def test_nul_and_lone_surrogates_are_made_storable(visitor: Visitor) -> None:
    content = json.dumps({"id": str(uuid4()), "text": "a\x00b\ud800c"})
    headers = visitor.headers | {"Content-Type": "application/json"}
    path = f"/chat/{visitor.route}/messages"
    assert (await visitor.client.post(path, content=content, headers=headers)).status_code == 202
    assert [m["text"] for m in await visitor.messages()] == ["ab\ufffdc"]


@pytest.mark.parametrize("token", ["", "x", "cv1.x.y", "cv1..", "Bearer", "é", "a" * 10_000])
@pytest.mark.parametrize("path", ["messages", "events", f"passages/{AN_ID}"])
async def test_without_a_valid_token_there_is_nothing(
    client: httpx.AsyncClient, ada: Tenant, path: str, token: str
) -> None:
    headers = {b"Authorization": f"Bearer {token}".encode()} if token else {}
    response = await client.get(f"/chat/{ada.route}/{path}", headers=headers)
    assert (response.status_code, response.json()["code"]) == (401, "unauthorized")


async def test_a_token_of_another_channel_is_refused(
    client: httpx.AsyncClient, bob: Tenant, visitor: Visitor
) -> None:
    response = await client.get(f"/chat/{bob.route}/messages", headers=visitor.headers)
    assert response.status_code == 401


async def test_a_token_in_the_address_is_refused(visitor: Visitor) -> None:
    for path in ("messages", "events"):
        response = await visitor.client.get(
            f"/chat/{visitor.route}/{path}",
            params={"token": visitor.token},
            headers=visitor.headers,
        )
        assert response.status_code == 401


async def test_an_expired_token_opens_nothing_but_a_new_session(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visitors, "TOKEN_LIFE", timedelta(seconds=-60))
    path = f"/chat/{visitor.route}/sessions"
    expired = (await visitor.client.post(path, headers=visitor.headers)).json()["token"]
    monkeypatch.undo()
    headers = {"Authorization": f"Bearer {expired}"}
    read = await visitor.client.get(f"/chat/{visitor.route}/messages", headers=headers)
    assert read.status_code == 401
    renewed = await visitor.client.post(path, headers=headers)
    assert renewed.json()["conversation_id"] == str(visitor.conversation_id)


async def allow(runtime: Runtime, tenant: Tenant, *origins: str) -> None:
    response = await tenant.api.patch(
        f"/api/v1/channels/{tenant.web['id']}",
        json={"settings": {"allowed_origins": list(origins)}},
    )
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://cairn.test", 201),
        ("https://school.example", 201),
        ("null", 403),
        ("", 403),
        ("https://evil.example", 403),
        ("https://school.example.evil.example", 403),
        ("https://school.example:8443", 403),
        ("http://school.example", 403),
        ("https://school.example/", 403),
        ("https://SCHOOL.example.", 403),
        ("http://cairn.test.evil.example", 403),
        ("http://evilcairn.test", 403),
    ],
)
async def test_only_known_pages_may_chat(
    runtime: Runtime, ada: Tenant, client: httpx.AsyncClient, origin: str, status: int
) -> None:
    await allow(runtime, ada, "https://school.example")
    response = await client.post(f"/chat/{ada.route}/sessions", headers={"Origin": origin})
    assert response.status_code == status
    shown = response.headers.get("access-control-allow-origin")
    assert shown == (origin if origin == "https://school.example" else None)


async def test_an_allowed_page_asks_first_and_reads_its_errors(
    runtime: Runtime, ada: Tenant, client: httpx.AsyncClient
) -> None:
    await allow(runtime, ada, "https://school.example")
    origin = {"Origin": "https://school.example"}
    preflight = await client.options(f"/chat/{ada.route}/messages", headers=origin)
    assert preflight.status_code == 204
    assert "Authorization" in preflight.headers["access-control-allow-headers"]
    refused = await client.post(f"/chat/{ada.route}/messages", json={}, headers=origin)
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "https://school.example"


async def test_a_token_is_bound_to_its_page(
    runtime: Runtime, ada: Tenant, client: httpx.AsyncClient
) -> None:
    await allow(runtime, ada, "https://school.example", "https://other.example")
    school = {"Origin": "https://school.example"}
    session = await client.post(f"/chat/{ada.route}/sessions", headers=school)
    token = {"Authorization": f"Bearer {session.json()['token']}"}
    path = f"/chat/{ada.route}/messages"
    assert (await client.get(path, headers=token | school)).status_code == 200
    other = {"Origin": "https://other.example"}
    assert (await client.get(path, headers=token | other)).status_code == 401


async def test_a_visitor_who_writes_too_fast_is_told_to_wait(visitor: Visitor) -> None:
    bodies = [{"id": str(uuid4()), "text": f"message {n}"} for n in range(40)]
    answers = await asyncio.gather(*(visitor.post(body) for body in bodies))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert int(refused[0].headers["retry-after"]) >= 1
    taken = [answer for answer in answers if answer.status_code == 202]
    assert len(taken) == len(await visitor.messages())


async def test_an_address_that_opens_many_sessions_is_told_to_wait(
    runtime: Runtime, ada: Tenant, client: httpx.AsyncClient
) -> None:
    runtime.settings.limits.sessions_per_minute = 2
    path = f"/chat/{ada.route}/sessions"
    statuses = [(await client.post(path)).status_code for _ in range(4)]
    assert statuses[:2] == [201, 201]
    assert 429 in statuses


async def test_a_disabled_channel_is_closed(
    runtime: Runtime, ada: Tenant, visitor: Visitor
) -> None:
    await ada.api.patch(f"/api/v1/channels/{ada.web['id']}", json={"status": "disabled"})
    response = await visitor.post({"id": str(uuid4()), "text": "hello"})
    assert response.status_code == 403


async def test_a_page_learns_its_channel(
    client: httpx.AsyncClient, runtime: Runtime, ada: Tenant
) -> None:
    config = await client.get("/chat/config", params={"channel": ada.route})
    assert (config.json()["route_key"], config.json()["name"]) == (ada.route, "Ada")
    assert (await client.get("/chat/config")).status_code == 404
    runtime.settings.default_channel = ada.route
    assert (await client.get("/chat/config")).json()["route_key"] == ada.route
