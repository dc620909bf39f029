"""Growing answers: Slack's own streams in threads, edits elsewhere, exact parts at the end."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.slack import stream
from adapters.slack.channel import SlackChannel
from adapters.slack.emulator import SlackEmulator
from core.channels import Account, Address
from shared.errors import ChannelError, RateLimited, RecipientUnreachable
from shared.messages import Choice
from tests.adapters.slack.accounts import part_of

TEAM = "T0EMULATED"


async def thread_in_channel(emulator: SlackEmulator) -> Address:
    await emulator.says("How?", channel="team", mention=True)
    room = emulator.workspace().room("team")
    return Address(chat=room.id, thread=next(reversed(room.messages)), person="U0ADA", space=TEAM)


async def direct(emulator: SlackEmulator, *, in_thread: bool) -> Address:
    await emulator.says("How?")
    _, person, room = emulator.place(None, None, None)
    thread = next(reversed(room.messages)) if in_thread else None
    return Address(chat=room.id, thread=thread, person=person.id, space=TEAM, direct=True)


def methods(emulator: SlackEmulator) -> list[str]:
    return [request.method.removeprefix("chat.") for request in emulator.requests]


async def test_an_answer_grows_in_a_channels_thread(
    emulator: SlackEmulator, account: Account, channel: SlackChannel
) -> None:
    to = await thread_in_channel(emulator)
    name = await channel.start_stream(to, "Start **slow", account)
    await channel.grow_stream(to, name, "Start **slow", "Start **slowly** and", account)
    part = part_of("Start **slowly** and rest.", Choice(label="More", value="more"))
    result = await channel.end_stream(to, name, part, account)

    assert methods(emulator) == ["startStream", "appendStream", "stopStream", "update"]
    started, appended = emulator.requests[0].params, emulator.requests[1].params
    assert (started["recipient_user_id"], started["recipient_team_id"]) == ("U0ADA", TEAM)
    assert started["thread_ts"] == to.thread
    assert appended["markdown_text"] == "ly** and"
    assert result.external_ids == (name,)
    assert emulator.texts() == ["Start slowly and rest."]
    assert await emulator.taps("More", channel="team") is None  # it is a button there now


async def test_an_assistant_thread_streams_too(
    emulator: SlackEmulator, account: Account, channel: SlackChannel
) -> None:
    to = await direct(emulator, in_thread=True)
    name = await channel.start_stream(to, "One", account)

    assert methods(emulator) == ["startStream"]
    assert "recipient_user_id" not in emulator.requests[0].params
    assert name == f"{to.chat}:{emulator.sent[0].ts}"


@pytest.mark.parametrize("chat", ["D", "U"])
async def test_elsewhere_the_message_is_edited(
    emulator: SlackEmulator, account: Account, channel: SlackChannel, chat: str
) -> None:
    to = await direct(emulator, in_thread=False)
    to = to.model_copy(update={"chat": "U0ADA"}) if chat == "U" else to
    name = await channel.start_stream(to, "One", account)
    await channel.grow_stream(to, name, "One", "One **two**", account)
    assert emulator.texts() == ["One two"]
    result = await channel.end_stream(to, name, part_of("One **two** three"), account)

    assert methods(emulator) == ["postMessage", "update", "update"]
    assert result.external_ids == (f"{emulator.sent[0].channel}:{emulator.sent[0].ts}",)
    assert emulator.texts() == ["One two three"]


async def test_where_slack_refuses_to_stream_the_message_is_edited(
    emulator: SlackEmulator, account: Account, channel: SlackChannel
) -> None:
    to = await thread_in_channel(emulator)
    emulator.fails("error", method="chat.startStream", error="channel_type_not_supported")
    name = await channel.start_stream(to, "One", account)

    assert name.endswith(":edit")
    assert methods(emulator) == ["startStream", "postMessage"]
    assert emulator.requests[1].params["thread_ts"] == to.thread


async def test_text_that_changed_further_up_replaces_the_message(
    emulator: SlackEmulator, account: Account, channel: SlackChannel
) -> None:
    to = await thread_in_channel(emulator)
    name = await channel.start_stream(to, "One tow", account)
    await channel.grow_stream(to, name, "One tow", "One two", account)
    await channel.grow_stream(to, name, "One two", "One two three", account)
    await channel.end_stream(to, name, part_of("One two three four"), account)

    assert emulator.texts() == ["One two three four"]


@pytest.mark.parametrize("code", ["message_not_in_streaming_state", "stopped_by_user"])
async def test_a_stream_slack_closed_is_written_on(
    emulator: SlackEmulator, account: Account, channel: SlackChannel, code: str
) -> None:
    to = await thread_in_channel(emulator)
    name = await channel.start_stream(to, "One", account)
    _, ts, _ = stream.parted(name)
    emulator.world.streams.pop((to.chat, ts))
    emulator.fails("error", method="chat.appendStream", error=code)

    await channel.grow_stream(to, name, "One", "One two", account)

    assert emulator.texts() == ["One two"]


async def test_ending_twice_is_as_good_as_once(
    emulator: SlackEmulator, account: Account, channel: SlackChannel
) -> None:
    to = await thread_in_channel(emulator)
    part = part_of("Done")
    name = await channel.start_stream(to, "Do", account)

    first = await channel.end_stream(to, name, part, account)
    assert await channel.end_stream(to, name, part, account) == first
    assert emulator.texts() == ["Done"]


async def test_an_end_that_was_not_heard_is_repeated(
    emulator: SlackEmulator, account: Account, channel: SlackChannel
) -> None:
    to = await thread_in_channel(emulator)
    name = await channel.start_stream(to, "Do", account)
    for method in ("chat.stopStream", "chat.update"):
        emulator.fails("drop_after_accept", method=method)
        with pytest.raises(ChannelError):
            await channel.end_stream(to, name, part_of("Done"), account)

    await channel.end_stream(to, name, part_of("Done"), account)
    assert emulator.texts() == ["Done"]


async def test_the_finished_message_can_be_found(
    emulator: SlackEmulator, account: Account, channel: SlackChannel
) -> None:
    to, part = await thread_in_channel(emulator), part_of("Done")
    name = await channel.start_stream(to, "Do", account)
    result = await channel.end_stream(to, name, part, account)

    at = datetime.fromtimestamp(float(emulator.sent[0].ts), UTC)
    assert await channel.find(to, part, account, at) == result


@pytest.mark.parametrize(
    ("fault", "expected"),
    [({"kind": "rate_limit", "seconds": 4}, RateLimited), ({"kind": "drop_before"}, ChannelError)],
    ids=["429", "dropped"],
)
async def test_trouble_is_told(
    emulator: SlackEmulator,
    account: Account,
    channel: SlackChannel,
    fault: dict[str, object],
    expected: type[ChannelError],
) -> None:
    to = await thread_in_channel(emulator)
    emulator.fails(**fault, method="chat.startStream")  # type: ignore[arg-type]

    with pytest.raises(expected):
        await channel.start_stream(to, "One", account)
    assert methods(emulator) == ["startStream"]


async def test_a_room_that_is_gone(
    emulator: SlackEmulator, account: Account, channel: SlackChannel
) -> None:
    with pytest.raises(RecipientUnreachable):
        await channel.start_stream(Address(chat="C0GONE0001", space=TEAM), "One", account)


async def test_a_long_beginning_arrives_whole(
    emulator: SlackEmulator, account: Account, channel: SlackChannel
) -> None:
    text = "word " * 5_000
    await channel.start_stream(await thread_in_channel(emulator), text, account)

    assert methods(emulator) == ["startStream", "appendStream", "appendStream"]
    assert emulator.sent[0].message["text"] == text


def test_a_long_piece_is_appended_in_several() -> None:
    assert stream.pieces("") == []
    assert [len(piece) for piece in stream.pieces("x" * 25_000)] == [12_000, 12_000, 1_000]


@given(st.lists(st.text(alphabet="<!@#a >", max_size=5), max_size=12))
def test_a_growing_answer_calls_nobody_and_only_grows(deltas: list[str]) -> None:
    written, before = "", ""
    for delta in deltas:
        written += delta
        shown = stream.inert(written)
        assert shown.startswith(before)
        assert not any(call in shown for call in ("<!", "<@", "<#"))
        assert shown.replace("\u2060", "") == written
        before = shown
