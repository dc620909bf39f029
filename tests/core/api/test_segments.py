"""Segments over REST: kept, changed, previewed; a bad filter is told with its place."""

from typing import Any
from uuid import UUID

import pytest

from core.runtime import Runtime
from tests.core.api.conftest import Tenant
from tests.crowds import add_crowd

SPEAKS = {"field": "locale", "op": "eq", "value": "pt"}


@pytest.fixture
async def crowd(runtime: Runtime, ada: Tenant) -> None:
    async with runtime.database.transaction(ada.id) as connection:
        for first, locale in ((1000, "pt-BR"), (2000, "en")):
            await add_crowd(connection, ada.id, UUID(ada.web["id"]), 3, first=first, locale=locale)


async def add(ada: Tenant, name: str = "Brazil", filter: Any = SPEAKS) -> dict[str, Any]:
    response = await ada.api.post("/api/v1/segments", json={"name": name, "filter": filter})
    assert response.status_code == 201, response.text
    body: dict[str, Any] = response.json()
    return body


async def test_a_segment_is_kept_and_previewed(ada: Tenant, crowd: None) -> None:
    segment = await add(ada)
    for wanted in ({"segment_id": segment["id"]}, {"filter": SPEAKS}):
        shown = await ada.api.post("/api/v1/segments/preview", json={**wanted, "limit": 2})
        assert shown.status_code == 200, shown.text
        assert shown.json()["count"] == 3
        assert [one["locale"] for one in shown.json()["contacts"]] == ["pt-BR", "pt-BR"]
    listed = (await ada.api.get("/api/v1/segments")).json()["items"]
    assert [one["id"] for one in listed] == [segment["id"]]


async def test_of_two_edits_at_once_the_second_is_refused(ada: Tenant) -> None:
    path = f"/api/v1/segments/{(await add(ada))['id']}"
    read = (await ada.api.get(path)).headers["etag"]
    first = await ada.api.patch(path, json={"name": "One"}, headers={"If-Match": read})
    second = await ada.api.patch(path, json={"name": "Two"}, headers={"If-Match": read})
    assert (first.status_code, second.status_code) == (200, 409)
    assert (await ada.api.get(path)).json()["name"] == "One"


async def test_a_name_is_given_once(ada: Tenant, bob: Tenant) -> None:
    await add(ada)
    other = await add(ada, "Other")
    again = await ada.api.post("/api/v1/segments", json={"name": "Brazil", "filter": SPEAKS})
    moved = await ada.api.patch(f"/api/v1/segments/{other['id']}", json={"name": "Brazil"})
    assert (again.status_code, moved.status_code) == (409, 409)
    await add(bob)


async def test_another_creators_segment_is_not_there(ada: Tenant, bob: Tenant) -> None:
    segment = (await add(ada))["id"]
    path = f"/api/v1/segments/{segment}"
    assert (await bob.api.get(path)).status_code == 404
    assert (await bob.api.patch(path, json={"name": "x"})).status_code == 404
    assert (await bob.api.delete(path)).status_code == 404
    preview = await bob.api.post("/api/v1/segments/preview", json={"segment_id": segment})
    assert preview.status_code == 404
    body = {"name": "n", "content": {"en": "x"}, "segment_id": segment}
    assert (await bob.api.post("/api/v1/broadcasts", json=body)).status_code == 404
    assert (await ada.api.delete(path)).status_code == 204


async def test_a_bad_filter_is_told_with_its_place(ada: Tenant) -> None:
    bad = {"all": [SPEAKS, {"field": "locale", "op": "matches", "value": ".*"}]}
    for path, body in (
        ("/api/v1/segments", {"name": "x", "filter": bad}),
        ("/api/v1/segments/preview", {"filter": bad}),
    ):
        response = await ada.api.post(path, json=body)
        assert (response.status_code, response.json()["code"]) == (422, "bad_filter")
        assert response.json()["detail"].startswith("filter.all[1].op: locale has eq, in,")
    both = {"filter": SPEAKS, "segment_id": str(ada.id)}
    assert (await ada.api.post("/api/v1/segments/preview", json=both)).status_code == 422
