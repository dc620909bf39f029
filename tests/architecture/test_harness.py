"""The tools of the tests themselves: a guard that does not bite guards nothing."""

import asyncio
import socket

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from shared.settings import Settings
from tests import network
from tests.databases import DatabaseUrls
from tests.network import NetworkUsed
from tests.serving import serving
from tests.waiting import eventually


async def test_a_connect_to_another_machine_is_refused() -> None:
    with pytest.raises(NetworkUsed):
        await asyncio.open_connection("192.0.2.1", 80)
    assert network.refused == ["192.0.2.1"]
    network.refused.clear()


def test_a_name_of_another_machine_is_refused() -> None:
    with pytest.raises(NetworkUsed):
        socket.create_connection(("example.com", 80))
    network.refused.clear()


def test_an_invalid_name_fails_as_unknown() -> None:
    with pytest.raises(socket.gaierror):
        socket.create_connection(("nowhere.invalid", 80))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "bot.localhost", "127.9.9.9"])
def test_this_machine_is_local(host: str) -> None:
    assert network.is_local(host)


@pytest.mark.parametrize("host", ["10.0.0.1", "8.8.8.8", "localhost.example.com", "fe80::1%eth0"])
def test_others_are_not_local(host: str) -> None:
    assert not network.is_local(host)


async def test_the_closed_port_refuses_at_once(settings: Settings) -> None:
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(settings.ollama.host)


async def test_an_application_is_served_on_loopback() -> None:
    app = FastAPI()

    @app.get("/ping")
    async def ping() -> str:
        return "pong"

    async with serving(app) as base_url, httpx.AsyncClient() as client:
        assert (await client.get(f"{base_url}/ping")).json() == "pong"


async def test_waiting_ends_at_its_deadline() -> None:
    with pytest.raises(AssertionError, match=r"not within 0\.05 s"):
        await eventually(lambda: False, timeout=0.05)


async def test_strangers_may_not_connect_to_a_clone(database_urls: DatabaseUrls) -> None:
    connection = await asyncpg.connect(database_urls.admin)
    try:
        allowed = await connection.fetchval(
            "SELECT has_database_privilege('cairn_router', $1, 'CONNECT')", database_urls.name
        )
    finally:
        await connection.close()
    assert allowed is False
