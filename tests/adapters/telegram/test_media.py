"""Pictures and documents out, files in; the token is in no error and no log on the way."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from adapters.telegram import client
from adapters.telegram.channel import TelegramChannel
from adapters.telegram.emulator import DEFAULT_TOKEN, TelegramEmulator
from core.channels import Account
from shared.errors import ChannelError, MessageRejected, NetworkError, RecipientUnreachable
from shared.messages import Attachment, Choice
from tests.adapters.telegram.parts import ADA, failure_of, part_of
from tests.adapters.telegram.servers import Handler, answering, hang, json_answer, server

PICTURE = Attachment(kind="image", url="https://school.example/tree.png", description="A tree")
BOOKLET = Attachment(kind="file", url="https://school.example/a/Booklet.PDF?v=2", name="Booklet")
SHEET = Attachment(kind="file", url="https://school.example/plan.xlsx", name="Plan")


@pytest.fixture(autouse=True)
async def _ada(emulator: TelegramEmulator) -> None:
    await emulator.says("hello")


# --- out


@pytest.mark.parametrize(
    ("attachment", "method", "field"),
    [(PICTURE, "sendPhoto", "photo"), (BOOKLET, "sendDocument", "document")],
)
async def test_an_attachment_goes_by_its_address_with_a_caption(
    emulator: TelegramEmulator,
    account: Account,
    channel: TelegramChannel,
    attachment: Attachment,
    method: str,
    field: str,
) -> None:
    part = part_of("👋 **Look**", Choice(label="Next", value="n"), attachments=(attachment,))
    result = await channel.send(ADA, part, account)

    [call] = emulator.calls(method)
    assert call.params[field] == attachment.url
    assert call.params["caption"] == "👋 Look"
    assert call.params["caption_entities"] == [{"type": "bold", "offset": 3, "length": 4}]
    [sent] = emulator.sent
    assert (sent.media, sent.buttons) == (attachment.url, {"Next": "v:n"})
    assert result.external_ids == (f"1001:{sent.message_id}",)
    assert result.warnings == ()


async def test_an_attachment_needs_no_caption(
    emulator: TelegramEmulator, account: Account, channel: TelegramChannel
) -> None:
    await channel.send(ADA, part_of("", attachments=(PICTURE,)), account)

    assert "caption" not in emulator.calls("sendPhoto")[0].params


async def test_a_caption_of_the_greatest_length_is_taken(
    emulator: TelegramEmulator, account: Account, channel: TelegramChannel
) -> None:
    await channel.send(ADA, part_of("👋" * 512, attachments=(PICTURE,)), account)
    longer = part_of("👋" * 513, attachments=(PICTURE,))
    error = await failure_of(channel, account, longer)

    assert emulator.texts() == ["👋" * 512]
    assert type(error) is MessageRejected


@pytest.mark.parametrize("attachment", [SHEET, PICTURE, BOOKLET], ids=lambda a: a.url[-9:])
async def test_what_telegram_can_not_fetch_becomes_a_link(
    emulator: TelegramEmulator, account: Account, channel: TelegramChannel, attachment: Attachment
) -> None:
    emulator.bot.lost_urls.add(attachment.url)
    part = part_of("Look", Choice(label="Next", value="n"), attachments=(attachment,))
    result = await channel.send(ADA, part, account)

    [sent] = emulator.sent
    label = attachment.name or attachment.description
    assert sent.text == f"Look\n\n{label}"
    [link] = sent.params["entities"]
    assert (link["type"], link["url"], link["offset"]) == ("text_link", attachment.url, 6)
    assert (sent.media, sent.buttons) == ("", {"Next": "v:n"})
    assert result.warnings == ("attachment_as_link",)


async def test_only_a_file_of_a_kind_that_telegram_fetches_is_tried(
    emulator: TelegramEmulator, account: Account, channel: TelegramChannel
) -> None:
    await channel.send(ADA, part_of("Look", attachments=(SHEET,)), account)

    assert emulator.calls("sendDocument") == []
    assert len(emulator.calls("sendMessage")) == 1


async def test_another_refusal_of_a_picture_is_a_refusal(
    emulator: TelegramEmulator, account: Account, channel: TelegramChannel
) -> None:
    await emulator.blocks()
    error = await failure_of(channel, account, part_of("Look", attachments=(PICTURE,)))

    assert type(error) is RecipientUnreachable
    assert emulator.calls("sendMessage") == []


# --- in


async def content(channel: TelegramChannel, account: Account, ref: str) -> bytes:
    return b"".join([chunk async for chunk in channel.download(ref, account)])


async def test_a_file_is_downloaded_in_pieces(
    emulator: TelegramEmulator, account: Account, channel: TelegramChannel
) -> None:
    whole = bytes(range(256)) * 1000
    ref = emulator.bot.add_file(whole, "voice/file 1.oga")
    pieces = [chunk async for chunk in channel.download(ref, account)]

    assert b"".join(pieces) == whole
    assert len(pieces) > 1


async def refusal(channel: TelegramChannel, account: Account, ref: str) -> ChannelError:
    """What a download comes to; nothing in it shows the token."""
    with pytest.raises(ChannelError) as refused:
        await content(channel, account, ref)
    chain = (refused.value, refused.value.__cause__)
    assert all(DEFAULT_TOKEN not in f"{error} {error!r}" for error in chain)
    assert refused.value.__suppress_context__
    return refused.value


async def test_a_file_that_telegram_does_not_know_is_refused(
    account: Account, channel: TelegramChannel
) -> None:
    assert type(await refusal(channel, account, "nothing")) is MessageRejected


async def test_a_file_that_is_too_big_for_bots_is_refused(
    emulator: TelegramEmulator, account: Account, channel: TelegramChannel
) -> None:
    ref = emulator.bot.add_file(b"x" * 20_000_001)

    assert type(await refusal(channel, account, ref)) is MessageRejected
    assert emulator.calls("file") == []


@pytest.fixture
async def other() -> AsyncIterator[TelegramChannel]:
    """For servers that are not the emulator."""
    channel = TelegramChannel()
    yield channel
    await channel.close()


FILE = json_answer(
    200, b'{"ok":true,"result":{"file_id":"f","file_unique_id":"u","file_path":"a/b.jpg"}}'
)


def then(answer: Handler) -> Handler:
    """Tells where the file is; the file itself is answered so."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"GET"):
            await reader.readexactly(_length(head))
            writer.write(FILE)
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
        await answer(_said(head), writer)

    return serve


def _length(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    return next(int(ln.split(b":")[1]) for ln in lines if ln.startswith(b"content-length"))


def _said(head: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    reader.feed_data(head.replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n"))
    reader.feed_eof()
    return reader


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n", MessageRejected),
        (b"HTTP/1.1 302 X\r\nLocation: http://10.0.0.1/\r\nContent-Length: 0\r\n\r\n", None),
        (b"HTTP/1.1 502 X\r\nContent-Length: 0\r\n\r\n", NetworkError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", NetworkError),
        (b"SSH-2.0\r\n\r\n", NetworkError),
    ],
    ids=["404", "redirect", "502", "cut", "not http"],
)
async def test_a_download_that_fails_is_told_without_the_token(
    other: TelegramChannel, answer: bytes, kind: Any
) -> None:
    async with server(then(answering(answer))) as account:
        error = await refusal(other, account, "f")

    assert type(error) is (kind or MessageRejected)


async def test_a_download_that_stalls_ends(
    other: TelegramChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "REQUEST_SECONDS", 0.3)
    async with server(then(hang)) as account:
        assert type(await refusal(other, account, "f")) is NetworkError


async def test_no_log_of_a_download_carries_the_token(
    emulator: TelegramEmulator,
    account: Account,
    channel: TelegramChannel,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, logger="aiohttp")
    caplog.set_level(logging.DEBUG, logger="aiogram")
    await content(channel, account, emulator.bot.add_file(b"x"))
    emulator.fails("drop_before", method="file", times=2)  # aiohttp asks twice where it may
    await refusal(channel, account, emulator.bot.add_file(b"x"))

    ours = [r for r in caplog.records if not r.name.startswith(("uvicorn", "asyncio"))]
    assert all(DEFAULT_TOKEN not in record.getMessage() for record in ours)
