"""What a send depends on: its time, what grows on the channel already, its space's credentials."""

from datetime import timedelta
from typing import Any, ClassVar

import pytest

from core.channels import Account, Address, OutboundPart, Sender, SendResult
from shared.errors import (
    AuthRevoked,
    ChannelError,
    MessageRejected,
    NetworkError,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
    RecipientUnreachable,
)
from shared.utils.clock import utc_now
from tests.apps import App
from tests.core.probe import ProbeChannel
from tests.core.test_outbox import only_message
from tests.learners import work, worked_until


@pytest.fixture
def probe(school: App) -> ProbeChannel:
    channel = ProbeChannel()
    school.runtime.channels["probe"] = channel
    return channel


# --- messages that are worth sending for a while only


async def payload(school: App, **changes: Any) -> None:
    await school.fetch(
        "UPDATE app.messages SET payload = payload || $2 WHERE creator_id = $1", changes
    )


async def queued(school: App, text: str, address: Address | None = None) -> None:
    """A coach's message on the probe channel, not worked on yet."""
    account = await school.add_channel("probe")
    to = address or Address(chat="1", person="1")
    conversation_id = await school.runtime.inbox.open_conversation(
        account, address=to, sender=Sender(address="1"), key="1"
    )
    await school.runtime.desk.say(school.creator_id, conversation_id, text)


async def test_a_message_that_came_too_late_is_canceled(school: App, probe: ProbeChannel) -> None:
    await queued(school, "Stand-up in five minutes!")
    await payload(school, expires_at=(utc_now() - timedelta(seconds=1)).isoformat())
    await work(school)
    row = await only_message(school)
    assert (row["status"], row["error_code"], probe.sent) == ("canceled", "expired", [])


async def test_a_channel_is_told_how_long_a_message_is_worth_sending(
    school: App, probe: ProbeChannel
) -> None:
    await queued(school, "Stand-up in five minutes!")
    await payload(school, expires_at=(utc_now() + timedelta(seconds=300)).isoformat())
    await work(school)
    [part] = probe.parts
    assert part.valid_seconds is not None
    assert 290 < part.valid_seconds <= 300


@pytest.mark.parametrize("expires_at", [None, "", "soon", "2020-01-01T00:00:00", 7, {}])
async def test_an_expiry_that_can_not_be_read_is_none(
    school: App, probe: ProbeChannel, expires_at: Any
) -> None:
    await queued(school, "Hello")
    await payload(school, expires_at=expires_at)
    await work(school)
    [part] = probe.parts
    assert part.valid_seconds is None


# --- answers that grow on the channel already


class GrowingChannel(ProbeChannel):
    """A probe on which answers can grow; `ended` holds what their messages became."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: list[tuple[str, str]] = []
        self.end_errors: list[Exception] = []

    async def start_stream(self, to: Address, markdown: str, account: Account) -> str:
        raise NotImplementedError

    async def grow_stream(
        self, to: Address, external_id: str, shown: str, markdown: str, account: Account
    ) -> None:
        raise NotImplementedError

    async def end_stream(
        self, to: Address, external_id: str, part: OutboundPart, account: Account
    ) -> SendResult:
        self.ended.append((external_id, part.text.text))
        if self.end_errors:
            raise self.end_errors.pop(0)
        return SendResult(external_ids=(external_id,))


@pytest.fixture
def growing(school: App) -> GrowingChannel:
    channel = GrowingChannel()
    school.runtime.channels["probe"] = channel
    return channel


async def grows(school: App, text: str, external_id: str | None = "m7") -> None:
    await queued(school, text)
    await school.fetch(
        "INSERT INTO app.reply_streams (creator_id, message_id, conversation_id, external_id)"
        " SELECT creator_id, id, conversation_id, $2 FROM app.messages WHERE creator_id = $1",
        external_id,
    )


async def streams_left(school: App) -> int:
    return len(await school.fetch("SELECT 1 FROM app.reply_streams WHERE creator_id = $1"))


async def test_what_grows_is_completed_and_its_other_parts_are_sent(
    school: App, growing: GrowingChannel
) -> None:
    await grows(school, "A first sentence of this. " * 3)
    await work(school)
    row = await only_message(school)
    assert (row["status"], row["provider_ids"]) == ("sent", ["m7", "probe:1", "probe:2"])
    assert [name for name, _ in growing.ended] == ["m7"]
    assert len(growing.sent) == 2
    assert await streams_left(school) == 0


@pytest.mark.parametrize(
    "error",
    [OutcomeUnknown(), NetworkError(), RateLimited(retry_after=0.1), TimeoutError()],
    ids=lambda error: type(error).__name__,
)
async def test_completing_it_is_repeated_as_an_edit_may_be(
    school: App, growing: GrowingChannel, error: Exception
) -> None:
    growing.end_errors = [error]
    await grows(school, "Hello")

    async def is_sent() -> bool:
        return bool((await only_message(school))["status"] == "sent")

    await worked_until(school, is_sent)
    assert growing.ended == [("m7", "Hello")] * 2
    assert (growing.sent, await streams_left(school)) == ([], 0)


async def test_a_worker_that_died_while_completing_it_leaves_nothing_uncertain(
    school: App, growing: GrowingChannel
) -> None:
    await grows(school, "Hello")
    await school.fetch("""
        INSERT INTO app.send_attempts (creator_id, id, channel_id, message_id, part)
        SELECT creator_id, gen_random_uuid(), channel_id, id, 0 FROM app.messages
        WHERE creator_id = $1""")
    await school.fetch("UPDATE app.messages SET status = 'sending' WHERE creator_id = $1")
    await work(school)
    assert (await only_message(school))["status"] == "sent"
    assert (growing.ended, growing.sent) == ([("m7", "Hello")], [])


@pytest.mark.parametrize("error", [MessageRejected(), PermissionDenied()])
async def test_what_can_not_be_completed_goes_as_a_message_of_its_own(
    school: App, growing: GrowingChannel, error: ChannelError
) -> None:
    growing.end_errors = [error]
    await grows(school, "Hello")
    await work(school)
    assert (await only_message(school))["status"] == "sent"
    assert (len(growing.ended), growing.sent) == (1, ["Hello"])
    assert await streams_left(school) == 0


async def test_a_growing_answer_without_a_name_is_sent_whole(
    school: App, growing: GrowingChannel
) -> None:
    await grows(school, "Hello", external_id=None)
    await work(school)
    assert (growing.ended, growing.sent, await streams_left(school)) == ([], ["Hello"], 0)


async def test_who_can_not_be_reached_is_not_written_to_anew(
    school: App, growing: GrowingChannel
) -> None:
    growing.end_errors = [RecipientUnreachable(reason="blocked")]
    await grows(school, "Hello")
    await work(school)
    assert (await only_message(school))["status"] == "failed"
    assert (growing.sent, await streams_left(school)) == ([], 0)


# --- channels that are installed in several spaces


class SpaceChannel(ProbeChannel):
    """A probe whose credentials are those of a space."""

    credential_names: ClassVar[frozenset[str]] = frozenset({"token"})

    def __init__(self) -> None:
        super().__init__()
        self.revoked: set[str] = set()
        self.calls = 0

    async def send(self, to: Address, part: OutboundPart, account: Account) -> SendResult:
        self.calls += 1
        if account.credential("token", to.space) in {None, *self.revoked}:
            raise AuthRevoked
        return await super().send(to, part, account)


async def test_a_space_that_is_taken_back_stops_alone(school: App) -> None:
    runtime, channel = school.runtime, SpaceChannel()
    runtime.channels["probe"] = channel
    account = await school.add_channel("probe")
    for space in ("T1", "T2"):
        credentials = {"token": f"token of {space}"}
        await runtime.installations.save(account, space, credentials, f"Team {space}")
        conversation_id = await runtime.inbox.open_conversation(
            account,
            address=Address(chat=f"C-{space}", space=space),
            sender=Sender(address=f"U-{space}"),
            key=space,
        )
        for text in ("first", "second"):
            await runtime.desk.say(school.creator_id, conversation_id, f"{text} in {space}")
    channel.revoked.add("token of T1")
    await work(school)
    assert channel.sent == ["first in T2", "second in T2"]
    states = "SELECT text, status FROM app.messages WHERE creator_id = $1 ORDER BY text"
    assert {r["text"]: r["status"] for r in await school.fetch(states)} == {
        "first in T1": "queued",
        "second in T1": "queued",
        "first in T2": "sent",
        "second in T2": "sent",
    }
    [row] = await school.fetch("SELECT status FROM app.channels WHERE creator_id = $1")
    assert row["status"] == "active"
    # It isn't called again for the space that has no credentials left.
    calls, due = channel.calls, "UPDATE app.ai_conversations SET outbound_due_at = now()"
    await school.fetch(f"{due} WHERE creator_id = $1")
    await work(school)
    assert channel.calls == calls
    await runtime.installations.save(account, "T1", {"token": "new"}, "Team T1")
    await school.fetch(f"{due} WHERE creator_id = $1")
    await work(school)
    assert channel.sent[2:] == ["first in T1", "second in T1"]


async def test_the_last_space_stops_the_channel(school: App) -> None:
    runtime, channel = school.runtime, SpaceChannel()
    runtime.channels["probe"] = channel
    await queued(school, "Hello", Address(chat="1", person="1", space="T1"))
    await work(school)
    [row] = await school.fetch("SELECT * FROM app.channels WHERE creator_id = $1")
    assert (row["status"], row["status_reason"]) == ("revoked", "channel_auth_revoked")
    assert (await only_message(school))["status"] == "queued"
