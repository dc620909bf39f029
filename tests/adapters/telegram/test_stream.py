"""A message that grows by edits, up to what one message holds, and ends as one exact part."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.telegram import stream
from adapters.telegram.channel import TelegramChannel
from adapters.telegram.emulator import TelegramEmulator
from core.channels import Account, Address
from shared.errors import MessageRejected, RateLimited
from shared.messages import Choice
from shared.richtext import from_markdown, length
from tests.adapters.telegram.parts import ADA, part_of

FAMILY = "👨\u200d👩\u200d👧"  # one character to a reader, eight UTF-16 units


async def begin(emulator: TelegramEmulator, account: Account, channel: TelegramChannel) -> str:
    await emulator.says("hello")
    return await channel.start_stream(ADA, "First **words**", account)


async def test_a_message_begins_grows_and_ends(
    emulator: TelegramEmulator, account: Account, channel: TelegramChannel
) -> None:
    external_id = await begin(emulator, account, channel)
    await channel.grow_stream(ADA, external_id, "First **words**", "First *words* grow", account)
    part = part_of("First words **end**.", Choice(label="Yes", value="yes"))
    result = await channel.end_stream(ADA, external_id, part, account)

    first, *edits = [r for r in emulator.requests if r.params.get("text")]
    assert (first.method, first.params["text"]) == ("sendMessage", "First words")
    assert first.params["entities"] == [{"type": "bold", "offset": 6, "length": 5}]
    assert [r.method for r in edits] == ["editMessageText"] * 2
    assert edits[0].params["entities"] == [{"type": "italic", "offset": 6, "length": 5}]
    assert all(r.params["link_preview_options"] == {"is_disabled": True} for r in edits)
    [sent] = emulator.sent
    assert (sent.text, sent.buttons) == ("First words end.", {"Yes": "v:yes"})
    assert result.external_ids == (external_id,) == (f"1001:{sent.message_id}",)


async def test_ending_twice_is_the_same_as_once(
    emulator: TelegramEmulator, account: Account, channel: TelegramChannel
) -> None:
    external_id = await begin(emulator, account, channel)
    part = part_of("The end.", Choice(label="Yes", value="yes"))
    results = [await channel.end_stream(ADA, external_id, part, account) for _ in range(2)]

    assert results[0] == results[1]
    assert [call.status for call in emulator.calls("editMessageText")] == [200, 400]
    assert emulator.texts() == ["The end."]


async def test_a_text_that_stands_already_may_be_shown_again(
    emulator: TelegramEmulator, account: Account, channel: TelegramChannel
) -> None:
    external_id = await begin(emulator, account, channel)
    await channel.grow_stream(ADA, external_id, "", "First **words**", account)

    assert emulator.texts() == ["First words"]


async def test_what_is_shown_need_not_begin_with_what_stood_there(
    emulator: TelegramEmulator, account: Account, channel: TelegramChannel
) -> None:
    external_id = await begin(emulator, account, channel)
    await channel.grow_stream(ADA, external_id, "", "Another answer", account)

    assert emulator.texts() == ["Another answer"]


async def test_a_text_beyond_one_message_is_shown_as_far_as_it_fits(
    emulator: TelegramEmulator, account: Account, channel: TelegramChannel
) -> None:
    external_id = await begin(emulator, account, channel)
    await channel.grow_stream(ADA, external_id, "", "**" + FAMILY * 600 + "**", account)

    [text] = emulator.texts()
    assert text == FAMILY * 512


async def test_a_topic_is_named(
    emulator: TelegramEmulator, account: Account, channel: TelegramChannel
) -> None:
    await emulator.says("hello")
    await channel.start_stream(Address(chat="1001", thread="7"), "hi", account)

    assert emulator.sent[0].params["message_thread_id"] == "7"


async def test_too_many_edits_are_told_as_such(
    emulator: TelegramEmulator, account: Account, channel: TelegramChannel
) -> None:
    external_id = await begin(emulator, account, channel)
    emulator.fails("rate_limit", method="editMessageText", seconds=7)
    with pytest.raises(Exception, match="retry after 7") as refused:
        await channel.grow_stream(ADA, external_id, "", "more", account)

    error = channel.classify(refused.value)
    assert isinstance(error, RateLimited)
    assert error.retry_after == 7


async def test_a_deleted_message_can_not_be_ended(
    emulator: TelegramEmulator, account: Account, channel: TelegramChannel
) -> None:
    external_id = await begin(emulator, account, channel)
    message_id = emulator.sent[0].message_id
    await emulator.bot.delete_message({"chat_id": "1001", "message_id": message_id})
    with pytest.raises(Exception, match="not found") as refused:
        await channel.end_stream(ADA, external_id, part_of("The end."), account)

    assert type(channel.classify(refused.value)) is MessageRejected


async def test_a_chat_that_has_moved_has_another_message(
    account: Account, channel: TelegramChannel
) -> None:
    with pytest.raises(MessageRejected):
        await channel.end_stream(Address(chat="-100"), "-5:7", part_of("The end."), account)


@given(st.text(alphabet="ab 👋🏾\u0301\u200d*_`\n", max_size=300).map(lambda text: text * 40))
@settings(max_examples=50, deadline=None)
def test_what_is_shown_fits_and_breaks_no_character(markdown: str) -> None:
    whole, shown = from_markdown(markdown).text, stream.fitted(markdown).text

    assert whole.startswith(shown)
    assert length(shown, "utf16") <= 4096
    assert shown == whole or length(shown, "utf16") > 4096 - 2 * 400
