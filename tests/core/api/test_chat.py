"""The web chat: sessions, messages once each, bad input refused with a clear problem."""

from uuid import uuid4

import httpx

from core.runtime import Runtime
from tests.core.api.conftest import Tenant, Visitor, drain


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
