"""/api/v1/embedding-migrations: a migration from its start to its end, and what is refused."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.llm.emulator import create_ollama_emulator
from core.runtime import Runtime
from shared.settings import OllamaSettings, Settings
from tests.core.api.conftest import Tenant
from tests.core.rag.conftest import add
from tests.serving import serving
from tests.waiting import eventually

PATH = "/api/v1/embedding-migrations"
NEW = {"to": "embedded:wordllama", "soak_seconds": 60, "batch_size": 2}


@pytest.fixture
async def settings(settings: Settings) -> AsyncIterator[Settings]:
    """With an Ollama whose embedding model new indexes are built with."""
    async with serving(create_ollama_emulator().app) as url:
        yield settings.model_copy(update={"ollama": OllamaSettings(host=url)})


@pytest.fixture
async def asked(runtime: Runtime, ada: Tenant) -> Tenant:
    """Ada, with three documents."""
    for number in range(3):
        await add(runtime.knowledge, ada.id, f"Text {number}", f"About topic{number}.")
    return ada


async def worked(runtime: Runtime, tenant: Tenant, until: str) -> dict[str, Any]:
    """Do a worker's part until the newest migration is in this state."""
    shown: dict[str, Any] = {}

    async def is_there() -> bool:
        nonlocal shown
        [shown, *_] = (await tenant.api.get(PATH)).json()["items"]
        record = await runtime.knowledge.migration.latest(tenant.id)
        assert record is not None
        await runtime.knowledge.migration.advance(tenant.id, record.id)
        return bool(shown["state"] == until)

    await eventually(is_there, timeout=30)
    return shown


async def test_the_model_is_changed_flipped_back_and_changed_for_good(
    runtime: Runtime, asked: Tenant
) -> None:
    started = await asked.api.post(PATH, json=NEW)
    assert started.status_code == 202, started.text
    shown = started.json()
    assert (shown["state"], shown["progress"], shown["to_space"]) == (
        "preparing",
        0.0,
        "wordllama-256",
    )
    url = f"{PATH}/{shown['id']}"
    soaking = await worked(runtime, asked, "soaking")
    assert (soaking["progress"], soaking["done"], soaking["error_code"]) == (1.0, 3, None)
    assert soaking["verification"]["passed"]
    flipped = (await asked.api.post(f"{url}/flip-back")).json()
    assert (flipped["state"], flipped["is_paused"]) == ("verifying", True)
    assert (await asked.api.post(f"{url}/resume", json={"force": True})).status_code == 200
    await worked(runtime, asked, "soaking")
    assert (await asked.api.post(f"{url}/finish")).status_code == 200
    await worked(runtime, asked, "done")
    assert (await asked.api.get(url)).json()["state"] == "done"
    noted = [action.rpartition(".")[2] for action in await actions(runtime, asked)]
    assert noted == ["started", "flipped", "resumed", "finished"]


async def test_what_makes_no_sense_is_refused_with_a_reason(
    runtime: Runtime, asked: Tenant, bob: Tenant
) -> None:
    space = (await asked.api.post(PATH, json=NEW)).json()["from_space"]
    await asked.api.post(f"{PATH}/{(await asked.api.get(PATH)).json()['items'][0]['id']}/abort")
    await worked(runtime, asked, "aborted")
    for body, code in (
        ({"to": "ollama:nomic-embed-text"}, "same_space"),
        ({"to": space}, "same_space"),
        ({"to": "passages@production"}, "same_space"),
        ({"to": "answers@production"}, "unknown_model"),
        ({"to": "embedded:wordllama", "batch_size": 0}, "invalid_input"),
        ({"to": "embedded:wordllama", "creator_id": str(bob.id)}, "invalid_input"),
    ):
        response = await asked.api.post(PATH, json=body)
        assert (response.status_code, response.json()["code"]) == (422, code)
    unknown = await asked.api.post(PATH, json={"to": "nonsense@2"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_model")
    started = (await asked.api.post(PATH, json=NEW)).json()
    second = await asked.api.post(PATH, json=NEW)
    assert (second.status_code, second.json()["code"]) == (409, "migration_open")
    for action in ("flip-back", "finish"):
        response = await asked.api.post(f"{PATH}/{started['id']}/{action}")
        assert (response.status_code, response.json()["code"]) == (409, "migration_state")
    assert (await bob.api.get(f"{PATH}/{started['id']}")).status_code == 404
    assert (await bob.api.get(PATH)).json()["items"] == []


async def test_it_is_paused_resumed_and_aborted(runtime: Runtime, asked: Tenant) -> None:
    url = f"{PATH}/{(await asked.api.post(PATH, json=NEW)).json()['id']}"
    assert (await asked.api.post(f"{url}/pause")).json()["is_paused"]
    assert not (await asked.api.post(f"{url}/resume")).json()["is_paused"]
    assert (await asked.api.post(f"{url}/abort")).json()["state"] == "aborting"
    await worked(runtime, asked, "aborted")
    assert (await asked.api.post(PATH, json=NEW)).status_code == 202


async def actions(runtime: Runtime, tenant: Tenant) -> list[str]:
    async with runtime.database.transaction(tenant.id) as connection:
        rows = await connection.fetch(
            "SELECT action FROM app.audit_log WHERE action LIKE 'embedding%' ORDER BY id"
        )
    return [row["action"] for row in rows]
