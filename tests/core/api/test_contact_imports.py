"""Files of contacts over REST: taken in at once, worked on later, followed by their id."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from core.runtime import Runtime
from tests.core.api.conftest import TELEGRAM, Tenant

PATH = "/api/v1/contacts/import"
FILE = b"address,name,consent_purposes,consent_evidence\n1001,Ada,broadcast,=cmd()\n,Bob,,\n"


@pytest.fixture
async def channel(runtime: Runtime, ada: Tenant) -> str:
    adapter = runtime.channels["telegram"]
    account = await runtime.accounts.add(
        ada.id, adapter, name="t", bot="coach", credentials=TELEGRAM, settings={}
    )
    return str(account.channel_id)


async def send(tenant: Tenant, channel: str, data: bytes = FILE, **fields: Any) -> httpx.Response:
    form = {"channel_id": channel} | fields
    return await tenant.api.post(PATH, data=form, files={"file": ("people.csv", data)})


async def test_a_file_is_taken_in_and_followed(runtime: Runtime, ada: Tenant, channel: str) -> None:
    accepted = await send(ada, channel)
    assert (accepted.status_code, accepted.json()["status"]) == (202, "waiting")
    path = f"{PATH}/{accepted.json()['id']}"
    shown = (await ada.api.get(path)).json()
    assert (shown["status"], shown["total"], shown["done"]) == ("waiting", 2, 0)
    await runtime.contact_imports.advance(ada.id, UUID(accepted.json()["id"]))
    shown = (await ada.api.get(path)).json()
    assert (shown["status"], shown["done"], shown["added"]) == ("done", 2, 1)
    assert (shown["refused_count"], shown["refused"][0]["line"]) == (1, 3)
    assert [one["id"] for one in (await ada.api.get(PATH)).json()["items"]] == [shown["id"]]
    contact = (await ada.api.get("/api/v1/contacts")).json()["items"][0]
    consents = await ada.api.get(f"/api/v1/contacts/{contact['id']}/consents")
    [event] = consents.json()["events"]["items"]
    assert (event["source"], event["evidence"]["text"]) == ("import", "=cmd()")


@pytest.mark.parametrize(
    ("data", "fields", "status", "code"),
    [
        (b"name\nAda\n", {}, 422, "no_address_column"),
        (FILE, {"channel_id": "x"}, 422, "bad_channel_id"),
        (FILE, {"creator_id": "x"}, 422, "unknown_field"),
        (FILE, {"channel_id": str(uuid4())}, 404, "not_found"),
        (b"phone\n" + b"1" * 13_000_000, {}, 413, "payload_too_large"),
    ],
    ids=["no column", "bad id", "unknown field", "unknown channel", "too large"],
)
async def test_what_cannot_be_taken_in(
    ada: Tenant, channel: str, data: bytes, fields: dict[str, str], status: int, code: str
) -> None:
    response = await send(ada, channel, data, **fields)
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
    assert (await ada.api.get(PATH)).json()["items"] == []


async def test_json_is_no_file(ada: Tenant) -> None:
    assert (await ada.api.post(PATH, json={})).status_code == 415


async def test_another_creators_channel_and_import_are_not_found(
    ada: Tenant, bob: Tenant, channel: str
) -> None:
    assert (await send(bob, channel)).status_code == 404
    accepted = await send(ada, channel)
    assert (await bob.api.get(f"{PATH}/{accepted.json()['id']}")).status_code == 404
    assert (await bob.api.get(PATH)).json()["items"] == []
