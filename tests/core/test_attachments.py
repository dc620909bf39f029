"""What a person sent is fetched when asked for: whole, up to a size, named by what it really is."""

from typing import Any
from uuid import UUID

import pytest

from core.attachments import Attachments
from core.sniffing import UNKNOWN, sniff
from shared.errors import (
    AttachmentGone,
    AttachmentNotFetchable,
    AttachmentTooLarge,
    NotFound,
    Unavailable,
)
from shared.utils.ids import new_id
from tests.learners import Learner, new_school

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 40
FILE = {"file_unique_id": "u"}


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"),
        (PNG, "image/png"),
        (b"GIF89a\x01\x00", "image/gif"),
        (b"RIFF\x24\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "audio/wav"),
        (b"RIFF\x24\x00\x00\x00AVI LIST", UNKNOWN),
        (b"%PDF-1.7\n", "application/pdf"),
        (b"OggS\x00\x02", "audio/ogg"),
        (b"ID3\x04\x00", "audio/mpeg"),
        (b"\xff\xfb\x90\x64", "audio/mpeg"),
        (b"\xff\xff\xff\xff", UNKNOWN),
        (b"#!AMR\n", "audio/amr"),
        (b"\x00\x00\x00\x20ftypisom", "video/mp4"),
        (b"\x00\x00\x00\x20ftypM4A ", "audio/mp4"),
        (b"\x00\x00\x00\x18ftypheic", "image/heic"),
        (b"\x1aE\xdf\xa3\x01", "video/webm"),
        (b"PK\x03\x04\x14\x00", "application/zip"),
        (b"\x1f\x8b\x08", "application/gzip"),
        ("Grüße\n".encode(), "text/plain"),
        ("ä".encode()[:1], UNKNOWN),
        (("a" + "ä" * 1024).encode()[:2048], "text/plain"),
        # What a browser would run is text at most.
        (b"<html><script>alert(1)</script>", "text/plain"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "text/plain"),
        (b"MZ\x90\x00\x03", UNKNOWN),
        (b"", UNKNOWN),
    ],
)
def test_a_file_is_what_its_first_bytes_say(head: bytes, media_type: str) -> None:
    assert sniff(head) == media_type


def attachments(learner: Learner, max_bytes: int = 20_000_000) -> Attachments:
    runtime = learner.app.runtime
    return Attachments(
        database=runtime.database,
        accounts=runtime.accounts,
        channels=runtime.channels,
        max_bytes=max_bytes,
    )


async def sent(learner: Learner, **content: Any) -> UUID:
    await learner.says("", **content)
    found: UUID = (await learner.inbound())[-1]["id"]
    return found


async def document(learner: Learner, body: bytes, **claims: Any) -> UUID:
    """A message with a file that Telegram has."""
    file_id = learner.emulator.bot.add_file(body)
    return await sent(learner, document=FILE | {"file_id": file_id} | claims)


async def read(learner: Learner, message_id: UUID, **options: int) -> tuple[str, str, bytes]:
    fetched = await attachments(learner, **options).fetch(learner.app.creator_id, message_id, 0)
    body = b"".join([piece async for piece in fetched.pieces()])
    assert len(body) == fetched.size
    return fetched.name, fetched.media_type, body


async def test_a_file_comes_whole_whatever_it_claimed_to_be(learner: Learner) -> None:
    message_id = await document(learner, PNG, file_name="plan.pdf", mime_type="application/pdf")
    assert await read(learner, message_id) == ("plan.pdf", "image/png", PNG)


async def test_a_large_file_waits_on_disk(learner: Learner) -> None:
    body = b"%PDF-" + bytes(range(256)) * 12_000
    assert (await read(learner, await document(learner, body)))[2] == body


async def test_a_file_without_a_name_gets_one(learner: Learner) -> None:
    assert (await read(learner, await document(learner, PNG)))[0] == "document-0.png"


async def test_nothing_is_fetched_on_the_way_in(learner: Learner) -> None:
    await document(learner, PNG)
    assert [call for call in learner.emulator.requests if call.method in ("getFile", "file")] == []


async def test_what_is_too_large_is_refused_before_and_while_it_comes(learner: Learner) -> None:
    claimed = await document(learner, PNG, file_size=1000)
    unclaimed = await document(learner, b"x" * 1001)
    for message_id in (claimed, unclaimed):
        with pytest.raises(AttachmentTooLarge):
            await read(learner, message_id, max_bytes=999)
    calls = [call for call in learner.emulator.requests if call.method == "file"]
    assert len(calls) == 1


async def test_what_telegram_does_not_give_is_too_large(learner: Learner) -> None:
    with pytest.raises(AttachmentTooLarge):
        await read(learner, await document(learner, b"x" * 20_000_001), max_bytes=2**40)


async def test_a_file_that_the_platform_no_longer_has_is_gone(learner: Learner) -> None:
    message_id = await sent(learner, document=FILE | {"file_id": "long-gone"})
    with pytest.raises(AttachmentGone):
        await read(learner, message_id)


async def test_there_is_nothing_to_fetch_of_a_place(learner: Learner) -> None:
    message_id = await sent(learner, location={"latitude": 1.5, "longitude": 2.5})
    with pytest.raises(AttachmentNotFetchable):
        await read(learner, message_id)


async def test_only_its_creator_reads_an_attachment(learner: Learner) -> None:
    message_id = await document(learner, PNG)
    found = attachments(learner)
    async with new_school(learner.app.runtime) as other:
        for wrong in (
            (other.creator_id, message_id, 0),
            (learner.app.creator_id, message_id, 1),
            (learner.app.creator_id, message_id, -1),
            (learner.app.creator_id, new_id(), 0),
        ):
            with pytest.raises(NotFound):
                await found.fetch(*wrong)


async def test_a_platform_that_is_away_is_told_as_such(learner: Learner) -> None:
    message_id = await document(learner, PNG)
    learner.emulator.fails("rate_limit", method="getFile")
    with pytest.raises(Unavailable):
        await read(learner, message_id)
