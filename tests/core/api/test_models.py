"""Models over REST: registered, listed beside the shared ones, put to work and back, each by its
creator."""

from typing import Any

import pytest

from core.llm.registry import ModelMetadata
from core.runtime import Runtime
from tests.core.api.conftest import Tenant

MODELS = "/api/v1/models"
QWEN = "ollama:qwen3:4b"


def model(**fields: Any) -> dict[str, Any]:
    return {"name": "answers", "model_type": "chat", "model_path": QWEN, **fields}


async def register(tenant: Tenant, **fields: Any) -> dict[str, Any]:
    response = await tenant.api.post(MODELS, json=model(**fields))
    assert response.status_code == 201, response.text
    shown: dict[str, Any] = response.json()
    return shown


async def test_a_model_is_registered_listed_and_read(ada: Tenant, runtime: Runtime) -> None:
    shared = ModelMetadata(name="answers", model_type="chat")
    await runtime.models.registry.register_model(shared, "extractive")
    first = await register(ada, params={"temperature": 0.5}, performance_metrics={"f1": 0.9})
    assert (first["ref"], first["shared"], first["version"]) == ("answers@1", False, 1)
    assert first["performance_metrics"] == {"f1": 0.9}
    assert first["health"]["state"] == "missing", "no Ollama answers in this test"
    assert (
        await register(ada, params={"temperature": 0.5}, performance_metrics={"f1": 0.9}) == first
    )
    page = (await ada.api.get(MODELS, params={"limit": 2})).json()
    rest = (await ada.api.get(MODELS, params={"cursor": page["next_cursor"]})).json()
    found = [(item["ref"], item["shared"]) for item in page["items"] + rest["items"]]
    assert found == [
        ("answers@1", False),
        ("shared/answers@1", True),
        ("answers@0", True),
        ("passages@0", True),
    ]
    assert rest["next_cursor"] is None
    named = (await ada.api.get(f"{MODELS}/answers")).json()["items"]
    assert [item["ref"] for item in named] == ["answers@1", "shared/answers@1", "answers@0"]
    for version, ref in (("1", "answers@1"), ("latest", "answers@1"), ("production", "answers@0")):
        assert (await ada.api.get(f"{MODELS}/answers/{version}")).json()["ref"] == ref


async def test_labels_move_and_come_back(ada: Tenant) -> None:
    for version in (1, 2):
        await register(ada, version=version, num_ctx=1000 * version)
        moved = await ada.api.post(
            f"{MODELS}/answers/labels", json={"label": "production", "version": version}
        )
        assert moved.json()["version"] == version
    share = {"label": "candidate", "version": 1, "percent": 20}
    assert (await ada.api.post(f"{MODELS}/answers/labels", json=share)).json()["percent"] == 20
    shown = (await ada.api.get(f"{MODELS}/answers/production")).json()
    assert (shown["version"], shown["labels"][0]["previous"]) == (2, 1)
    back = (await ada.api.post(f"{MODELS}/answers/rollback", json={})).json()
    assert (back["label"]["version"], back["label"]["previous"]) == (1, 2)
    gone = await ada.api.post(f"{MODELS}/answers/rollback", json={"label": "candidate"})
    assert gone.json() == {"label": None}


async def test_nobody_reads_or_moves_anothers(ada: Tenant, bob: Tenant) -> None:
    await register(ada, name="canary", training_data_hash="CANARY")
    assert "CANARY" not in (await bob.api.get(MODELS)).text
    label = {"label": "production", "version": 1}
    for response in (
        await bob.api.get(f"{MODELS}/canary"),
        await bob.api.get(f"{MODELS}/canary/1"),
        await bob.api.get(f"{MODELS}/canary/latest"),
        await bob.api.post(f"{MODELS}/canary/labels", json=label),
        await bob.api.post(f"{MODELS}/canary/rollback", json={}),
    ):
        assert (response.status_code, response.json()["code"]) == (404, "unknown_model")
    assert (await register(bob, name="canary"))["version"] == 1


async def test_what_all_share_is_nobodys_to_move(ada: Tenant, runtime: Runtime) -> None:
    shared = ModelMetadata(name="answers", model_type="chat")
    await runtime.models.registry.register_model(shared, "extractive")
    label = {"label": "production", "version": 1}
    assert (await ada.api.post(f"{MODELS}/answers/labels", json=label)).status_code == 404
    assert (await ada.api.post(f"{MODELS}/answers/rollback", json={})).status_code == 404


async def test_a_version_never_changes(ada: Tenant) -> None:
    await register(ada, version=1)
    refused = await ada.api.post(MODELS, json=model(version=1, num_ctx=512))
    assert (refused.status_code, refused.json()["code"]) == (409, "version_exists")
    assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "fields",
    [
        {"creator_id": "00000000-0000-0000-0000-000000000000"},
        {"host": "http://10.0.0.1"},
        {"model_path": "http://169.254.169.254/latest"},
        {"model_path": "ollama:evil.example:11434/x"},
        {"model_type": "speech"},
        {"name": "a@b"},
        {"name": ""},
        {"version": 0},
        {"num_ctx": 10**6},
        {"params": {"num_gpu": 1}},
        {"dependencies": ["x" * 300]},
    ],
)
async def test_what_a_registration_is_refused_for(ada: Tenant, fields: dict[str, Any]) -> None:
    response = await ada.api.post(MODELS, json=model(**fields))
    assert response.status_code == 422, response.text
    assert "10.0.0.1" not in response.text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"label": "production", "version": 9}, 404),
        ({"label": "latest", "version": 1}, 422),
        ({"label": "production", "version": 1, "percent": 50}, 422),
        ({"label": "candidate", "version": 1, "percent": 101}, 422),
        ({"label": "production", "version": 1, "gate": False}, 422),
    ],
)
async def test_what_a_label_is_refused_for(ada: Tenant, body: dict[str, Any], status: int) -> None:
    await register(ada)
    response = await ada.api.post(f"{MODELS}/answers/labels", json=body)
    assert response.status_code == status, response.text


async def test_a_label_that_points_nowhere_is_not_found(ada: Tenant) -> None:
    for path in ("answers/staging", "answers/7", "nobody", "nobody/1"):
        assert (await ada.api.get(f"{MODELS}/{path}")).status_code == 404
    await register(ada)
    conflict = await ada.api.post(f"{MODELS}/answers/rollback", json={"label": "staging"})
    assert (conflict.status_code, conflict.json()["code"]) == (409, "nothing_to_roll_back")


async def test_without_a_key_nothing_is_shown(client: Any) -> None:
    assert (await client.get(MODELS)).status_code == 401


async def test_where_the_hosts_are_is_not_told(ada: Tenant, runtime: Runtime) -> None:
    text = (await ada.api.get(MODELS)).text
    assert runtime.models.hosts.addresses[0] not in text
    assert "host 1 does not answer" in text
