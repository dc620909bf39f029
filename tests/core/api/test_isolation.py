"""Every REST route, from the OpenAPI document: no key, no answer; another's id, no such thing."""

import re
from typing import Any
from uuid import uuid4

import httpx
import pytest

from core.api.app import schema_app
from core.runtime import Runtime
from tests.core.api.conftest import Tenant, Visitor
from tests.core.api.examples import BODIES, plant

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


@pytest.fixture
async def ids_of_ada(runtime: Runtime, ada: Tenant, visitor: Visitor) -> dict[str, str]:
    """One id of each kind, all Ada's."""
    return await plant(runtime, ada, visitor.conversation_id)


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
