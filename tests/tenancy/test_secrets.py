"""Secrets at rest: nothing readable in a dump, nothing that opens for another, keys that rotate."""

import base64
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from adapters.telegram.emulator import TelegramEmulator
from core.creators import NewCreator, add_creator
from core.credentials import rotate_credentials
from core.runtime import Runtime, open_runtime
from shared.errors import SecretError
from shared.settings import Settings
from tests.apps import App, quick, working
from tests.databases import DatabaseUrls
from tests.gateway import new_gateway
from tests.serving import serving
from tests.waiting import eventually

TELEGRAM = {"bot_token": "123456789:" + "q" * 35, "secret_token": "s3cret-of-the-webhook"}


def new_key(name: str) -> str:
    return f"{name}:{base64.b64encode(os.urandom(32)).decode()}"


@asynccontextmanager
async def as_superuser(urls: DatabaseUrls) -> AsyncIterator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(urls.admin)
    try:
        yield connection
    finally:
        await connection.close()


async def dump(urls: DatabaseUrls) -> dict[str, str]:
    """Every row of every table, as a thief of the whole database reads it."""
    async with as_superuser(urls) as connection:
        tables = await connection.fetch(
            "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables"
            " WHERE schemaname IN ('app', 'queue', 'public')"
        )
        dumped = {}
        for table in tables:
            query = f"SELECT t::text AS row FROM {table['name']} t"  # noqa: S608 - from the catalog
            rows = await connection.fetch(query)
            dumped[table["name"]] = "\n".join(row["row"] for row in rows)
    return dumped


async def add_telegram(runtime: Runtime, creator: NewCreator) -> UUID:
    account = await runtime.accounts.add(
        creator.id,
        runtime.channels["telegram"],
        name="Bot",
        bot="coach",
        credentials=TELEGRAM,
        settings={},
    )
    return account.channel_id


@pytest.fixture
async def runtime(settings: Settings) -> AsyncIterator[Runtime]:
    async with open_runtime(settings) as opened:
        yield opened


async def test_a_dump_of_every_table_holds_no_secret(
    runtime: Runtime, settings: Settings, database_urls: DatabaseUrls
) -> None:
    creator = await add_creator(runtime.database, "Ada")
    await add_telegram(runtime, creator)
    dumped = await dump(database_urls)
    assert creator.api_key.split("_")[1] in dumped["app.api_keys"]  # the public prefix: it is read
    assert "v1:" in dumped["app.channels"]
    assert settings.secret_keys is not None
    key = settings.secret_keys.get_secret_value().partition(":")[2]
    secrets = [*TELEGRAM.values(), creator.api_key, creator.api_key.split("_")[2], key]
    # PostgreSQL shows bytes in hexadecimal.
    written = [*secrets, *(secret.encode().hex() for secret in secrets)]
    assert [(name, s) for name, text in dumped.items() for s in written if s in text] == []


async def test_a_moved_ciphertext_opens_for_nobody(
    runtime: Runtime, settings: Settings, database_urls: DatabaseUrls
) -> None:
    ada, bob = [await add_creator(runtime.database, name) for name in ("Ada", "Bob")]
    adas, bobs = await add_telegram(runtime, ada), await add_telegram(runtime, bob)
    async with as_superuser(database_urls) as connection:
        await connection.execute(
            "UPDATE app.channels SET credentials = (SELECT credentials FROM app.channels"
            " WHERE id = $1) WHERE id = $2",
            adas,
            bobs,
        )
    with pytest.raises(SecretError):
        await runtime.accounts.get(bob.id, bobs)
    assert (await runtime.accounts.get(ada.id, adas)).account.credentials == TELEGRAM


async def test_an_unreadable_channel_is_told_plainly_and_takes_new_credentials(
    runtime: Runtime, database_urls: DatabaseUrls
) -> None:
    creator = await add_creator(runtime.database, "Ada")
    channel_id = await add_telegram(runtime, creator)
    async with as_superuser(database_urls) as connection:
        await connection.execute("UPDATE app.channels SET credentials = 'v1:gone:AAAA:AAAA'")
        route = await connection.fetchval("SELECT route_key FROM app.channels")
    headers = {"Authorization": f"Bearer {creator.api_key}"}
    transport = httpx.ASGITransport(new_gateway(runtime))
    async with httpx.AsyncClient(transport=transport, base_url="http://cairn.test") as client:
        webhook = f"/webhooks/telegram/{route}"
        refused = await client.post(webhook, json={"update_id": 1})
        # The platform keeps the update and sends it again once the key is back.
        assert (refused.status_code, refused.json()["code"]) == (503, "secret_unreadable")
        assert "keys" in refused.json()["detail"]
        path = f"/api/v1/channels/{channel_id}"
        assert (await client.get(path, headers=headers)).json()["credentials"] == {}
        connected = await client.post(f"{path}/connect", headers=headers)
        assert (connected.status_code, connected.json()["code"]) == (503, "secret_unreadable")
        mended = await client.patch(path, json={"credentials": TELEGRAM}, headers=headers)
        assert mended.status_code == 200, mended.text
        again = await client.post(
            webhook,
            json={"update_id": 1},
            headers={"X-Telegram-Bot-Api-Secret-Token": TELEGRAM["secret_token"]},
        )
        assert again.status_code == 200, again.text


async def test_rotation_goes_on_sending_and_the_old_key_can_go(settings: Settings) -> None:
    """Old key alone, both keys, then the new one alone: each answers on the same channel."""
    old, new = new_key("old"), new_key("new")
    telegram = TelegramEmulator()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(telegram.close)
        base_url = await stack.enter_async_context(serving(telegram, lifespan="off"))
        creator: NewCreator | None = None
        for stage, keys in enumerate((old, f"{new},{old}", new)):
            changed = quick(settings, secret_keys=SecretStr(keys))
            async with open_runtime(changed) as runtime, working(runtime):
                creator = creator or await add_creator(runtime.database, "Ada")
                app = App(runtime=runtime, creator_id=creator.id)
                assert creator is not None
                if stage == 0:
                    await _add_polled(app, telegram, base_url)
                await telegram.says("/help")
                await _answered(telegram, stage + 1)
                if stage == 1:
                    assert await rotate_credentials(runtime.database, runtime.keys, creator.id) == 1
                    assert await rotate_credentials(runtime.database, runtime.keys, creator.id) == 0


async def _add_polled(app: App, telegram: TelegramEmulator, base_url: str) -> None:
    credentials = {"bot_token": telegram.token, "secret_token": "s3cret"}
    await app.add_channel("telegram", credentials=credentials, api_base_url=base_url, mode="poll")


async def _answered(telegram: TelegramEmulator, count: int) -> None:
    await eventually(lambda: len(telegram.sent) >= count)
