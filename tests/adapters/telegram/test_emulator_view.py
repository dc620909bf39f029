"""What the simulator shows of the emulated Telegram: bubbles, marks, ticks, typing, places."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from adapters.telegram.emulator import DEFAULT_SECRET, TelegramEmulator, create_emulator
from adapters.telegram.poll import SECRET_HEADER
from core.emulators import Emulator
from tests.serving import serving


class Webhook:
    """A gateway that takes everything, or nothing."""

    def __init__(self) -> None:
        self.status = 200
        self.updates: list[dict[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        assert request.headers[SECRET_HEADER] == DEFAULT_SECRET
        self.updates.append(json.loads(await request.body()))
        await PlainTextResponse("", status_code=self.status)(scope, receive, send)


@pytest.fixture
async def webhook(emulator: TelegramEmulator) -> AsyncIterator[Webhook]:
    webhook = Webhook()
    async with serving(webhook, lifespan="off") as url:
        emulator.connect(url)
        yield webhook
        await emulator.close()


@pytest.fixture
async def api(emulator: TelegramEmulator) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(emulator)
    base = f"http://telegram.test/bot{emulator.token}/"
    async with httpx.AsyncClient(transport=transport, base_url=base) as client:
        yield client


def test_it_is_an_emulator_whose_updates_are_new_after_every_start() -> None:
    emulator = create_emulator()
    assert isinstance(emulator, Emulator)
    assert emulator.bot.update()["update_id"] > 1_700_000_000


async def test_what_a_person_writes_stands_there_and_is_ticked_when_it_is_taken(
    emulator: TelegramEmulator, webhook: Webhook
) -> None:
    before = emulator.revision
    webhook.status = 503
    await emulator.writes("1002", "hello")
    [bubble] = emulator.view("1002")
    assert (bubble.author, bubble.name, bubble.text) == ("person", "Ben", "hello")
    assert bubble.state == "sent"
    webhook.status = 200
    await emulator.writes("1002", "again")
    assert [bubble.state for bubble in emulator.view("1002")] == ["sent", "read"]
    assert emulator.view("1001") == ()
    assert emulator.revision > before
    assert webhook.updates[0]["message"]["from"]["first_name"] == "Ben"


async def test_entities_count_utf16_units_and_marks_code_points(
    emulator: TelegramEmulator, webhook: Webhook, api: httpx.AsyncClient
) -> None:
    await emulator.writes("1001", "/start")
    entities = [
        {"type": "bold", "offset": 3, "length": 4},
        {"type": "text_link", "offset": 8, "length": 2, "url": "https://example.org"},
        {"type": "spoiler", "offset": 0, "length": 2},
    ]
    body = {"chat_id": 1001, "text": "🏃 bold 🏁", "entities": entities}
    assert (await api.post("sendMessage", json=body)).status_code == 200
    bubble = emulator.view("1001")[-1]
    shown = [(m.kind, bubble.text[m.start : m.end], m.value) for m in bubble.marks]
    assert shown == [("bold", "bold", ""), ("link", "🏁", "https://example.org")]


async def test_edits_deletions_and_typing_show(
    emulator: TelegramEmulator, webhook: Webhook, api: httpx.AsyncClient
) -> None:
    await emulator.writes("1001", "/start")
    typing = {"chat_id": 1001, "action": "typing"}
    await api.post("sendChatAction", json=typing)
    assert emulator.is_typing("1001")
    assert not emulator.is_typing("1002")
    sent = await api.post("sendMessage", json={"chat_id": 1001, "text": "one"})
    assert not emulator.is_typing("1001")
    message_id = sent.json()["result"]["message_id"]
    edit = {"chat_id": 1001, "message_id": message_id, "text": "two"}
    await api.post("editMessageText", json=edit)
    bubble = emulator.view("1001")[-1]
    assert (bubble.text, bubble.edited) == ("two", True)
    await api.post("deleteMessage", json={"chat_id": 1001, "message_id": message_id})
    assert [bubble.author for bubble in emulator.view("1001")] == ["person"]


async def test_a_press_is_a_callback_query_of_that_message(
    emulator: TelegramEmulator, webhook: Webhook, api: httpx.AsyncClient
) -> None:
    await emulator.writes("1001", "/start")
    keyboard = {"inline_keyboard": [[{"text": "Yes", "callback_data": "v:1"}]]}
    body = {"chat_id": 1001, "text": "Sure?", "reply_markup": keyboard}
    await api.post("sendMessage", json=body)
    bubble = emulator.view("1001")[-1]
    [button] = bubble.buttons
    await emulator.presses("1001", bubble.id, button.value)
    query = webhook.updates[-1]["callback_query"]
    assert (query["data"], query["message"]["text"]) == ("v:1", "Sure?")
    with pytest.raises(LookupError, match="no such button"):
        await emulator.presses("1001", bubble.id, "v:2")
    with pytest.raises(LookupError, match="no such chat"):
        await emulator.writes("nowhere", "x")


async def test_what_has_no_text_is_named(emulator: TelegramEmulator, webhook: Webhook) -> None:
    await emulator.says("", sticker={"file_id": "x"})
    await emulator.says("", photo=[{"file_id": "y"}], caption="my desk")
    texts = [bubble.text for bubble in emulator.view("1001")]
    assert texts == ["[sticker]", "my desk"]
