"""Webhooks: 2xx only for what is stored; everything wrong gets a clear answer and leaves no row."""

import json
from typing import Any

import httpx
import pytest

from core.runtime import Runtime
from shared.embedded import EmbeddedEngines
from tests.core.api.conftest import TELEGRAM, Tenant
from tests.waiting import eventually

SECRET = "X-Telegram-Bot-Api-Secret-Token"
SIGNED = {SECRET: TELEGRAM["secret_token"]}


def update(number: int = 1, text: str = "hello") -> dict[str, Any]:
    person = {"id": 7, "is_bot": False, "first_name": "Grace"}
    chat = {"id": 7, "type": "private", "first_name": "Grace"}
    message = {"message_id": number, "date": 1_700_000_000, "chat": chat, "from": person}
    return {"update_id": number, "message": message | {"text": text}}


async def add_telegram(runtime: Runtime, tenant: Tenant, **settings: Any) -> str:
    account = await runtime.accounts.add(
        tenant.id,
        runtime.channels["telegram"],
        name="Bot",
        bot="coach",
        credentials=TELEGRAM,
        settings=settings,
    )
    return f"/webhooks/telegram/{account.route_key}"


@pytest.fixture
async def webhook(runtime: Runtime, ada: Tenant) -> str:
    return await add_telegram(runtime, ada)


async def texts(runtime: Runtime, tenant: Tenant) -> list[str]:
    async with runtime.database.transaction(tenant.id) as connection:
        rows = await connection.fetch("SELECT text FROM app.messages ORDER BY seq")
    return [row["text"] for row in rows]


async def test_an_update_is_stored_once(
    runtime: Runtime, ada: Tenant, client: httpx.AsyncClient, webhook: str
) -> None:
    for _ in range(3):
        response = await client.post(webhook, json=update(), headers=SIGNED)
        assert response.status_code == 200, response.text
    assert await texts(runtime, ada) == ["hello"]


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({}, json.dumps(update()), 401),
        ({SECRET: "wrong"}, json.dumps(update()), 401),
        ({SECRET: ""}, json.dumps(update()), 401),
        ({SECRET: "é".encode()}, json.dumps(update()), 401),
        ({SECRET: b"\xff\xfe"}, json.dumps(update()), 401),
        (SIGNED | {"Content-Encoding": "gzip"}, b"\x1f\x8b", 415),
        (SIGNED, b"x" * (1024 * 1024 + 1), 413),
        (SIGNED, b"[" * 100_000, 400),
        (SIGNED, b'{"update_id": NaN}', 400),
        (SIGNED, b'{"update_id": 1, "update_id": 2}', 400),
        (SIGNED, b"\xff", 400),
        (SIGNED, b"", 400),
        (SIGNED, b"[]", 200),
        (SIGNED, b'{"update_id": 5}', 200),
        (SIGNED, b'{"update_id": 6, "novelty": {"a": [1]}}', 200),
        (SIGNED, b'{"update_id": 7, "message": "not an object"}', 200),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_bad_requests_leave_no_row(
    runtime: Runtime,
    ada: Tenant,
    client: httpx.AsyncClient,
    webhook: str,
    headers: dict[str, Any],
    content: Any,
    status: int,
) -> None:
    response = await client.post(webhook, content=content, headers=headers)
    assert response.status_code == status, response.text
    assert await texts(runtime, ada) == []
    if status >= 400:
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["code"]
        assert "Traceback" not in response.text


async def test_a_body_is_refused_while_it_streams_in(
    client: httpx.AsyncClient, webhook: str
) -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while sent < 50:
            sent += 1
            yield b"x" * 100_000

    response = await client.post(webhook, content=endless(), headers=SIGNED)
    assert response.status_code == 413
    assert sent < 50


async def test_strange_characters_are_stored_readably(
    runtime: Runtime, ada: Tenant, client: httpx.AsyncClient, webhook: str
) -> None:
    body = json.dumps(update(text="a\x00b\ud800c"))
    assert (await client.post(webhook, content=body, headers=SIGNED)).status_code == 200
    assert await texts(runtime, ada) == ["ab\ufffdc"]


async def test_a_long_message_is_stored_whole(
    runtime: Runtime, ada: Tenant, client: httpx.AsyncClient, webhook: str
) -> None:
    await client.post(webhook, json=update(text="x" * 40_000), headers=SIGNED)
    assert [len(text) for text in await texts(runtime, ada)] == [40_000]


@pytest.mark.parametrize(
    "path",
    ["/webhooks/telegram/unknown", "/webhooks/pigeon/unknown", "/webhooks/telegram/%00"],
)
async def test_an_unknown_route_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    response = await client.post(path, json=update(), headers=SIGNED)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_a_route_of_another_type_is_not_found(client: httpx.AsyncClient, ada: Tenant) -> None:
    response = await client.post(f"/webhooks/telegram/{ada.route}", json=update(), headers=SIGNED)
    assert response.status_code == 404


async def test_another_tenants_secret_is_refused(
    runtime: Runtime, ada: Tenant, bob: Tenant, client: httpx.AsyncClient, webhook: str
) -> None:
    theirs = TELEGRAM | {"secret_token": "bobs-secret"}
    await runtime.accounts.add(
        bob.id, runtime.channels["telegram"], name="B", bot="coach", credentials=theirs, settings={}
    )
    response = await client.post(webhook, json=update(), headers={SECRET: "bobs-secret"})
    assert response.status_code == 401


async def test_get_is_not_allowed(client: httpx.AsyncClient, webhook: str) -> None:
    response = await client.get(webhook)
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE app.creators SET status = 'suspended'",
        "UPDATE app.channels SET status = 'disabled'",
    ],
)
async def test_a_closed_channel_takes_nothing_in_but_says_yes(
    runtime: Runtime, ada: Tenant, client: httpx.AsyncClient, webhook: str, statement: str
) -> None:
    async with runtime.database.transaction(ada.id) as connection:
        await connection.execute(statement)
    response = await client.post(webhook, json=update(), headers=SIGNED)
    assert response.status_code == 200
    assert await texts(runtime, ada) == []
    metrics = (await client.get("/metrics")).text
    assert f'cairn_dropped_total{{creator="{ada.id}",reason="inactive"}} 1.0' in metrics


async def test_a_flood_is_shed_with_a_time_to_come_back(
    runtime: Runtime, client: httpx.AsyncClient, webhook: str
) -> None:
    runtime.settings.limits.webhook_per_second = 1
    answers = [
        await client.post(webhook, json=update(number), headers=SIGNED) for number in range(1, 12)
    ]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert int(refused[0].headers["retry-after"]) >= 1
    assert refused[0].json()["code"] == "rate_limited"


async def test_without_a_database_it_says_when_to_come_back(
    runtime: Runtime,
    ada: Tenant,
    client: httpx.AsyncClient,
    webhook: str,
    engines: EmbeddedEngines,
) -> None:
    await client.post(webhook, json=update(1), headers=SIGNED)
    await engines.stop("postgres")
    try:
        response = await client.post(webhook, json=update(2), headers=SIGNED)
        assert response.status_code == 503, response.text
        assert int(response.headers["retry-after"]) >= 1
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["dependencies"]["postgres"]) == (503, "down")
        assert (await client.get("/healthz")).status_code == 200
    finally:
        await engines.start("postgres")

    async def is_back() -> bool:
        again = await client.post(webhook, json=update(2), headers=SIGNED)
        return again.status_code == 200

    await eventually(is_back)
    assert await texts(runtime, ada) == ["hello", "hello"]
