"""The inbox: every event once, every person once, every text whole."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from core.channels import (
    Account,
    Address,
    ConversationMigrated,
    MessageDeleted,
    MessageEvent,
    OptEvent,
    Parsed,
    Sender,
)
from shared.errors import Conflict, NotFound
from shared.utils.clock import utc_now
from tests.apps import App
from tests.learners import Learner, work


def envelope(account: Account, *, external_id: str = "", person: str = "1001") -> dict[str, Any]:
    return {
        "creator_id": account.creator_id,
        "channel_id": account.channel_id,
        "external_id": external_id or uuid4().hex,
        "occurred_at": utc_now(),
        "address": Address(chat=person, person=person),
        "sender": Sender(address=person, name="Ada"),
    }


def message(account: Account, text: str, **fields: str) -> MessageEvent:
    return MessageEvent(text=text, **envelope(account, **fields))


async def counted(app: App, table: str) -> int:
    [row] = await app.fetch(
        f"SELECT count(*) AS n FROM app.{table} WHERE creator_id = $1"  # noqa: S608
    )
    return int(row["n"])


async def test_the_same_event_twice_is_stored_and_queued_once(learner: Learner) -> None:
    inbox = learner.app.runtime.inbox
    event = message(learner.account, "hello", external_id="update:7")
    first = await inbox.accept(event, conversation_key="1001")
    second = await inbox.accept(event, conversation_key="1001")
    assert not first.duplicate
    assert second.duplicate
    assert (second.message_id, second.seq) == (first.message_id, first.seq)
    assert [row["text"] for row in await learner.inbound()] == ["hello"]
    async with learner.app.runtime.database.dispatch() as connection:
        jobs = await connection.fetchval("SELECT count(*) FROM queue.pgqueuer")
    assert jobs == 1


async def test_the_same_id_with_another_text_is_a_conflict(learner: Learner) -> None:
    inbox = learner.app.runtime.inbox
    await inbox.accept(
        message(learner.account, "hello", external_id="update:7"), conversation_key="1001"
    )
    with pytest.raises(Conflict):
        await inbox.accept(
            message(learner.account, "goodbye", external_id="update:7"), conversation_key="1001"
        )
    assert [row["text"] for row in await learner.inbound()] == ["hello"]


async def test_one_id_on_two_channels_is_two_messages(learner: Learner) -> None:
    web = await learner.app.add_channel("web")
    inbox = learner.app.runtime.inbox
    for account in (learner.account, web):
        accepted = await inbox.accept(
            message(account, "hello", external_id="7"), conversation_key="1001"
        )
        assert not accepted.duplicate


async def test_ten_first_messages_at_once_make_one_contact(learner: Learner) -> None:
    inbox = learner.app.runtime.inbox
    accepted = await asyncio.gather(
        *(
            inbox.accept(message(learner.account, f"message {n}"), conversation_key="1001")
            for n in range(10)
        )
    )
    for table in ("contacts", "contact_identities", "ai_conversations"):
        assert await counted(learner.app, table) == 1
    assert sorted(one.seq for one in accepted) == list(range(1, 11))


async def test_one_person_in_two_threads_is_one_contact(learner: Learner) -> None:
    inbox = learner.app.runtime.inbox
    first, second = await asyncio.gather(
        *(
            inbox.accept(message(learner.account, "hello"), conversation_key=key)
            for key in ("1001/1", "1001/2")
        )
    )
    assert first.contact_id == second.contact_id
    assert first.conversation_id != second.conversation_id


async def test_one_event_delivered_ten_times_at_once_is_one_message(learner: Learner) -> None:
    inbox = learner.app.runtime.inbox
    event = message(learner.account, "hello", external_id="update:7")
    accepted = await asyncio.gather(
        *(inbox.accept(event, conversation_key="1001") for _ in range(10))
    )
    assert [one.duplicate for one in accepted].count(False) == 1
    assert len({one.message_id for one in accepted}) == 1
    assert len(await learner.inbound()) == 1


async def test_forty_thousand_characters_are_stored_whole(learner: Learner) -> None:
    text = "Ä𝄞" * 20_000
    await learner.app.runtime.inbox.accept(message(learner.account, text), conversation_key="1001")
    [stored] = await learner.inbound()
    assert stored["text"] == text


@pytest.mark.parametrize(
    ("sent", "stored"),
    [("a\x00b", "ab"), ("a\ud800b", "a\ufffdb"), ("\U0001f9d7\u200d♀️", "\U0001f9d7\u200d♀️")],
    ids=["nul", "lone-surrogate", "joined-emoji"],
)
async def test_what_no_database_takes_is_mended(learner: Learner, sent: str, stored: str) -> None:
    await learner.says(sent)
    [row] = await learner.inbound()
    assert row["text"] == stored


async def test_a_refused_event_leaves_no_trace(learner: Learner) -> None:
    stranger = replace(learner.account, channel_id=uuid4())  # no channel of this creator
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await learner.app.runtime.inbox.accept(message(stranger, "hello"), conversation_key="1001")
    assert await counted(learner.app, "contacts") == 0


# --- events that are no turn


async def test_an_edit_changes_the_stored_text(learner: Learner) -> None:
    await learner.says("I want to run")
    number = int((await learner.inbound())[0]["payload"]["message_external_id"].split(":")[1])
    await learner.emulator.edits(number, "I want to swim")
    await learner.arrive()
    [row] = await learner.inbound()
    assert row["text"] == "I want to swim"
    assert row["payload"]["edited"] is True


async def test_a_withdrawn_message_is_emptied_and_not_answered(learner: Learner) -> None:
    await learner.says("my secret")
    [row] = await learner.inbound()
    event = MessageDeleted(
        message_external_id=row["payload"]["message_external_id"], **envelope(learner.account)
    )
    await learner.app.runtime.inbox.receive(
        learner.account, learner.adapter, Parsed(events=(event,))
    )
    await work(learner.app)
    [row] = await learner.inbound()
    assert (row["text"], row["status"]) == ("", "ignored")
    assert learner.emulator.sent == []


async def test_a_reaction_is_kept_with_the_message_it_is_for(learner: Learner) -> None:
    [welcome] = await learner.asks("/start")
    await learner.emulator.reacts("👍", welcome.message_id)
    await learner.arrive()
    assert (await learner.last())["payload"]["reaction"] == "👍"
    await learner.emulator.reacts("", welcome.message_id)
    await learner.arrive()
    assert (await learner.last())["payload"]["reaction"] == ""


async def test_who_blocks_is_not_written_to_until_they_unblock(learner: Learner) -> None:
    await learner.asks("/help")
    await learner.emulator.blocks()
    await learner.arrive()
    assert await reachable(learner) == "blocked"
    await learner.emulator.unblocks()
    await learner.arrive()
    assert await reachable(learner) == "yes"
    assert len(await learner.asks("/help")) == 1


@pytest.mark.parametrize(("choice", "state"), [("out", "opted_out"), ("help", "yes")])
async def test_an_opt_event_is_remembered(learner: Learner, choice: Any, state: str) -> None:
    await learner.asks("/help")
    event = OptEvent(choice=choice, **envelope(learner.account))
    await learner.app.runtime.inbox.receive(
        learner.account, learner.adapter, Parsed(events=(event,))
    )
    assert await reachable(learner) == state


async def test_opting_in_again_is_remembered(learner: Learner) -> None:
    await learner.asks("/help")
    for choice in ("out", "in"):
        event = OptEvent(choice=choice, **envelope(learner.account))
        await learner.app.runtime.inbox.receive(
            learner.account, learner.adapter, Parsed(events=(event,))
        )
    assert await reachable(learner) == "yes"


async def test_a_moved_chat_keeps_its_conversation(learner: Learner) -> None:
    await learner.asks("/help")
    event = ConversationMigrated(new_chat="-1009", **envelope(learner.account))
    await learner.app.runtime.inbox.receive(
        learner.account, learner.adapter, Parsed(events=(event,))
    )
    row = await learner.conversation()
    assert (row["key"], row["address"]["chat"]) == ("-1009", "-1009")


async def test_an_event_about_nothing_known_changes_nothing(learner: Learner) -> None:
    await learner.emulator.reacts("👍", 4711)
    await learner.emulator.edits(4712, "late")
    await learner.emulator.blocks()
    await learner.arrive()
    assert await counted(learner.app, "messages") == 0
    assert await counted(learner.app, "contacts") == 0


async def test_an_unknown_update_is_taken_without_a_turn(learner: Learner) -> None:
    await learner.take_in({"update_id": 1, "poll": {"id": "1"}})
    assert await counted(learner.app, "messages") == 0


# --- dead letters


async def test_retry_is_for_dead_messages_only(learner: Learner) -> None:
    await learner.says("/help")
    [row] = await learner.inbound()
    with pytest.raises(NotFound):
        await learner.app.runtime.inbox.retry(learner.app.creator_id, row["id"])
    await learner.app.fetch(
        "UPDATE app.messages SET status = 'dead', starts = 9, failures = 5 WHERE creator_id = $1"
    )
    await learner.app.runtime.inbox.retry(learner.app.creator_id, row["id"])
    await work(learner.app)
    assert (await learner.inbound())[0]["status"] == "answered"


async def reachable(learner: Learner) -> str:
    [row] = await learner.app.fetch(
        "SELECT reachable FROM app.contact_identities WHERE creator_id = $1 AND channel_id = $2",
        learner.account.channel_id,
    )
    return str(row["reachable"])
