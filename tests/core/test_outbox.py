"""The outbox: what becomes of a message by what the channel answers; nothing sent twice."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from core.attempts import MAX_ATTEMPTS
from core.channels import Address, Sender
from core.dialogue.degrade import degrade
from shared.errors import (
    ChannelError,
    MessageRejected,
    NetworkError,
    NotFound,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    RecipientUnreachable,
)
from shared.messages import Message
from tests.apps import App
from tests.core.probe import ProbeChannel
from tests.core.test_inbox import reachable
from tests.learners import Learner, on_telegram, work, worked_until

_ATTEMPTS = "SELECT * FROM app.send_attempts WHERE creator_id = $1 ORDER BY started_at, id"


async def outcomes(app: App) -> list[tuple[str | None, str | None]]:
    return [(row["outcome"], row["error_code"]) for row in await app.fetch(_ATTEMPTS)]


# --- over the emulated Bot API


async def test_a_reply_is_sent_and_named(learner: Learner) -> None:
    [sent] = await learner.asks("/goals")
    row = await learner.last()
    assert (row["status"], row["parts_sent"]) == ("sent", 1)
    assert row["provider_ids"] == [f"{learner.chat}:{sent.message_id}"]
    assert row["sent_at"] is not None
    assert await outcomes(learner.app) == [("sent", None)]


@pytest.mark.parametrize(
    ("fault", "arrived"),
    [
        ({"kind": "drop_before"}, 0),
        ({"kind": "drop_after_accept"}, 1),
        ({"kind": "server_error", "status": 500}, 0),
        ({"kind": "server_error", "status": 502}, 0),
        ({"kind": "server_error_after_accept", "status": 504}, 1),
    ],
    ids=["drop-before", "drop-after", "500", "502", "504-after"],
)
async def test_without_an_answer_the_outcome_is_uncertain_and_nothing_is_repeated(
    learner: Learner, fault: dict[str, Any], arrived: int
) -> None:
    learner.emulator.fails(**fault)
    await learner.says("/goals")
    await work(learner.app)
    row = await learner.last()
    assert row["status"] == "uncertain"
    assert len(learner.emulator.sent) == arrived
    assert len(learner.emulator.calls("sendMessage")) == 1
    assert [outcome for outcome, _ in await outcomes(learner.app)] == ["unknown"]


async def test_an_uncertain_message_does_not_hold_the_next_one_up(learner: Learner) -> None:
    learner.emulator.fails("drop_before")
    await learner.says("/goals")
    await work(learner.app)
    assert len(await learner.asks("/help")) == 1


async def test_too_many_requests_waits_as_long_as_it_was_told(learner: Learner) -> None:
    learner.emulator.fails("rate_limit", seconds=1)
    await learner.says("/goals")
    await work(learner.app)
    assert (await learner.last())["status"] == "queued"
    assert learner.emulator.sent == []
    await worked_until(learner.app, lambda: has_status(learner, "sent"))
    first, second = learner.emulator.calls("sendMessage")
    assert second.at - first.at >= 0.9
    assert [outcome for outcome, _ in await outcomes(learner.app)] == ["retry", "sent"]


async def test_a_blocked_recipient_is_remembered_and_not_called_again(learner: Learner) -> None:
    learner.emulator.fails("blocked")
    await learner.says("/goals")
    await work(learner.app)
    row = await learner.last()
    assert (row["status"], row["error_code"]) == ("failed", "recipient_blocked")
    assert await reachable(learner) == "blocked"
    await coach_writes(learner, "Are you there?")
    await work(learner.app)
    assert (await learner.last())["error_code"] == "recipient_blocked"
    assert len(learner.emulator.calls("sendMessage")) == 1


async def test_a_chat_that_moved_gets_its_message_at_the_new_address(learner: Learner) -> None:
    await learner.says("/goals")
    learner.emulator.bot.chats["-1009"] = {"id": -1009, "type": "supergroup"}
    learner.emulator.fails("migrate", new_chat=-1009)
    await work(learner.app)
    assert [sent.chat for sent in learner.emulator.sent] == ["-1009"]
    assert (await learner.conversation())["key"] == "-1009"


async def test_a_revoked_token_stops_the_channel_and_keeps_its_messages(learner: Learner) -> None:
    revoked = learner.emulator.bots.pop(learner.emulator.token)
    await learner.says("/goals")
    await work(learner.app)
    assert (await learner.last())["status"] == "queued"
    channel = await the_channel(learner)
    assert (channel["status"], channel["status_reason"]) == ("revoked", "channel_auth_revoked")
    await coach_writes(learner, "Hello")
    await work(learner.app)
    assert len(learner.emulator.calls("sendMessage")) == 1
    # The coach gives a new token and switches the channel on again: everything goes out.
    learner.emulator.bots[learner.emulator.token] = revoked
    await set_channel(learner, "status = 'active'")
    await learner.app.fetch(
        "UPDATE app.ai_conversations SET outbound_due_at = now() WHERE creator_id = $1"
    )
    await work(learner.app)
    assert len(learner.emulator.sent) == 2


async def test_a_server_that_is_away_is_tried_again_until_it_is_back(
    school: App, closed_port: int
) -> None:
    async with on_telegram(school) as learner:
        address = learner.account.api_base_url
        await set_channel(
            learner, "settings = $3", {"api_base_url": f"http://127.0.0.1:{closed_port}"}
        )
        await learner.says("/goals")
        await work(school)
        row = await learner.last()
        assert (row["status"], row["error_code"]) == ("queued", "channel_unreachable")
        await set_channel(learner, "settings = $3", {"api_base_url": address})
        school.runtime.accounts.forget(learner.account.channel_id)
        await worked_until(school, lambda: has_status(learner, "sent"))
    assert [outcome for outcome, _ in await outcomes(school)][-1] == "sent"


async def test_a_paused_channel_sends_nothing_before_its_time(learner: Learner) -> None:
    await learner.says("/goals")
    await set_channel(learner, "blocked_until = now() + interval '0.8 s'")
    await work(learner.app)
    assert learner.emulator.calls("sendMessage") == []
    assert (await learner.conversation())["outbound_due_at"] == (await the_channel(learner))[
        "blocked_until"
    ]
    await worked_until(learner.app, lambda: has_status(learner, "sent"))


async def test_a_long_answer_arrives_in_order_and_goes_on_after_a_refusal(
    learner: Learner,
) -> None:
    await learner.asks("/help")
    text = "\n\n".join(f"Paragraph {n}: " + "word " * 300 for n in range(8))
    parts = degrade(Message(text=text), learner.adapter.capabilities, uuid4())
    assert len(parts) > 2
    learner.emulator.sent.clear()
    learner.emulator.fails("rate_limit", seconds=1, times=1)
    await coach_writes(learner, text)
    await worked_until(learner.app, lambda: has_status(learner, "sent"))
    assert [sent.text for sent in learner.emulator.sent] == [part.text.text for part in parts]
    row = await learner.last()
    assert (row["parts_sent"], len(row["provider_ids"])) == (len(parts), len(parts))


async def test_resend_goes_on_with_the_part_that_is_not_known_to_be_out(learner: Learner) -> None:
    await learner.asks("/help")
    text = "\n\n".join(f"Paragraph {n}: " + "word " * 300 for n in range(8))
    parts = degrade(Message(text=text), learner.adapter.capabilities, uuid4())
    learner.emulator.sent.clear()
    learner.emulator.fails("delay", seconds=0)
    learner.emulator.fails("drop_before")
    await coach_writes(learner, text)
    await work(learner.app)
    row = await learner.last()
    assert (row["status"], row["parts_sent"]) == ("uncertain", 1)
    await learner.app.runtime.desk.resend(learner.app.creator_id, row["id"])
    await work(learner.app)
    assert [sent.text for sent in learner.emulator.sent] == [part.text.text for part in parts]
    assert (await learner.last())["status"] == "sent"


async def test_resend_is_for_uncertain_and_failed_messages_only(learner: Learner) -> None:
    await learner.asks("/help")
    desk, row = learner.app.runtime.desk, await learner.last()
    with pytest.raises(NotFound):
        await desk.resend(learner.app.creator_id, row["id"])
    with pytest.raises(NotFound):
        await desk.resend(uuid4(), row["id"])
    assert len(learner.emulator.sent) == 1


async def test_a_worker_that_died_while_sending_leaves_the_message_uncertain(
    learner: Learner,
) -> None:
    await learner.says("/goals")
    await learner.app.runtime.engine.take_turn(
        learner.app.creator_id, await learner.conversation_id()
    )
    await learner.app.fetch(
        "UPDATE app.messages SET status = 'sending' WHERE creator_id = $1 AND direction = 'out'"
    )
    await work(learner.app)
    row = await learner.last()
    assert (row["status"], row["error_code"]) == ("uncertain", "worker_died_while_sending")
    assert learner.emulator.sent == []


# --- a coach's own messages


async def test_a_coach_message_with_a_key_is_written_once(learner: Learner) -> None:
    await learner.asks("/help")
    first = await coach_writes(learner, "Well done!", key="k1")
    second = await coach_writes(learner, "Well done!", key="k1")
    await work(learner.app)
    assert first == second
    assert learner.emulator.texts().count("Well done!") == 1


async def test_a_coach_message_sent_ten_times_at_once_is_written_once(learner: Learner) -> None:
    await learner.asks("/help")
    ids = await asyncio.gather(*(coach_writes(learner, "Well done!", key="k1") for _ in range(10)))
    await work(learner.app)
    assert len(set(ids)) == 1
    assert learner.emulator.texts().count("Well done!") == 1


async def test_without_a_key_every_coach_message_counts(learner: Learner) -> None:
    await learner.asks("/help")
    for _ in range(2):
        await coach_writes(learner, "Well done!")
    await work(learner.app)
    assert learner.emulator.texts().count("Well done!") == 2


async def test_a_coach_can_not_write_into_another_creators_conversation(learner: Learner) -> None:
    await learner.asks("/help")
    with pytest.raises(NotFound):
        await learner.app.runtime.desk.say(uuid4(), await learner.conversation_id(), "Hello")


# --- every class of error, on a channel without a network


@pytest.fixture
def probe(school: App) -> ProbeChannel:
    channel = ProbeChannel()
    school.runtime.channels["probe"] = channel
    return channel


async def written(school: App, text: str) -> Any:
    """A coach's message in a new conversation on the probe channel, worked on once."""
    account = await school.add_channel("probe")
    conversation_id = await school.runtime.inbox.open_conversation(
        account, address=Address(chat="1", person="1"), sender=Sender(address="1"), key="1"
    )
    await school.runtime.desk.say(school.creator_id, conversation_id, text)
    await work(school)
    return await only_message(school)


async def only_message(school: App) -> Any:
    [row] = await school.fetch("SELECT * FROM app.messages WHERE creator_id = $1")
    return row


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (OutcomeUnknown(), "uncertain", "outcome_unknown"),
        (RuntimeError("a bug of the adapter"), "uncertain", "outcome_unknown"),
        (TimeoutError(), "uncertain", "outcome_unknown"),
        (NetworkError(retry_after=60), "queued", "channel_unreachable"),
        (RateLimited(retry_after=60), "queued", "channel_rate_limited"),
        (MessageRejected(), "failed", "message_rejected"),
        (PermissionDenied(), "failed", "channel_permission_denied"),
        (RecipientUnreachable(reason="invalid"), "failed", "recipient_invalid"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_the_class_of_an_error_decides(
    school: App, probe: ProbeChannel, error: Exception, status: str, code: str
) -> None:
    probe.errors = [error]
    row = await written(school, "Hello")
    assert (row["status"], row["error_code"]) == (status, code)
    assert probe.sent == []


async def test_what_may_be_repeated_is_given_up_after_enough_attempts(
    school: App, probe: ProbeChannel
) -> None:
    errors: list[ChannelError] = [NetworkError(retry_after=0) for _ in range(MAX_ATTEMPTS + 5)]
    probe.errors = list(errors)
    await written(school, "Hello")

    async def is_failed() -> bool:
        return bool((await only_message(school))["status"] == "failed")

    await worked_until(school, is_failed)
    assert len(errors) - len(probe.errors) == MAX_ATTEMPTS


async def test_a_limit_of_the_whole_channel_pauses_its_other_conversations(
    school: App, probe: ProbeChannel
) -> None:
    probe.errors = [RateLimited(retry_after=60, scope="channel")]
    row = await written(school, "Hello")
    assert row["status"] == "queued"
    [channel] = await school.fetch("SELECT * FROM app.channels WHERE creator_id = $1")
    record = await school.runtime.accounts.get(school.creator_id, channel["id"])
    other = await school.runtime.inbox.open_conversation(
        record.account, address=Address(chat="2", person="2"), sender=Sender(address="2"), key="2"
    )
    await school.runtime.desk.say(school.creator_id, other, "Hello, too")
    await work(school)
    assert probe.sent == []


async def test_a_message_that_nobody_would_see_is_settled_without_a_send(
    school: App, probe: ProbeChannel
) -> None:
    row = await written(school, "\u200b \u2060")
    assert (row["status"], row["error_code"]) == ("failed", "message_empty")
    assert probe.sent == []


# --- helpers


async def coach_writes(learner: Learner, text: str, key: str | None = None) -> Any:
    return await learner.app.runtime.desk.say(
        learner.app.creator_id, await learner.conversation_id(), text, key
    )


async def has_status(learner: Learner, status: str) -> bool:
    return bool((await learner.last())["status"] == status)


async def the_channel(learner: Learner) -> Any:
    [row] = await learner.app.fetch(
        "SELECT * FROM app.channels WHERE creator_id = $1 AND id = $2", learner.account.channel_id
    )
    return row


async def set_channel(learner: Learner, change: str, *values: Any) -> None:
    await learner.app.fetch(
        f"UPDATE app.channels SET {change} WHERE creator_id = $1 AND id = $2",  # noqa: S608
        learner.account.channel_id,
        *values,
    )
    learner.app.runtime.accounts.forget(learner.account.channel_id)
