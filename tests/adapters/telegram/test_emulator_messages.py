"""The emulated Bot API's pictures, files, edits and chat actions: limits and error bodies."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from adapters.telegram.emulator import DEFAULT_TOKEN, TelegramEmulator
from tests.serving import serving

URL = "https://school.example/tree.png"


@pytest.fixture
async def http(emulator: TelegramEmulator) -> AsyncIterator[httpx.AsyncClient]:
    await emulator.says("hello")
    async with (
        serving(emulator, lifespan="off") as base_url,
        httpx.AsyncClient(base_url=base_url, trust_env=False) as client,
    ):
        yield client


async def call(http: httpx.AsyncClient, method: str, **params: Any) -> Any:
    response = await http.post(f"/bot{DEFAULT_TOKEN}/{method}", json={"chat_id": 1001, **params})
    return response.json()


async def test_a_picture_is_shown_with_its_caption(http: httpx.AsyncClient) -> None:
    bold = [{"type": "bold", "offset": 0, "length": 1}]
    told = await call(http, "sendPhoto", photo=URL, caption="A tree", caption_entities=bold)

    message = told["result"]
    assert (message["caption"], message["caption_entities"]) == ("A tree", bold)
    assert message["photo"][0]["file_id"]
    assert "text" not in message


async def test_a_document_is_named(http: httpx.AsyncClient) -> None:
    told = await call(http, "sendDocument", document="https://school.example/a/plan.pdf")

    assert told["result"]["document"]["file_name"] == "plan.pdf"


@pytest.mark.parametrize(
    ("method", "params", "description"),
    [
        ("sendPhoto", {}, "Bad Request: there is no photo in the request"),
        ("sendDocument", {"photo": URL}, "Bad Request: there is no document in the request"),
        ("sendPhoto", {"photo": "x"}, "Bad Request: wrong file identifier/HTTP URL specified"),
        (
            "sendPhoto",
            {"photo": URL, "caption": "👋" * 513},
            "Bad Request: message caption is too long",
        ),
        (
            "sendPhoto",
            {"photo": URL, "caption": "a", "caption_entities": [{"type": "bold", "offset": 1}]},
            "Bad Request: ENTITY_BOUNDS_INVALID",
        ),
        (
            "getFile",
            {"file_id": "x"},
            "Bad Request: wrong file_id or the file is temporarily unavailable",
        ),
        ("sendChatAction", {}, "Bad Request: wrong parameter action in request"),
        (
            "editMessageReplyMarkup",
            {"message_id": 99},
            "Bad Request: message to edit not found",
        ),
    ],
)
async def test_what_the_api_refuses(
    http: httpx.AsyncClient, method: str, params: dict[str, Any], description: str
) -> None:
    told = await call(http, method, **params)

    assert (told["ok"], told["error_code"], told["description"]) == (False, 400, description)


async def test_the_text_of_a_picture_can_not_be_edited(http: httpx.AsyncClient) -> None:
    sent = (await call(http, "sendPhoto", photo=URL))["result"]
    told = await call(http, "editMessageText", message_id=sent["message_id"], text="x")

    assert told["description"] == "Bad Request: there is no text in the message to edit"


async def test_a_keyboard_is_edited_by_itself(
    emulator: TelegramEmulator, http: httpx.AsyncClient
) -> None:
    sent = (await call(http, "sendMessage", text="Ready?"))["result"]
    keyboard = {"inline_keyboard": [[{"text": "Yes", "callback_data": "v:yes"}]]}
    message = {"message_id": sent["message_id"], "reply_markup": keyboard}
    once = await call(http, "editMessageReplyMarkup", **message)
    twice = await call(http, "editMessageReplyMarkup", **message)

    assert once["result"]["reply_markup"] == keyboard
    assert once["result"]["edit_date"]
    assert emulator.sent[0].buttons == {"Yes": "v:yes"}
    assert twice["description"].startswith("Bad Request: message is not modified")


async def test_other_marks_are_another_text(http: httpx.AsyncClient) -> None:
    sent = (await call(http, "sendMessage", text="Ready?"))["result"]
    bold = [{"type": "bold", "offset": 0, "length": 5}]
    same = {"message_id": sent["message_id"], "text": "Ready?"}

    assert (await call(http, "editMessageText", **same))["ok"] is False
    assert (await call(http, "editMessageText", **same, entities=bold))["ok"] is True


async def test_a_file_is_fetched_by_the_path_it_has(
    emulator: TelegramEmulator, http: httpx.AsyncClient
) -> None:
    file_id = emulator.bot.add_file(b"content", "photos/tree.jpg")
    told = (await call(http, "getFile", file_id=file_id))["result"]
    fetched = await http.get(f"/file/bot{DEFAULT_TOKEN}/{told['file_path']}")

    assert (told["file_size"], fetched.content) == (7, b"content")


@pytest.mark.parametrize(
    ("token", "status"), [(DEFAULT_TOKEN, 404), ("1:wrong", 401)], ids=["path", "token"]
)
async def test_no_file_without_its_path_and_token(
    http: httpx.AsyncClient, token: str, status: int
) -> None:
    assert (await http.get(f"/file/bot{token}/photos/none.jpg")).status_code == status


async def test_typing_ends_with_a_message(
    emulator: TelegramEmulator, http: httpx.AsyncClient
) -> None:
    await call(http, "sendChatAction", action="typing")
    assert emulator.bot.is_typing("1001")
    await call(http, "sendMessage", text="hi")

    assert not emulator.bot.is_typing("1001")
    assert [action.action for action in emulator.bot.actions] == ["typing"]


async def test_the_revision_grows_with_all_that_can_be_seen(
    emulator: TelegramEmulator, http: httpx.AsyncClient
) -> None:
    seen = [emulator.bot.revision]
    sent = (await call(http, "sendMessage", text="hi"))["result"]
    seen.append(emulator.bot.revision)
    await call(http, "editMessageText", message_id=sent["message_id"], text="ho")
    seen.append(emulator.bot.revision)
    await call(http, "sendChatAction", action="typing")
    seen.append(emulator.bot.revision)
    await call(http, "deleteMessage", message_id=sent["message_id"])
    seen.append(emulator.bot.revision)

    assert seen == sorted(set(seen))
