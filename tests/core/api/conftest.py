"""A gateway over real engines, its clients, and creators with channels to talk to."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from core.creators import NewCreator, add_creator
from core.runtime import Runtime, open_runtime
from shared.settings import Settings
from tests.gateway import new_gateway
from tests.serving import serving
from tests.waiting import eventually

BASE_URL = "http://cairn.test"
TELEGRAM = {"bot_token": "123456789:" + "a" * 35, "secret_token": "s3cret-of-the-webhook"}


@dataclass(frozen=True, kw_only=True)
class Tenant:
    """A creator, a client that carries its API key, and its web channel."""

    id: UUID
    api: httpx.AsyncClient
    web: dict[str, Any]
    api_key: str

    @property
    def route(self) -> str:
        return str(self.web["route_key"])


@pytest.fixture
async def runtime(settings: Settings) -> AsyncIterator[Runtime]:
    settings = settings.model_copy(update={"public_base_url": BASE_URL})
    async with open_runtime(settings) as opened:
        yield opened


@pytest.fixture
def app(runtime: Runtime) -> FastAPI:
    return new_gateway(runtime)


@pytest.fixture
async def base_url(app: FastAPI) -> AsyncIterator[str]:
    """The gateway on a real port."""
    async with serving(app) as url:
        yield url


Connect = Callable[..., httpx.AsyncClient]


@pytest.fixture
async def connect(app: FastAPI) -> AsyncIterator[Connect]:
    """Clients of the application, without a port in between."""
    clients: list[httpx.AsyncClient] = []

    def open_client(**headers: str) -> httpx.AsyncClient:
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url=BASE_URL, headers=headers
        )
        clients.append(client)
        return client

    yield open_client
    for client in clients:
        await client.aclose()


@pytest.fixture
def client(connect: Connect) -> httpx.AsyncClient:
    """Somebody without any key."""
    return connect()


@pytest.fixture
async def ada(runtime: Runtime, connect: Connect) -> Tenant:
    return await make_tenant(runtime, connect, "Ada")


@pytest.fixture
async def bob(runtime: Runtime, connect: Connect) -> Tenant:
    return await make_tenant(runtime, connect, "Bob")


async def make_tenant(runtime: Runtime, connect: Connect, name: str) -> Tenant:
    creator: NewCreator = await add_creator(runtime.database, name)
    api = connect(Authorization=f"Bearer {creator.api_key}")
    web = await runtime.accounts.add(
        creator.id, runtime.channels["web"], name=name, bot="coach", credentials={}, settings={}
    )
    shown = {"id": str(web.channel_id), "route_key": web.route_key}
    return Tenant(id=creator.id, api=api, web=shown, api_key=creator.api_key)


@dataclass(kw_only=True)
class Visitor:
    """A visitor's page: an open session, and what it can do."""

    client: httpx.AsyncClient
    route: str
    token: str
    conversation_id: UUID

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def post(self, body: dict[str, Any]) -> httpx.Response:
        return await self.client.post(
            f"/chat/{self.route}/messages", json=body, headers=self.headers
        )

    async def messages(self, after: int = 0) -> list[dict[str, Any]]:
        response = await self.client.get(
            f"/chat/{self.route}/messages", params={"after": after}, headers=self.headers
        )
        assert response.status_code == 200, response.text
        items: list[dict[str, Any]] = response.json()["items"]
        return items


async def visit(client: httpx.AsyncClient, route: str) -> Visitor:
    response = await client.post(f"/chat/{route}/sessions", json={})
    assert response.status_code == 201, response.text
    body = response.json()
    return Visitor(
        client=client,
        route=route,
        token=body["token"],
        conversation_id=UUID(body["conversation_id"]),
    )


@pytest.fixture
async def visitor(client: httpx.AsyncClient, ada: Tenant) -> Visitor:
    return await visit(client, ada.route)


async def drain(runtime: Runtime, creator_id: UUID, conversation_id: UUID) -> None:
    """Run this conversation's turns to the end, as a worker would."""

    async def is_done() -> bool:
        await runtime.engine.take_turn(creator_id, conversation_id)
        async with runtime.database.transaction(creator_id) as connection:
            pending: int = await connection.fetchval(
                "SELECT count(*) FROM app.messages WHERE conversation_id = $1"
                " AND direction = 'in' AND status = 'pending'",
                conversation_id,
            )
        return pending == 0

    await eventually(is_done)
