"""What a platform does wrong, class by class: what may be tried again is, nothing else ever."""

from itertools import pairwise

import pytest

from tests.chaos import oracle
from tests.chaos.people import TelegramPerson
from tests.chaos.stage import Stage, conversation_of
from tests.waiting import eventually

pytestmark = pytest.mark.chaos

_STATUS = "SELECT status, error_code, attempts FROM app.messages WHERE text = $1"


@pytest.fixture(autouse=True)
async def _worker(stage: Stage) -> None:
    await stage.start_worker()


async def outcome(stage: Stage, text: str) -> tuple[str, str | None]:
    (row,) = await stage.fetch(_STATUS, oracle.reply_to(text))
    return row["status"], row["error_code"]


@pytest.mark.parametrize(
    ("kind", "details", "arrives"),
    [
        ("drop_after_accept", {}, True),
        ("drop_before", {}, False),
        ("server_error", {"status": 504}, False),
        ("server_error_after_accept", {"status": 504}, True),
    ],
)
async def test_an_unknown_outcome_is_listed_and_never_sent_again_by_itself(
    stage: Stage, ada: TelegramPerson, kind: str, details: dict[str, int], arrives: bool
) -> None:
    stage.emulator.fails(kind, **details)  # type: ignore[arg-type]
    await ada.says("first")
    await ada.says("second")
    await stage.quiet()
    assert await outcome(stage, "first") == ("uncertain", "outcome_unknown")
    expected = ["echo first", "echo second"] if arrives else ["echo second"]
    assert await ada.heard() == expected
    assert len(stage.emulator.calls("sendMessage")) == 2
    (row,) = await stage.uncertain()
    await stage.runtime.desk.resend(stage.creator_id, row["id"])
    await stage.quiet()
    assert await ada.heard() == [*expected, "echo first"]
    assert await outcome(stage, "first") == ("sent", None)


async def test_a_platform_that_cannot_be_reached_is_tried_until_it_can(
    stage: Stage, ada: TelegramPerson, closed_port: int
) -> None:
    await point_at(stage, f"http://127.0.0.1:{closed_port}")
    await ada.says("first")
    await ada.says("second")
    tried = "SELECT 1 FROM app.send_attempts WHERE error_code = 'channel_unreachable' OFFSET 1"
    await eventually(lambda: stage.fetch(tried))
    await point_at(stage, str(stage.telegram.api_base_url))
    await stage.quiet()
    assert await oracle.check(stage, [ada]) == 0


async def test_a_rate_limit_is_kept_to_the_second_and_holds_up_nobody_else(
    stage: Stage, ada: TelegramPerson, bob: TelegramPerson
) -> None:
    stage.emulator.fails("rate_limit", chat=str(ada.chat), seconds=3)
    await ada.says("first")
    await ada.says("second")
    await eventually(lambda: stage.emulator.calls("sendMessage"))
    await bob.says("hello")
    await eventually(lambda: stage.emulator.texts(bob.chat))
    assert not stage.emulator.texts(ada.chat)
    await stage.quiet()
    assert await oracle.check(stage, [ada, bob]) == 0
    refused, again = [
        call.at
        for call in stage.emulator.calls("sendMessage")
        if call.params["chat_id"] == str(ada.chat)
    ][:2]
    assert again - refused >= 3


async def test_many_rate_limits_in_a_row_lose_nothing(stage: Stage, ada: TelegramPerson) -> None:
    stage.emulator.fails("rate_limit", seconds=1, times=3)
    await ada.says("first")
    await ada.says("second")
    await stage.quiet()
    assert await oracle.check(stage, [ada]) == 0
    calls = [call.at for call in stage.emulator.calls("sendMessage")]
    assert all(later - earlier >= 1 for earlier, later in list(pairwise(calls))[:3])


async def test_who_blocked_the_bot_is_sent_nothing_until_they_write_again(
    stage: Stage, ada: TelegramPerson, bob: TelegramPerson
) -> None:
    await ada.says("before")
    await stage.quiet()
    stage.emulator.bot.blocked.add(ada.key)
    await ada.says("first")
    await stage.quiet()
    assert await outcome(stage, "first") == ("failed", "recipient_blocked")
    calls = len(stage.emulator.calls("sendMessage"))
    conversation = await conversation_of(stage, "before")
    await stage.runtime.desk.say(stage.creator_id, conversation, "are you there?")
    await stage.quiet()
    assert len(stage.emulator.calls("sendMessage")) == calls
    stage.emulator.bot.blocked.discard(ada.key)
    await ada.says("again")  # the update that tells of the unblocking may be missing
    await bob.says("hello")
    await stage.quiet()
    assert await ada.heard() == ["echo before", "echo again"]
    assert await bob.heard() == ["echo hello"]


async def test_a_chat_that_moved_is_followed(stage: Stage, ada: TelegramPerson) -> None:
    await ada.says("before")
    await stage.quiet()
    emulator = stage.emulator
    emulator.bot.moved[ada.key] = -100_5000
    emulator.bot.chats["-1005000"] = {"id": -100_5000, "type": "supergroup", "title": "Team"}
    await ada.says("after")
    await stage.quiet()
    assert await ada.heard() == ["echo before"]
    assert emulator.texts(-100_5000) == ["echo after"]


async def test_a_moved_chat_that_wrote_from_its_new_place_first_is_followed_too(
    stage: Stage, ada: TelegramPerson
) -> None:
    await ada.says("before")
    group = TelegramPerson(stage=stage, gateway=ada.gateway, chat=-100_6000)
    await group.says("here now")
    await stage.quiet()
    stage.emulator.bot.moved[ada.key] = -100_6000
    await ada.says("late")
    await stage.quiet()
    assert await group.heard() == ["echo here now", "echo late"]


async def test_a_long_message_goes_on_at_the_part_that_failed(
    stage: Stage, ada: TelegramPerson
) -> None:
    # The second part's outcome is unknown: the first was let through by a delay of nothing.
    stage.emulator.fails("delay", seconds=0)
    stage.emulator.fails("drop_before")
    await ada.says("long")
    await ada.says("after")
    await stage.quiet()
    assert [text[:5] for text in await ada.heard()] == ["part1", "echo "]
    (row,) = await stage.uncertain()
    assert row["parts_sent"] == 1
    await stage.runtime.desk.resend(stage.creator_id, row["id"])
    await stage.quiet()
    assert [text[:5] for text in await ada.heard()] == ["part1", "echo ", "part2", "part3"]


async def test_a_reply_with_nothing_to_show_holds_up_nothing(
    stage: Stage, ada: TelegramPerson
) -> None:
    await ada.says("nothing")
    await ada.says("hello")
    await stage.quiet()
    assert await ada.heard() == ["echo hello"]
    assert not await stage.uncertain()


async def test_a_revoked_token_keeps_messages_until_the_channel_works_again(
    stage: Stage, ada: TelegramPerson
) -> None:
    bot = stage.emulator.bots.pop(stage.emulator.token)
    await ada.says("first")
    revoked = "SELECT 1 FROM app.channels WHERE status = 'revoked'"
    await eventually(lambda: stage.fetch(revoked))
    assert await outcome(stage, "first") == ("queued", "channel_auth_revoked")
    stage.emulator.bots[bot.token] = bot
    await stage.fetch("UPDATE app.channels SET status = 'active'")
    await stage.fetch("UPDATE app.ai_conversations SET outbound_due_at = now()")
    await stage.quiet()
    assert await oracle.check(stage, [ada]) == 0


async def point_at(stage: Stage, base_url: str) -> None:
    await stage.fetch(
        "UPDATE app.channels SET settings = jsonb_build_object('api_base_url', $1::text)"
        " WHERE type = 'telegram'",
        base_url,
    )
