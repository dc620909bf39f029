"""Every REST route, from the OpenAPI document: no key, no answer; another's id, no such thing."""

import re
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from core.api.app import schema_app
from core.runtime import Runtime
from shared.models import migrations
from shared.utils.ids import new_id
from tests.core.api.conftest import Tenant, Visitor

PATHS: dict[str, dict[str, Any]] = schema_app().openapi()["paths"]
ROUTES = [
    (method.upper(), path)
    for path, operations in PATHS.items()
    if path.startswith("/api/v1")
    for method in operations
]
# These names are everybody's; whose versions they show, their own tests ask.
NAMED = ("/api/v1/prompts/", "/api/v1/models/")
ROUTES_WITH_ID = [
    (method, path) for method, path in ROUTES if "{" in path and not path.startswith(NAMED)
]
# A body that would be fine for the owner.
PROGRAM = {
    "slug": "mine",
    "name": "Mine",
    "steps": [{"key": "hello", "content": {"en": {"text": "Hello"}}}],
}
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("PATCH", "/api/v1/channels/{channel_id}"): {"name": "Mine now"},
    ("PATCH", "/api/v1/contacts/{contact_id}"): {"name": "Mine now"},
    ("POST", "/api/v1/contacts/{contact_id}/unlink"): {"link_id": str(uuid4())},
    ("POST", "/api/v1/contacts/{contact_id}/erase"): {"confirm": "Mine now"},
    ("POST", "/api/v1/conversations/{conversation_id}/messages"): {"text": "It is me"},
    ("PATCH", "/api/v1/segments/{segment_id}"): {"name": "Mine now"},
    ("PATCH", "/api/v1/broadcasts/{broadcast_id}"): {"name": "Mine now"},
    ("PUT", "/api/v1/programs/{program_id}"): PROGRAM,
    ("POST", "/api/v1/programs/{program_id}/copy"): {"slug": "mine"},
    ("POST", "/api/v1/programs/{program_id}/enrolments"): {"contact_ids": [str(uuid4())]},
}


@pytest.fixture
async def ids_of_ada(runtime: Runtime, ada: Tenant, visitor: Visitor) -> dict[str, str]:
    """One id of each kind, all Ada's."""
    contact = (await ada.api.get("/api/v1/contacts")).json()["items"][0]
    messages = await ada.api.get(f"/api/v1/conversations/{visitor.conversation_id}/messages")
    document = await ada.api.post(
        "/api/v1/knowledge/documents", json={"title": "Mine", "text": "Ada's own words."}
    )
    key = (await ada.api.get("/api/v1/api-keys")).json()["items"][0]
    migration_id = await begin_migration(runtime, ada)
    return {
        "channel_id": ada.web["id"],
        "contact_id": contact["id"],
        "conversation_id": str(visitor.conversation_id),
        "message_id": messages.json()["items"][0]["id"],
        "document_id": document.json()["id"],
        "key_id": key["id"],
        "migration_id": str(migration_id),
        **await hand_out(runtime, ada, UUID(contact["id"])),
        **await ids_of_a_program(ada, contact["id"]),
        **await ids_of_a_broadcast(ada),
    }


async def ids_of_a_broadcast(tenant: Tenant) -> dict[str, str]:
    """A segment, and a broadcast that is over: who follows it is told so, and no more."""
    segment = await tenant.api.post(
        "/api/v1/segments", json={"name": "Mine", "filter": {"all": []}}
    )
    segment_id = segment.json()["id"]
    body = {"name": "Mine", "content": {"en": "Hello"}, "segment_id": segment_id}
    broadcast_id = (await tenant.api.post("/api/v1/broadcasts", json=body)).json()["id"]
    await tenant.api.post(f"/api/v1/broadcasts/{broadcast_id}/cancel")
    return {"segment_id": segment_id, "broadcast_id": broadcast_id}


async def ids_of_a_program(tenant: Tenant, contact_id: str) -> dict[str, str]:
    """A program, somebody in it, and what waits for them."""
    program = (await tenant.api.post("/api/v1/programs", json=PROGRAM)).json()
    path = f"/api/v1/programs/{program['id']}"
    await tenant.api.post(f"{path}/publish")
    await tenant.api.post(f"{path}/enrolments", json={"contact_ids": [contact_id]})
    [enrolment] = (await tenant.api.get(f"{path}/enrolments")).json()["items"]
    sends = await tenant.api.get("/api/v1/scheduled-sends", params={"program": program["id"]})
    return {
        "program_id": program["id"],
        "enrolment_id": enrolment["id"],
        "send_id": sends.json()["items"][0]["id"],
    }


async def hand_out(runtime: Runtime, tenant: Tenant, contact_id: UUID) -> dict[str, str]:
    """An export that is done, and an erasure that waits."""
    who, actor = (tenant.id, contact_id), "test"
    exported = await runtime.privacy.ask_export(*who, actor=actor)
    await runtime.privacy.export(tenant.id, exported.id)
    erased = await runtime.privacy.ask_erasure(*who, actor=actor)
    return {"export_id": str(exported.id), "erasure_id": str(erased.id), "name": "contact.json"}


async def begin_migration(runtime: Runtime, tenant: Tenant) -> UUID:
    """A row is enough: nobody works on it here."""
    migration_id = new_id()
    async with runtime.database.transaction(tenant.id) as connection:
        await migrations.insert(
            connection,
            tenant.id,
            migration_id,
            from_space="wordllama-256",
            to_space="another",
            to_model="",
            batch_size=100,
            soak_seconds=0,
        )
    return migration_id


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_without_a_key_there_is_no_answer(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    url = re.sub(r"\{\w+\}", str(uuid4()), path)
    response = await client.request(method, url, json=BODIES.get((method, path)))
    assert response.status_code == 401, response.text


async def test_no_id_of_another_creator_exists(
    ada: Tenant, bob: Tenant, ids_of_ada: dict[str, str]
) -> None:
    answers = {}
    for method, path in ROUTES_WITH_ID:
        body = BODIES.get((method, path))
        url = path.format(**ids_of_ada, index=0)
        response = await bob.api.request(method, url, json=body)
        answers[method, path] = response.status_code
    assert answers == dict.fromkeys(ROUTES_WITH_ID, 404)
    assert len(answers) >= 15


async def test_the_owner_reads_each_of_them(ada: Tenant, ids_of_ada: dict[str, str]) -> None:
    # This message has no attachment, and this channel no app to describe.
    is_elsewhere = re.compile(r"\{index\}|/manifest$")
    reads = [p for method, p in ROUTES_WITH_ID if method == "GET" and not is_elsewhere.search(p)]
    answers = [(await ada.api.get(path.format(**ids_of_ada))).status_code for path in reads]
    assert answers == [200] * len(reads)


@pytest.mark.parametrize(("method", "path"), ROUTES_WITH_ID)
async def test_a_bad_id_is_refused(ada: Tenant, method: str, path: str) -> None:
    url = re.sub(r"\{\w+\}", "not-an-id", path)
    response = await ada.api.request(method, url, json=BODIES.get((method, path)))
    assert response.status_code == 422, response.text


async def test_lists_show_nothing_of_another_creator(
    runtime: Runtime, bob: Tenant, ids_of_ada: dict[str, str]
) -> None:
    for method, path in ROUTES:
        if method == "GET" and "{" not in path and not path.endswith("/events"):  # has no end
            text = (await bob.api.get(path)).text
            assert not [id_ for id_ in ids_of_ada.values() if id_ in text], path
