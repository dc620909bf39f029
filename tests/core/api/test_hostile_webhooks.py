"""Every channel's webhook under abuse: each case its clear answer, no 500, no row, no effect."""

import gzip
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest

from core.loader import load_channels
from core.runtime import Runtime
from shared.richtext import from_markdown
from tests.core.api.conftest import BASE_URL, Tenant, drain
from tests.core.api.platforms import PLATFORMS, SLACK, TELEGRAM, Json, Platform

MEGABYTE = 1024 * 1024


@dataclass(kw_only=True)
class Door:
    """One creator's webhook on one platform, and what came in by it."""

    platform: Platform
    client: httpx.AsyncClient
    runtime: Runtime
    tenant: Tenant
    path: str

    def signed(
        self, body: bytes, *, at: int | None = None, secrets: dict[str, str] | None = None
    ) -> dict[str, str]:
        secrets = secrets or self.platform.credentials
        moment = int(time.time()) if at is None else at
        headers = self.platform.sign(body, f"{BASE_URL}{self.path}", secrets, moment)
        return {"Content-Type": self.platform.content_type} | headers

    async def post(self, body: bytes, headers: dict[str, Any] | None = None) -> httpx.Response:
        """Signed as the platform signs, unless other headers are given."""
        headers = self.signed(body) if headers is None else headers
        response = await self.client.post(self.path, content=body, headers=headers)
        assert response.status_code < 500, response.text
        assert "Traceback" not in response.text
        if response.status_code >= 400:
            assert response.headers["content-type"] == "application/problem+json"
            assert response.json()["code"]
        return response

    async def says(self, text: str, number: int = 1) -> httpx.Response:
        return await self.post(self.platform.encode(self.platform.says(text, number)))

    async def texts(self, direction: str = "in") -> list[str]:
        async with self.runtime.database.transaction(self.tenant.id) as connection:
            rows = await connection.fetch(
                "SELECT text FROM app.messages WHERE direction = $1 ORDER BY seq", direction
            )
        return [row["text"] for row in rows]

    async def answered(self) -> list[str]:
        async with self.runtime.database.transaction(self.tenant.id) as connection:
            conversation: UUID = await connection.fetchval("SELECT id FROM app.ai_conversations")
        await drain(self.runtime, self.tenant.id, conversation)
        return await self.texts("out")


@pytest.fixture
async def door(
    request: pytest.FixtureRequest,
    runtime: Runtime,
    client: httpx.AsyncClient,
    ada: Tenant,
    closed_port: int,
) -> Door:
    platform = PLATFORMS[request.param]
    runtime.settings.limits.webhook_per_second = 1e6
    account = await runtime.accounts.add(
        ada.id,
        runtime.channels[platform.type],
        name="Bot",
        bot="coach",
        credentials=platform.credentials,
        settings={"api_base_url": f"http://127.0.0.1:{closed_port}/"},
    )
    path = f"/webhooks/{platform.type}/{account.route_key}"
    return Door(platform=platform, client=client, runtime=runtime, tenant=ada, path=path)


each = pytest.mark.parametrize("door", PLATFORMS, indirect=True)


def on(*platforms: Platform) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("door", [p.type for p in platforms], indirect=True)


def test_every_channel_with_a_webhook_is_abused_here() -> None:
    pushed = {n for n, c in load_channels().items() if c.capabilities.delivery == "push"}
    assert set(PLATFORMS) == pushed


# --- who signs


@each
async def test_a_signed_message_is_stored(door: Door) -> None:
    """Without which no refusal below would mean anything."""
    assert (await door.says("hello")).status_code == 200
    assert await door.texts() == ["hello"]


@each
async def test_an_unsigned_message_is_refused(door: Door) -> None:
    body = door.platform.encode(door.platform.says("hello", 1))
    response = await door.post(body, {"Content-Type": door.platform.content_type})
    assert response.status_code == 401
    assert await door.texts() == []


@each
@pytest.mark.parametrize(
    "value", ["", "wrong", "v0=", "0" * 64, "é".encode(), b"\xff\xfe", "9" * 5000, "v0=" + "é" * 64]
)
async def test_a_wrong_signature_is_refused(door: Door, value: str | bytes) -> None:
    body = door.platform.encode(door.platform.says("hello", 1))
    raw = value.encode() if isinstance(value, str) else value
    names = [name for name in door.signed(body) if "Content" not in name]
    for wrong in names:  # each alone, and then all together
        headers = {name: v.encode() for name, v in door.signed(body).items()} | {wrong: raw}
        assert (await door.post(body, headers)).status_code == 401
    everything = {"Content-Type": door.platform.content_type.encode()} | dict.fromkeys(names, raw)
    assert (await door.post(body, everything)).status_code == 401
    assert await door.texts() == []


@each
async def test_another_creators_signature_is_refused(door: Door, bob: Tenant) -> None:
    """Bob is a customer too, and signs what he posts to Ada's address with his own secret."""
    platform = door.platform
    await door.runtime.accounts.add(
        bob.id,
        door.runtime.channels[platform.type],
        name="B",
        bot="coach",
        credentials=platform.others,
        settings={},
    )
    body = platform.encode(platform.says("hello", 1))
    theirs = door.signed(body, secrets=platform.others)
    assert (await door.post(body, theirs)).status_code == 401
    assert await door.texts() == []


@on(*(platform for platform in PLATFORMS.values() if platform.signs_body))
async def test_a_body_that_was_written_anew_is_refused(door: Door) -> None:
    """Also one that says the same in other bytes: JSON with spaces, a form with another value."""
    body = door.platform.encode(door.platform.says("hello", 1))
    headers = door.signed(body)
    if door.platform.is_form:
        again = body.replace(b"hello", b"hellO")
    else:
        again = json.dumps(json.loads(body), indent=1).encode()
    assert again != body
    assert (await door.post(again, headers)).status_code == 401
    assert await door.texts() == []


@on(SLACK)
@pytest.mark.parametrize(
    "timestamp",
    ["abc", "", "9" * 5000, "-1", "1e9", "٣", "0x10", " ", "nan", "1.5"],
    ids=["word", "none", "long", "minus", "exp", "arabic", "hex", "space", "nan", "fraction"],
)
async def test_a_timestamp_that_is_none_is_refused(door: Door, timestamp: str) -> None:
    body = door.platform.encode(door.platform.says("hello", 1))
    headers = door.signed(body) | {"X-Slack-Request-Timestamp": timestamp.encode()}
    assert (await door.post(body, headers)).status_code == 401


@on(SLACK)
@pytest.mark.parametrize(("seconds", "status"), [(-360, 401), (360, 401), (-240, 200), (240, 200)])
async def test_a_signature_holds_for_five_minutes(door: Door, seconds: int, status: int) -> None:
    body = door.platform.encode(door.platform.says("hello", 1))
    headers = door.signed(body, at=int(time.time()) + seconds)
    assert (await door.post(body, headers)).status_code == status
    assert await door.texts() == (["hello"] if status == 200 else [])


@each
async def test_a_replay_changes_nothing(door: Door) -> None:
    body = door.platform.encode(door.platform.says("/help", 1))
    headers = door.signed(body)
    for _ in range(3):
        assert (await door.post(body, headers)).status_code == 200
    assert await door.texts() == ["/help"]
    assert len(await door.answered()) == 1


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS)
async def test_an_empty_secret_is_not_saved(ada: Tenant, platform: Platform) -> None:
    for empty in ({**platform.credentials, platform.secret: ""}, {}):
        response = await ada.api.post(
            "/api/v1/channels",
            json={"type": platform.type, "name": "B", "bot": "coach", "credentials": empty},
        )
        assert response.status_code == 422, response.text
        assert not any(secret in response.text for secret in platform.credentials.values())


# --- what is posted


@each
async def test_more_than_a_megabyte_is_refused(door: Door) -> None:
    body = door.platform.encode(door.platform.says("x" * (MEGABYTE + 1), 1))
    assert (await door.post(body)).status_code == 413


@each
async def test_an_encoded_body_is_refused(door: Door) -> None:
    body = gzip.compress(door.platform.encode(door.platform.says("hello", 1)))
    headers = door.signed(body) | {"Content-Encoding": "gzip"}
    assert (await door.post(body, headers)).status_code == 415


BROKEN = {
    "deep": b"[" * 100_000,
    "deep objects": b'{"a":' * 50_000,
    "nan": b'{"update_id": NaN, "type": NaN}',
    "infinity": b'{"update_id": -Infinity}',
    "twice": b'{"type": "event_callback", "type": "event_callback"}',
    "long number": b'{"update_id": ' + b"9" * 10_000 + b"}",
    "half": b'{"update_id": 1',
    "no utf-8": b'{"type": "\xff"}',
    "nothing": b"",
    "a byte order mark": b"\xef\xbb\xbf[",
}


@each
@pytest.mark.parametrize("body", BROKEN.values(), ids=list(BROKEN))
async def test_a_broken_body_is_refused(door: Door, body: bytes) -> None:
    """A form can't be broken: it only fails to say anything."""
    expected = 200 if door.platform.is_form else 400
    assert (await door.post(body)).status_code == expected
    assert await door.texts() == []


@each
async def test_a_strange_payload_is_ignored(door: Door) -> None:
    for payload in door.platform.strange:
        response = await door.post(door.platform.encode(payload))
        assert response.status_code == 200, payload
    assert await door.texts() == []


@each
async def test_what_bots_write_is_ignored(door: Door) -> None:
    for payload in door.platform.own:
        assert (await door.post(door.platform.encode(payload))).status_code == 200
    assert await door.texts() == []


HOSTILE: tuple[Any, ...] = (
    *(None, True, -1, 10**300, 1e300, "", "x" * 5000, "\x00", "\ud800", "٣", "<!channel>"),
    *([], {}, [[]], [None], {"id": None}, {"\x00": "\ud800"}),
)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything inside, containers too."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from leaves(inner, (*path, key))


def replaced(payload: Json, path: tuple[Any, ...], value: Any) -> Json:
    changed: Json = json.loads(json.dumps(payload))
    inner: Any = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


@each
@pytest.mark.parametrize("kind", ["words", "alone"])
async def test_no_field_can_hurt(door: Door, kind: str) -> None:
    """Each field of a signed payload in turn holds each hostile value; `post` asserts no 500."""
    payload = door.platform.says("hello", 1) if kind == "words" else door.platform.alone
    for path in leaves(payload):
        for value in HOSTILE:
            if door.platform.is_form and not isinstance(value, str):
                continue
            response = await door.post(door.platform.encode(replaced(payload, path, value)))
            assert response.status_code == 200, (path, value, response.text)


@each
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data", "", "é"])
async def test_no_content_type_can_hurt(door: Door, kind: str) -> None:
    body = door.platform.encode(door.platform.says("hello", 1))
    response = await door.post(body, door.signed(body) | {"Content-Type": kind.encode()})
    assert response.status_code in (200, 400, 401)


# --- what is stored


@each
async def test_strange_characters_are_stored_readably(door: Door) -> None:
    assert (await door.says("a\x00b\ud800c")).status_code == 200
    [text] = await door.texts()
    assert text.replace("\ufffd", "") == "abc"
    assert "\ufffd" in text


@each
async def test_a_long_message_is_stored_whole(door: Door) -> None:
    assert (await door.says("x" * 40_000)).status_code == 200
    assert [len(text) for text in await door.texts()] == [40_000]


@each
async def test_a_picture_or_voice_alone_gets_one_polite_line(door: Door) -> None:
    body = door.platform.encode(door.platform.alone)
    assert (await door.post(body)).status_code == 200
    [text] = await door.answered()
    assert "in words" in text


@on(TELEGRAM)
async def test_a_name_with_markup_stays_a_name(door: Door) -> None:
    """Of the platforms, only this one tells the name with the message."""
    name = "[*free*](https://evil.example) {{7*7}} <b>"
    payload = door.platform.says("/start", 1)
    payload["message"]["from"]["first_name"] = name
    assert (await door.post(door.platform.encode(payload))).status_code == 200
    [text] = await door.answered()
    greeting = from_markdown(text)
    assert name in greeting.text
    assert "link" not in {mark.kind for mark in greeting.marks}


@each
async def test_words_with_markup_are_only_words(door: Door) -> None:
    words = "<!channel> <@U07ADA01> [a](https://evil.example) {{7*7}} ${x} %s <script>"
    assert (await door.says(f"/goal {words}")).status_code == 200
    await door.answered()
    assert (await door.says(words, 2)).status_code == 200
    answers = await door.answered()
    assert "49" not in "".join(answers)


# --- where it is posted


@each
async def test_an_unknown_route_is_not_found(door: Door) -> None:
    body = door.platform.encode(door.platform.says("hello", 1))
    for path in (f"/webhooks/{door.platform.type}/unknown", door.path + "x", door.path[:-1]):
        response = await door.client.post(path, content=body, headers=door.signed(body))
        assert (response.status_code, response.json()["code"]) == (404, "not_found")


@each
async def test_get_is_not_allowed(door: Door) -> None:
    response = await door.client.get(door.path)
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")


@each
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE app.creators SET status = 'suspended'",
        "UPDATE app.channels SET status = 'disabled'",
    ],
    ids=["suspended", "disabled"],
)
async def test_a_closed_channel_takes_nothing_in_but_says_yes(door: Door, statement: str) -> None:
    async with door.runtime.database.transaction(door.tenant.id) as connection:
        await connection.execute(statement)
    assert (await door.says("hello")).status_code == 200
    assert await door.texts() == []
    metrics = (await door.client.get("/metrics")).text
    assert f'cairn_dropped_total{{creator="{door.tenant.id}",reason="inactive"}} 1.0' in metrics


@each
async def test_a_closed_channel_still_checks_who_signs(door: Door) -> None:
    async with door.runtime.database.transaction(door.tenant.id) as connection:
        await connection.execute("UPDATE app.creators SET status = 'suspended'")
    body = door.platform.encode(door.platform.says("hello", 1))
    headers = {"Content-Type": door.platform.content_type}
    assert (await door.post(body, headers)).status_code == 401
