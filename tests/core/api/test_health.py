"""Alive, ready, counted; and every response named, hardened and free of tracebacks."""

import httpx
import pytest
from fastapi import FastAPI

from tests.core.api.conftest import Connect, Tenant
from tests.waiting import eventually


async def test_alive(client: httpx.AsyncClient) -> None:
    response = await client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_ready_without_ollama_is_degraded(client: httpx.AsyncClient) -> None:
    expected = {"postgres": "ok", "redis": "ok", "chroma": "ok", "ollama": "degraded"}

    async def is_as_expected() -> bool:
        response = await client.get("/readyz")
        assert (response.status_code, response.json()["status"]) == (200, "degraded")
        return bool(response.json()["dependencies"] == expected)

    await eventually(is_as_expected)  # a busy machine may answer a first probe too late


async def test_metrics_name_routes_by_their_pattern(client: httpx.AsyncClient, ada: Tenant) -> None:
    await client.get(f"/chat/{ada.route}/messages")
    text = (await client.get("/metrics")).text
    assert 'route="/chat/{route_key}/messages",status="401"' in text
    assert ada.route not in text


@pytest.mark.parametrize(
    ("sent", "is_kept"),
    [("abc-123", True), ("", False), ("a b", False), ("x" * 65, False), ("a<b>", False)],
)
async def test_a_request_keeps_a_sane_id(
    client: httpx.AsyncClient, sent: str, is_kept: bool
) -> None:
    response = await client.get("/nowhere", headers={"X-Request-ID": sent})
    assert (response.headers["x-request-id"] == sent) is is_kept
    assert response.json()["request_id"] == response.headers["x-request-id"]


async def test_an_unforeseen_error_tells_nothing(app: FastAPI, connect: Connect) -> None:
    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("the password is hunter2")

    app.router.routes.insert(0, app.router.routes.pop())
    response = await connect().get("/broken")
    assert response.status_code == 500
    assert response.json()["code"] == "internal_error"
    assert "hunter2" not in response.text
    assert response.json()["request_id"] == response.headers["x-request-id"]


async def test_the_schema_is_served(client: httpx.AsyncClient) -> None:
    response = await client.get("/openapi.json")
    assert response.status_code == 200
    assert "/api/v1/channels" in response.json()["paths"]
