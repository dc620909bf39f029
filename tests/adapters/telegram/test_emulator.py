"""The emulated Bot API: limits, error bodies, forms and JSON, people, faults, the log."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from adapters.telegram.emulator import DEFAULT_TOKEN, TelegramEmulator
from core.channels import Account
from tests.serving import serving
from tests.waiting import eventually


class Api:
    """Calls methods as a bare HTTP client would."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def __call__(self, method: str, token: str = DEFAULT_TOKEN, **params: Any) -> Any:
        response = await self.client.post(f"/bot{token}/{method}", json=params)
        body = response.json()
        assert response.status_code == body.get("error_code", 200)
        return body

    async def refusal(self, method: str, **params: Any) -> tuple[int, str]:
        body = await self(method, **params)
        assert body["ok"] is False
        return body["error_code"], body["description"]


@pytest.fixture
async def api(account: Account) -> AsyncIterator[Api]:
    async with httpx.AsyncClient(base_url=str(account.api_base_url), trust_env=False) as client:
        yield Api(client)


async def test_get_me_names_the_bot(api: Api) -> None:
    body = await api("getMe")

    assert body["ok"] is True
    assert body["result"] == {
        "id": 123456,
        "is_bot": True,
        "first_name": "Emulated",
        "username": "emulated_bot",
    }


async def test_json_urlencoded_multipart_and_query_say_the_same(
    emulator: TelegramEmulator, api: Api
) -> None:
    await emulator.says("hello")
    entities = [{"type": "bold", "offset": 0, "length": 2}]
    form = {"chat_id": "1001", "text": "hi", "entities": json.dumps(entities)}
    path = f"/bot{DEFAULT_TOKEN}/sendMessage"

    await api.client.post(path, json=form | {"chat_id": 1001, "entities": entities})
    await api.client.post(path, data=form)
    await api.client.post(path, files={key: (None, value) for key, value in form.items()})
    await api.client.get(path, params=form)

    assert emulator.texts(1001) == ["hi"] * 4
    assert [sent.params["entities"] for sent in emulator.sent] == [entities] * 4


@pytest.mark.parametrize(
    ("method", "params", "code", "description"),
    [
        ("sendMessage", {"chat_id": 5, "text": "x"}, 400, "Bad Request: chat not found"),
        ("sendMessage", {"text": "x"}, 400, "Bad Request: chat_id is empty"),
        ("sendMessage", {"chat_id": 1001}, 400, "Bad Request: message text is empty"),
        (
            "sendMessage",
            {"chat_id": 1001, "text": " \n"},
            400,
            "Bad Request: message text is empty",
        ),
        (
            "sendMessage",
            {"chat_id": 1001, "text": "👋" * 2049},
            400,
            "Bad Request: message is too long",
        ),
        (
            "sendMessage",
            {
                "chat_id": 1001,
                "text": "x",
                "reply_markup": {"inline_keyboard": [[{"text": "b", "callback_data": "é" * 33}]]},
            },
            400,
            "Bad Request: BUTTON_DATA_INVALID",
        ),
        (
            "sendMessage",
            {
                "chat_id": 1001,
                "text": "ab",
                "entities": [{"type": "bold", "offset": 1, "length": 2}],
            },
            400,
            "Bad Request: ENTITY_BOUNDS_INVALID",
        ),
        (
            "sendMessage",
            {
                "chat_id": 1001,
                "text": "👋",
                "entities": [{"type": "bold", "offset": 1, "length": 1}],
            },
            400,
            "Bad Request: entity begins or ends in a middle of a UTF-16 symbol",
        ),
        (
            "sendMessage",
            {"chat_id": 1001, "text": "x", "entities": "[{"},
            400,
            "Bad Request: can't parse entities JSON object",
        ),
        (
            "editMessageText",
            {"chat_id": 1001, "message_id": 99, "text": "x"},
            400,
            "Bad Request: message to edit not found",
        ),
        (
            "deleteMessage",
            {"chat_id": 1001, "message_id": 99},
            400,
            "Bad Request: message to delete not found",
        ),
        ("sendChatAction", {"chat_id": 5, "action": "typing"}, 400, "Bad Request: chat not found"),
        ("setWebhook", {"url": "ftp://x"}, 400, "Bad Request: bad webhook: invalid URL"),
        ("getUpdates", {"offset": "x"}, 400, "Bad Request: invalid offset specified"),
        ("noSuchMethod", {}, 404, "Not Found"),
        ("sendMessage", {"token": "1:UNKNOWN"}, 401, "Unauthorized"),
    ],
)
async def test_refusals_are_telegrams(
    emulator: TelegramEmulator,
    api: Api,
    method: str,
    params: dict[str, Any],
    code: int,
    description: str,
) -> None:
    await emulator.says("hello")

    assert await api.refusal(method, **params) == (code, description)
    assert emulator.sent == []


async def test_the_longest_text_is_taken(emulator: TelegramEmulator, api: Api) -> None:
    await emulator.says("hello")

    assert (await api("sendMessage", chat_id=1001, text="👋" * 2048))["ok"] is True


async def test_messages_are_edited_and_deleted(emulator: TelegramEmulator, api: Api) -> None:
    await emulator.says("hello")
    message_id = (await api("sendMessage", chat_id=1001, text="one"))["result"]["message_id"]
    names = {"chat_id": 1001, "message_id": message_id}

    assert (await api("editMessageText", **names, text="two"))["result"]["text"] == "two"
    code, description = await api.refusal("editMessageText", **names, text="two")
    assert (code, description.split(":")[1].strip()) == (400, "message is not modified")
    assert emulator.texts() == ["two"]
    assert (await api("deleteMessage", **names))["result"] is True
    assert await api.refusal("deleteMessage", **names) == (
        400,
        "Bad Request: message to delete not found",
    )


async def test_faults_carry_their_parameters(emulator: TelegramEmulator, api: Api) -> None:
    await emulator.says("hello")
    emulator.fails("rate_limit", seconds=9)
    emulator.fails("migrate", new_chat=-1009)

    limited = await api("sendMessage", chat_id=1001, text="x")
    assert limited["description"] == "Too Many Requests: retry after 9"
    assert limited["parameters"] == {"retry_after": 9}
    moved = await api("sendMessage", chat_id=1001, text="x")
    assert moved["parameters"] == {"migrate_to_chat_id": -1009}
    assert (await api("sendMessage", chat_id=1001, text="x"))["ok"] is True


async def test_a_fault_can_be_for_one_chat(emulator: TelegramEmulator, api: Api) -> None:
    for chat in (1001, 1002):
        await emulator.says("hello", chat=chat)
    emulator.fails("blocked", chat="1002", times=2)

    assert (await api("sendMessage", chat_id=1001, text="x"))["ok"] is True
    assert (await api("sendMessage", chat_id=1002, text="x"))["error_code"] == 403


async def test_a_delay_delays(emulator: TelegramEmulator, api: Api) -> None:
    await emulator.says("hello")
    emulator.fails("delay", seconds=0.2)

    started_at = time.monotonic()
    assert (await api("sendMessage", chat_id=1001, text="x"))["ok"] is True
    assert time.monotonic() - started_at >= 0.2


@pytest.mark.parametrize(("kind", "accepted"), [("drop_before", 0), ("drop_after_accept", 1)])
async def test_a_drop_closes_without_a_byte(
    emulator: TelegramEmulator, api: Api, kind: Any, accepted: int
) -> None:
    await emulator.says("hello")
    emulator.fails(kind)

    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await api("sendMessage", chat_id=1001, text="x")

    assert len(emulator.sent) == accepted
    assert emulator.calls("sendMessage")[0].status == 0


async def test_blocking_shows_until_unblocked(emulator: TelegramEmulator, api: Api) -> None:
    await emulator.says("hello")
    await emulator.blocks()
    assert await api.refusal("sendMessage", chat_id=1001, text="x") == (
        403,
        "Forbidden: bot was blocked by the user",
    )
    await emulator.unblocks()

    assert (await api("sendMessage", chat_id=1001, text="x"))["ok"] is True
    statuses = [
        update["my_chat_member"]["new_chat_member"]["status"]
        for update in emulator.bot.pending
        if "my_chat_member" in update
    ]
    assert statuses == ["kicked", "member"]


class Hook:
    """A webhook that keeps what it is sent."""

    def __init__(self) -> None:
        self.received: list[tuple[str | None, dict[str, Any]]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        secret = request.headers.get("x-telegram-bot-api-secret-token")
        self.received.append((secret, await request.json()))
        response: Response = JSONResponse({}, status_code=202)
        await response(scope, receive, send)


async def test_people_are_posted_to_the_webhook_with_its_secret(
    emulator: TelegramEmulator, api: Api
) -> None:
    hook = Hook()
    async with serving(hook, lifespan="off") as url:
        await api("setWebhook", url=url, secret_token="abc")
        responses = [await emulator.says("hi")]
        update = emulator.message("again", chat=7, name="Bo")
        responses += [await emulator.deliver(update), await emulator.deliver(update)]
        await emulator.close()

    assert [response and response.status_code for response in responses] == [202] * 3
    assert {secret for secret, _ in hook.received} == {"abc"}
    ids = [update["update_id"] for _, update in hook.received]
    assert ids[0] < ids[1] == ids[2]
    assert hook.received[1][1]["message"]["from"]["first_name"] == "Bo"
    info = (await api("getWebhookInfo"))["result"]
    assert (info["url"], info["pending_update_count"]) == (url, 0)
    assert "secret_token" not in info


async def test_without_a_webhook_updates_wait(emulator: TelegramEmulator, api: Api) -> None:
    assert await emulator.says("one") is None
    await emulator.says("two")

    first, second = (await api("getUpdates"))["result"]
    rest = (await api("getUpdates", offset=second["update_id"]))["result"]
    assert first["update_id"] + 1 == second["update_id"]
    assert [update["message"]["text"] for update in rest] == ["two"]
    assert (await api("getUpdates", offset=second["update_id"] + 1))["result"] == []


async def test_get_updates_beside_a_webhook_is_a_conflict(api: Api) -> None:
    await api("setWebhook", url="https://cairn.example/x")

    code, description = await api.refusal("getUpdates")
    assert code == 409
    assert "webhook is active" in description


async def test_the_older_poller_is_replaced(emulator: TelegramEmulator, api: Api) -> None:
    older = asyncio.ensure_future(api("getUpdates", timeout=30))
    await eventually(lambda: len(emulator.calls("getUpdates")) == 1)
    newer = asyncio.ensure_future(api("getUpdates", timeout=30))

    assert (await older)["error_code"] == 409
    await emulator.says("hi")
    assert len((await newer)["result"]) == 1


async def test_tapping_a_button_that_is_not_there_is_an_error(emulator: TelegramEmulator) -> None:
    await emulator.says("hello")

    with pytest.raises(LookupError):
        await emulator.taps("No such button")


async def test_edits_and_reactions_are_updates(emulator: TelegramEmulator) -> None:
    await emulator.edits(3, "better")
    await emulator.reacts("👍", 4)

    edited, reaction = emulator.bot.pending
    assert edited["edited_message"]["text"] == "better"
    assert reaction["message_reaction"]["new_reaction"] == [{"type": "emoji", "emoji": "👍"}]


async def test_bots_on_one_server_are_apart(emulator: TelegramEmulator, api: Api) -> None:
    other = emulator.add_bot("777:OTHER")
    await emulator.says("hello", bot=other)

    assert (await api("sendMessage", token="777:OTHER", chat_id=1001, text="x"))["ok"] is True
    assert (await api("sendMessage", chat_id=1001, text="x"))["ok"] is False
    assert ([sent.text for sent in other.sent], emulator.sent) == (["x"], [])


async def test_the_log_file_has_every_request_as_it_ends(tmp_path: Path) -> None:
    log = tmp_path / "requests.jsonl"
    emulator = TelegramEmulator(log_path=log)
    await emulator.says("hello")
    async with (
        serving(emulator, lifespan="off") as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as client,
    ):
        api = Api(client)
        await api("sendMessage", chat_id=1001, text="kept")
        await api("sendMessage", chat_id=5, text="refused")
        lines = [json.loads(line) for line in log.read_text().splitlines()]
    await emulator.close()

    assert [(line["sequence"], line["status"]) for line in lines] == [(1, 200), (2, 400)]
    assert lines[0]["params"]["text"] == "kept"
    assert lines[0]["accepted_message_id"] == emulator.sent[0].message_id
    assert lines[1]["accepted_message_id"] is None
    assert DEFAULT_TOKEN not in log.read_text()


async def test_it_runs_alone_and_is_controlled_over_http(tmp_path: Path, free_port: int) -> None:
    log = tmp_path / "requests.jsonl"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "adapters.telegram.emulator"),
        *("--port", str(free_port), "--token", "42:ALONE", "--log", str(log)),
    )
    try:
        url = f"http://127.0.0.1:{free_port}"
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            await eventually(lambda: answers(client))
            api = Api(client)
            await client.post("/control/says", json={"text": "hello", "chat": 9})
            await client.post("/control/fails", json={"kind": "blocked"})
            assert (await client.post("/control/fly", json={})).status_code == 404
            blocked = await api("sendMessage", token="42:ALONE", chat_id=9, text="x")
            sent = await api("sendMessage", token="42:ALONE", chat_id=9, text="x")
    finally:
        process.terminate()
        await process.wait()

    assert (blocked["error_code"], sent["ok"]) == (403, True)
    statuses = [json.loads(line)["status"] for line in log.read_text().splitlines()]
    assert statuses[-2:] == [403, 200]


async def answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/bot42:ALONE/getMe")).status_code == 200
    except httpx.TransportError:
        return False
