"""Files of contacts over REST: taken in at once, worked on later, followed by their id."""

import gzip
import io
import zipfile
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from core.api.middleware import MEGABYTE
from core.runtime import Runtime
from tests.core.api.conftest import TELEGRAM, Tenant

PATH = "/api/v1/contacts/import"
FILE = b"address,name,consent_purposes,consent_evidence\n1001,Ada,broadcast,=cmd()\n,Bob,,\n"

HEAD = (
    '--b0undary\r\nContent-Disposition: form-data; name="channel_id"\r\n\r\n{channel}\r\n'
    '--b0undary\r\nContent-Disposition: form-data; name="file"; filename="p.csv"\r\n\r\n'
)


def zipped(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("people.csv", data)
    return buffer.getvalue()


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


BOMBS = {
    "endless line": (b"phone,name\n" + b"x" * 2_000_000, "bad_csv"),
    "endless header": (b"x" * 2_000_000, "bad_csv"),
    "open quote": (b'phone,name\n+14155550100,"Ada\n+14155550101,Bob\n', "bad_csv"),
    "endless open quote": (b'phone,name\n+14155550100,"' + b"Ada\n" * 100_000, "bad_csv"),
    "million columns": (b"phone" + b"," * 1_000_000 + b"\n+14155550100\n", "bad_csv"),
    "million values": (b"phone\n+14155550100" + b"," * 1_000_000, "bad_csv"),
    "wide": (b"phone" + b"," * 100 + b"\n+14155550100\n", "bad_columns"),
    "million lines": (b"phone\n" + b"\n" * 1_100_000, "too_many_lines"),
    "gzip": (gzip.compress(b"phone\n+14155550100\n" * 1000), "unsupported_media_type"),
    "zip": (zipped(b"phone\n+14155550100\n" * 1000), "unsupported_media_type"),
    "nul": (b"phone,name\n+14155550100,A\x00da\n", "unsupported_media_type"),
    "utf-16 line": (("phone\n" + "x" * 600_000).encode("utf-16"), "bad_csv"),
    "utf-32": ("phone\n+14155550100\n".encode("utf-32"), "unsupported_media_type"),
}


@pytest.mark.parametrize("kind", BOMBS)
async def test_a_bomb_is_refused_whole(ada: Tenant, channel: str, kind: str) -> None:
    data, code = BOMBS[kind]
    refused = await send(ada, channel, data)
    assert (refused.status_code, refused.json()["code"]) == (422, code), refused.text
    assert refused.headers["content-type"] == "application/problem+json"
    assert len(refused.content) < 1000
    assert (await ada.api.get(PATH)).json()["items"] == []


async def test_an_endless_body_is_cut_off(ada: Tenant, channel: str) -> None:
    """A line of 50 MB, of which most is never sent."""
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        yield HEAD.format(channel=channel).encode()
        for _ in range(50):
            sent += 1
            yield b"x" * MEGABYTE

    headers = {"Content-Type": "multipart/form-data; boundary=b0undary"}
    refused = await ada.api.post(PATH, content=body(), headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (413, "payload_too_large")
    assert sent <= 13
    assert (await ada.api.get(PATH)).json()["items"] == []


async def test_a_file_as_spreadsheets_save_it_is_taken_in(
    runtime: Runtime, ada: Tenant, channel: str
) -> None:
    """UTF-16 with its mark, as Excel's "Unicode text" is; names as an export marks them."""
    text = "address\tname\n1001\tZoë\n1002\t'=Ada\n"
    accepted = await send(ada, channel, text.encode("utf-16"))
    assert accepted.status_code == 202, accepted.text
    await runtime.contact_imports.advance(ada.id, UUID(accepted.json()["id"]))
    people = (await ada.api.get("/api/v1/contacts")).json()["items"]
    assert {person["name"] for person in people} == {"Zoë", "=Ada"}


async def test_json_is_no_file(ada: Tenant) -> None:
    assert (await ada.api.post(PATH, json={})).status_code == 415


async def test_another_creators_channel_and_import_are_not_found(
    ada: Tenant, bob: Tenant, channel: str
) -> None:
    assert (await send(bob, channel)).status_code == 404
    accepted = await send(ada, channel)
    assert (await bob.api.get(f"{PATH}/{accepted.json()['id']}")).status_code == 404
    assert (await bob.api.get(PATH)).json()["items"] == []
