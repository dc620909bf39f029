"""Requests whose ids belong to different owners: another's id is as one that doesn't exist.

Every id of every route is asked, as the OpenAPI document has them: new routes are covered too.
"""

import re
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from core.runtime import Runtime
from shared.settings import Settings
from tests.core.api.conftest import Tenant, Visitor, visit
from tests.core.api.examples import BODIES, PROGRAM, plant
from tests.core.api.references import Reference, references

Ids = dict[str, str]
Answer = tuple[int, str]

REFERENCES = references()
NESTED = [one for one in REFERENCES if one.where == "path" and one.path.count("_id}") > 1]
# What the body needs beside the id that is asked about.
BESIDE: dict[tuple[str, str], dict[str, Any]] = BODIES | {
    ("POST", "/api/v1/broadcasts"): {"name": "M", "content": {"en": "M"}, "filter": {"all": []}},
    ("PATCH", "/api/v1/contacts/{contact_id}"): {},
    ("PATCH", "/api/v1/broadcasts/{broadcast_id}"): {},
    ("PUT", "/api/v1/policy"): {"handoff": {"room": {"chat": "room"}}},
    ("POST", "/api/v1/programs/{program_id}/enrolments"): {},
    ("POST", "/api/v1/programs/{program_id}/preview"): {},
    ("POST", "/api/v1/segments/preview"): {},
    ("POST", "/api/v1/tickets"): {"detail": "Mine"},
}
FILE = ("mine.csv", b"address\n1001\n")
# A setting that names nothing is a wrong setting.
INVALID = {
    ("PATCH", "/api/v1/contacts/{contact_id}"): "preferred_channel_id",
    ("PUT", "/api/v1/policy"): "channel_id",
}
LINK = (
    "INSERT INTO app.contact_links (creator_id, id, identity_id, from_contact, to_contact)"
    " SELECT creator_id, id, id, contact_id, $3 FROM app.contact_identities"
    " WHERE creator_id = $1 AND contact_id = $2 RETURNING id::text"
)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    limits = settings.limits.model_copy(update={"api_per_second": 0})
    return settings.model_copy(update={"limits": limits})


async def planted(runtime: Runtime, tenant: Tenant, first: Visitor, second: Visitor) -> Ids:
    """One id of each kind; of a broadcast that is a draft; and a link between two contacts."""
    ids = await plant(runtime, tenant, first.conversation_id)
    async with runtime.database.transaction(tenant.id) as db:
        other = await db.fetchval(
            "SELECT contact_id FROM app.ai_conversations WHERE creator_id = $1 AND id = $2",
            tenant.id,
            second.conversation_id,
        )
        link_id = await db.fetchval(LINK, tenant.id, other, UUID(ids["contact_id"]))
    draft = BESIDE["POST", "/api/v1/broadcasts"]
    broadcast = await tenant.api.post("/api/v1/broadcasts", json=draft)
    return ids | {"link_id": link_id, "broadcast_id": broadcast.json()["id"]}


@pytest.fixture
async def of_ada(runtime: Runtime, ada: Tenant, visitor: Visitor, client: httpx.AsyncClient) -> Ids:
    return await planted(runtime, ada, visitor, await visit(client, ada.route))


@pytest.fixture
async def of_bob(runtime: Runtime, bob: Tenant, client: httpx.AsyncClient) -> Ids:
    first, second = [await visit(client, bob.route) for _ in range(2)]
    return await planted(runtime, bob, first, second)


async def ask(tenant: Tenant, reference: Reference, ids: Ids, value: str) -> Answer:
    """What is answered to `value` in this place, all other ids being the tenant's own."""
    own = {**ids, "index": "0"}
    url = reference.path.format(
        **(own | {reference.keys[0]: value} if reference.where == "path" else own)
    )
    response = await tenant.api.request(reference.method, url, **sent(reference, value))
    return response.status_code, without_ids(response.text, value)


def sent(reference: Reference, value: str) -> dict[str, Any]:
    """The query and the body."""
    if reference.where != "body":
        params = {reference.keys[0]: value} if reference.where == "query" else None
        return {"params": params, "json": BODIES.get(reference.route)}
    if reference.is_form:
        return {"data": {reference.keys[0]: value}, "files": {"file": FILE}}
    assert reference.route in BESIDE, f"give examples.BODIES one for {reference}"
    body = reference.inserted(BESIDE[reference.route], value)
    if reference.keys == ("segment_id",):
        body.pop("filter", None)  # either says who
    return {"json": body}


def without_ids(text: str, value: str) -> str:
    return re.sub(r'"request_id":"\w+"', "", text).replace(value, "ID")


def expected(reference: Reference) -> int:
    if reference.where == "query":
        return 200
    is_setting = reference.where == "body" and INVALID.get(reference.route) == reference.keys[-1]
    return 422 if is_setting else 404


async def all_of(tenant: Tenant, ids: Ids) -> dict[str, str]:
    """All that can be read of these."""
    reads = {one.path for one in REFERENCES if one.method == "GET" and one.where == "path"}
    is_elsewhere = re.compile(r"\{index\}|/manifest$|/events$")
    urls = [path.format(**ids) for path in sorted(reads) if not is_elsewhere.search(path)]
    answers = {url: await tenant.api.get(url) for url in urls}
    assert {answer.status_code for answer in answers.values()} == {200}
    return {url: answer.text for url, answer in answers.items()}


async def test_the_id_of_another_creator_is_as_one_that_does_not_exist(
    ada: Tenant, bob: Tenant, of_ada: Ids, of_bob: Ids
) -> None:
    before = [await all_of(ada, of_ada), await all_of(bob, of_bob)]
    statuses: dict[str, int] = {}
    for reference in REFERENCES:
        unknown = await ask(bob, reference, of_bob, str(uuid4()))
        others = await ask(bob, reference, of_bob, of_ada[reference.kind])
        assert others == unknown, reference
        assert reference.where != "query" or '"items":[]' in others[1], reference
        statuses[str(reference)] = others[0]
    assert statuses == {str(reference): expected(reference) for reference in REFERENCES}
    assert [await all_of(ada, of_ada), await all_of(bob, of_bob)] == before


async def test_ones_own_id_in_the_same_place_is_known(bob: Tenant, of_bob: Ids) -> None:
    """So what is refused is refused for the id, and not for the rest of the request."""
    for reference in REFERENCES:
        if reference.where == "body":
            own = await ask(bob, reference, of_bob, of_bob[reference.kind])
            unknown = await ask(bob, reference, of_bob, str(uuid4()))
            assert own[0] != 404, reference
            assert own != unknown, reference


async def test_what_is_another_of_ones_own_is_not_found_either(
    bob: Tenant, of_bob: Ids, client: httpx.AsyncClient
) -> None:
    """A goal of one contact under another; who is in one program under another."""
    await visit(client, bob.route)
    contacts = (await bob.api.get("/api/v1/contacts")).json()["items"]
    program = await bob.api.post("/api/v1/programs", json=PROGRAM | {"slug": "another"})
    contact_id = next(one["id"] for one in contacts if one["id"] != of_bob["contact_id"])
    others = {"contact_id": contact_id, "program_id": program.json()["id"]}
    outer = [one for one in NESTED if one.path.index(one.keys[0]) == one.path.index("{") + 1]
    for reference in outer:
        answer = await ask(bob, reference, of_bob, others[reference.kind])
        assert answer[0] == 404, reference
    assert {reference.kind for reference in outer} == set(others)


def test_nested_ids_are_among_what_is_asked() -> None:
    asked = {(one.path.rpartition("/v1/")[2], one.where, one.keys[-1]) for one in REFERENCES}
    assert {
        ("contacts/{contact_id}/goals/{goal_id}", "path", "goal_id"),
        ("contacts/{contact_id}/check-ins", "body", "goal_id"),
        ("programs/{program_id}/enrolments/{enrolment_id}", "path", "enrolment_id"),
        ("tickets/{ticket_id}/notes", "path", "ticket_id"),
        ("broadcasts/{broadcast_id}", "body", "segment_id"),
        ("contacts/import", "body", "channel_id"),
        ("exports/{export_id}/files/{name}", "path", "export_id"),
        ("scheduled-sends", "query", "enrolment"),
    } <= asked
