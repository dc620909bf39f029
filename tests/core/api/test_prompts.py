"""Prompt templates over REST: saved, compared, tried, put to work and back, each by its creator."""

import asyncio
from typing import Any

import pytest

from core.llm.prompt_catalog import CATALOG
from core.llm.prompts import built_in
from core.runtime import Runtime
from tests.core.api.conftest import Tenant

BODY = """{% block system %}SAYS {{ unknown }}{% endblock %}
{% block user %}{% for p in passages %}{{ p.text }}{% endfor %} {{ question }}{% endblock %}"""
VERSIONS = "/api/v1/prompts/answer/versions"
LABELS = "/api/v1/prompts/answer/labels"
ROLLBACK = "/api/v1/prompts/answer/rollback"
PREVIEW = "/api/v1/prompts/answer/preview"


async def save(tenant: Tenant, what: str = "SAYS", **fields: Any) -> dict[str, Any]:
    body = {"body": BODY.replace("SAYS", what), **fields}
    response = await tenant.api.post(VERSIONS, json=body)
    assert response.status_code == 201, response.text
    saved: dict[str, Any] = response.json()
    return saved


async def test_a_template_is_saved_listed_read_compared_and_put_to_work(
    ada: Tenant, runtime: Runtime
) -> None:
    assert (await save(ada, "one", note="first"))["version"] == 1
    assert (await save(ada, "two"))["version"] == 2
    assert (await save(ada, "eins", locale="de-AT"))["locale"] == "de-at"
    page = (await ada.api.get("/api/v1/prompts/answer", params={"limit": 1})).json()
    assert [item["version"] for item in page["items"]] == [2]
    rest = (
        await ada.api.get("/api/v1/prompts/answer", params={"cursor": page["next_cursor"]})
    ).json()
    [first] = rest["items"]
    assert (first["version"], first["note"], rest["next_cursor"]) == (1, "first", None)
    assert first["actor"].startswith("api_key:")
    assert "body" not in first
    read = (await ada.api.get(f"{VERSIONS}/1", params={"locale": "de-AT"})).json()
    assert "eins" in read["body"]
    diff = await ada.api.get("/api/v1/prompts/answer/diff", params={"from": 1, "to": 2})
    assert "+{% block system %}two" in diff.json()["diff"]

    label = {"label": "production", "version": 2}
    assert (await ada.api.post(LABELS, json=label)).json()["previous"] is None
    candidate = {"label": "candidate", "version": 1, "percent": 20}
    assert (await ada.api.post(LABELS, json=candidate)).json()["percent"] == 20
    listed = (await ada.api.get("/api/v1/prompts")).json()["items"]
    assert [template["id"] for template in listed] == list(CATALOG)
    shown = next(template for template in listed if template["id"] == "answer")
    assert set(shown["required"]) <= set(shown["variables"])
    assert [(one["label"], one["version"]) for one in shown["labels"]] == [
        ("candidate", 1),
        ("production", 2),
    ]
    found = await runtime.prompts.resolve(ada.id, "answer")
    assert found.reference == "answer@2"


async def test_a_rollback_returns(ada: Tenant, runtime: Runtime) -> None:
    for version, what in enumerate(("one", "two"), start=1):
        await save(ada, what)
        await ada.api.post(LABELS, json={"label": "production", "version": version})
    back = (await ada.api.post(ROLLBACK, json={})).json()
    assert (back["label"]["version"], back["label"]["previous"]) == (1, 2)
    assert (await runtime.prompts.resolve(ada.id, "answer")).reference == "answer@1"
    nothing = await ada.api.post(ROLLBACK, json={"label": "candidate"})
    assert (nothing.status_code, nothing.json()["code"]) == (404, "not_found")


async def test_a_preview_shows_what_a_model_would_be_sent(ada: Tenant) -> None:
    await save(ada, "mine")
    given = {"question": "Why {{ persona }}?", "passages": [{"text": "Because."}]}
    shown = (await ada.api.post(PREVIEW, json={"version": 1, "context": given})).json()
    assert shown["blocks"]["system"].startswith("mine ")
    assert shown["blocks"]["user"] == "Because. Why {{ persona }}?"
    unsaved = await ada.api.post(PREVIEW, json={"body": BODY.replace("SAYS", "draft")})
    assert unsaved.json()["text"].startswith("draft ")
    assert (await ada.api.post(PREVIEW, json={})).status_code == 200  # what comes with Cairn
    assert (await ada.api.get("/api/v1/prompts/answer")).json()["items"][0]["version"] == 1


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (VERSIONS, {"body": BODY.replace("question", "qestion")}, 422, "unknown_variable"),
        (VERSIONS, {"body": BODY.replace("{{ question }}", "")}, 422, "missing_variable"),
        (VERSIONS, {"body": BODY.replace("block user", "block u")}, 422, "missing_block"),
        (VERSIONS, {"body": "{% if %}"}, 422, "template_syntax"),
        (VERSIONS, {"body": "{{ ''.__class__ }}"}, 422, "template_syntax"),
        (VERSIONS, {"body": BODY.replace("SAYS", "{{ 9 ** 9 }}")}, 422, "template_fails"),
        (VERSIONS, {"body": BODY, "locale": "not a tag"}, 422, "locale"),
        (VERSIONS, {"body": "x" * 20_001}, 422, "invalid_input"),
        (VERSIONS, {"body": BODY, "creator_id": "x"}, 422, "invalid_input"),
        (VERSIONS.replace("answer", "nothing"), {"body": BODY}, 404, "not_found"),
        (LABELS, {"label": "production", "version": 9}, 404, "not_found"),
        (LABELS, {"label": "latest", "version": 1}, 422, "label"),
        (LABELS, {"label": "production", "version": 1, "percent": 3}, 422, "percent"),
        (PREVIEW, {"body": "{% if %}"}, 422, "template_syntax"),
        (PREVIEW, {"body": "{% for i in range(10**9) %}{% endfor %}"}, 422, "template_fails"),
        (PREVIEW, {"version": 7}, 404, "not_found"),
        (PREVIEW, {"context": {"secret": "x"}}, 422, "invalid_input"),
    ],
)
async def test_what_cannot_be_is_a_problem_with_its_code(
    ada: Tenant, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    response = await ada.api.post(path, json=body)
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
    assert response.headers["content-type"] == "application/problem+json"


async def test_a_mistake_is_told_with_its_line_and_the_nearest_name(ada: Tenant) -> None:
    wrong = await ada.api.post(VERSIONS, json={"body": BODY.replace("question", "qestion")})
    assert "did you mean 'question'" in wrong.json()["detail"]
    wrong = await ada.api.post(VERSIONS, json={"body": "\n\n{% if %}"})
    assert wrong.json()["detail"].startswith("line 3: ")


async def test_saves_at_the_same_time_get_versions_of_their_own(ada: Tenant) -> None:
    saved = await asyncio.gather(*(save(ada, f"n{n}") for n in range(6)))
    assert sorted(one["version"] for one in saved) == list(range(1, 7))
    for one in saved:
        read = (await ada.api.get(f"{VERSIONS}/{one['version']}")).json()
        assert read["created_at"] == one["created_at"]


async def test_another_creator_has_nothing_of_it(
    ada: Tenant, bob: Tenant, runtime: Runtime
) -> None:
    await save(ada, "CANARY")
    await ada.api.post(LABELS, json={"label": "production", "version": 1})
    shown = [
        await bob.api.get("/api/v1/prompts"),
        await bob.api.get("/api/v1/prompts/answer"),
        await bob.api.post(PREVIEW, json={}),
    ]
    assert all(one.status_code == 200 and "CANARY" not in one.text for one in shown)
    assert shown[1].json()["items"] == []
    refused = [
        await bob.api.get(f"{VERSIONS}/1"),
        await bob.api.get("/api/v1/prompts/answer/diff", params={"from": 0, "to": 1}),
        await bob.api.post(LABELS, json={"label": "production", "version": 1}),
        await bob.api.post(ROLLBACK, json={}),
        await bob.api.post(PREVIEW, json={"version": 1}),
    ]
    assert [one.status_code for one in refused] == [404] * len(refused)
    found = await runtime.prompts.resolve(bob.id, "answer")
    assert found.reference == built_in("answer")[0].reference
