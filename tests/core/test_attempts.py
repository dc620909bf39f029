"""Send attempts: one that nobody made goes back; one that somebody asks about is settled once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import pytest

from core import attempts, leases
from core.channels import Account, Address, OutboundPart, Sender, SendResult
from core.leases import Lease
from core.sending import Delivery, delivery_of
from shared.database import PgConnection
from shared.errors import (
    AuthRevoked,
    ChannelError,
    NetworkError,
    OutcomeUnknown,
    PermissionDenied,
    RateLimited,
)
from shared.utils.ids import new_id
from tests.apps import App
from tests.core.probe import ProbeChannel
from tests.learners import work, worked_until

_OUT = "SELECT * FROM app.messages WHERE creator_id = $1 AND direction = 'out' ORDER BY seq"
_ATTEMPTS = "SELECT * FROM app.send_attempts WHERE creator_id = $1 ORDER BY started_at, id"


class AskingChannel(ProbeChannel):
    """A probe that can be asked what became of a send; `lost` names those it never got."""

    def __init__(self) -> None:
        super().__init__()
        self.accepts = True  # also when the answer is an error
        self.asked = 0
        self.unsure: list[Exception] = []

    async def send(self, to: Address, part: OutboundPart, account: Account) -> SendResult:
        if self.errors and self.accepts:
            self.sent.append(part.text.text)
        return await super().send(to, part, account)

    async def find(
        self, to: Address, part: OutboundPart, account: Account, since: datetime
    ) -> SendResult | None:
        self.asked += 1
        if self.unsure:
            raise self.unsure.pop(0)
        if part.text.text in self.sent:
            return SendResult(external_ids=(f"found:{self.sent.index(part.text.text)}",))
        return None


@pytest.fixture
def asking(school: App) -> AskingChannel:
    channel = AskingChannel()
    school.runtime.channels["probe"] = channel
    school.runtime.settings.worker.grace_seconds = 0.3
    return channel


async def says(school: App, *texts: str) -> None:
    """A coach's messages in a new conversation on the probe channel; nothing is sent yet."""
    account = await school.add_channel("probe")
    conversation_id = await school.runtime.inbox.open_conversation(
        account, address=Address(chat="1", person="1"), sender=Sender(address="1"), key="1"
    )
    for text in texts:
        await school.runtime.desk.say(school.creator_id, conversation_id, text)


async def statuses(school: App) -> list[str]:
    return [row["status"] for row in await school.fetch(_OUT)]


async def until(school: App, *expected: str) -> None:
    async def is_so() -> bool:
        return await statuses(school) == list(expected)

    await worked_until(school, is_so)


async def die_while_sending(school: App) -> None:
    """Leave the first message as a worker leaves it that is killed after writing ahead."""
    async with held(school) as (connection, lease, delivery):
        assert await attempts.begin(connection, lease, delivery, 1)
        await leases.release(connection, lease, datetime.now().astimezone())


@asynccontextmanager
async def held(school: App) -> AsyncIterator[tuple[PgConnection, Lease, Delivery]]:
    """A transaction that holds the conversation, and what is next in it."""
    [row] = await school.fetch("SELECT id FROM app.ai_conversations WHERE creator_id = $1")
    async with school.runtime.database.transaction(school.creator_id) as connection:
        where = (school.creator_id, row["id"], new_id(), 60.0)
        lease = await leases.acquire(connection, "delivery", *where)
        assert lease is not None
        yield connection, lease, delivery_of(await attempts.next_row(connection, lease), new_id())


# --- what was begun and not sent


async def begun_and_taken_back(school: App, meanwhile: str = "") -> Any:
    async with held(school) as (connection, lease, delivery):
        assert await attempts.begin(connection, lease, delivery, 1)
    if meanwhile:
        await school.fetch(meanwhile)
    async with school.runtime.database.transaction(school.creator_id) as connection:
        await attempts.take_back(connection, lease, delivery.attempt_id)
        await leases.release(connection, lease, datetime.now().astimezone())
    return await school.fetch(_OUT)


@pytest.mark.parametrize("status", ["sending", "uncertain"])
async def test_what_was_begun_unheard_goes_back_and_is_sent(
    school: App, asking: AskingChannel, status: str
) -> None:
    await says(school, "Hello")
    gave_up = (
        "UPDATE app.messages SET status = 'uncertain' WHERE creator_id = $1"
        if status == "uncertain"
        else ""
    )
    [row] = await begun_and_taken_back(school, gave_up)
    assert (row["status"], row["error_code"]) == ("queued", None)
    [attempt] = await school.fetch(_ATTEMPTS)
    assert (attempt["outcome"], attempt["error_code"]) == ("retry", "not_begun")
    await work(school)
    assert asking.sent == ["Hello"]


async def test_it_does_not_go_back_when_a_later_message_was_begun(
    school: App, asking: AskingChannel
) -> None:
    await says(school, "Hello", "How are you?")
    went_on = """
    UPDATE app.messages SET status = CASE text WHEN 'Hello' THEN 'uncertain' ELSE 'sent' END
    WHERE creator_id = $1
    """
    first, _ = await begun_and_taken_back(school, went_on)
    assert first["status"] == "uncertain"


async def test_it_does_not_go_back_when_another_worker_has_begun_it_anew(
    school: App, asking: AskingChannel
) -> None:
    await says(school, "Hello")
    anew = """
    INSERT INTO app.send_attempts (creator_id, id, channel_id, message_id, part, started_at)
    SELECT creator_id, gen_random_uuid(), channel_id, message_id, part,
           started_at + interval '1 s'
    FROM app.send_attempts WHERE creator_id = $1
    """
    [row] = await begun_and_taken_back(school, anew)
    assert row["status"] == "sending"


async def test_an_attempt_that_was_sent_stays_sent(school: App, asking: AskingChannel) -> None:
    await says(school, "Hello")
    sent = "UPDATE app.send_attempts SET outcome = 'sent' WHERE creator_id = $1"
    [row] = await begun_and_taken_back(school, sent)
    assert row["status"] == "sending"


async def test_nothing_is_begun_without_the_lease(school: App, asking: AskingChannel) -> None:
    await says(school, "Hello")
    async with held(school) as (connection, lease, delivery):
        await leases.release(connection, lease)
        assert not await attempts.begin(connection, lease, delivery, 1)
    assert await statuses(school) == ["queued"]
    assert await school.fetch(_ATTEMPTS) == []


@pytest.mark.parametrize(
    "change",
    ["status = 'disabled'", "status = 'revoked'", "blocked_until = now() + interval '1 h'"],
)
async def test_nothing_is_begun_once_the_channel_wants_a_pause(
    school: App, asking: AskingChannel, change: str
) -> None:
    await says(school, "Hello")
    async with held(school) as (connection, lease, delivery):
        sql = f"UPDATE app.channels SET {change} WHERE creator_id = $1"  # noqa: S608
        await connection.execute(sql, school.creator_id)
        assert not await attempts.begin(connection, lease, delivery, 1)


# --- asking the platform


async def test_a_send_that_arrived_is_found_and_not_repeated(
    school: App, asking: AskingChannel
) -> None:
    asking.errors = [OutcomeUnknown()]
    await says(school, "Hello", "How are you?")
    await until(school, "sent", "sent")
    assert asking.sent == ["Hello", "How are you?"]
    first, _ = await school.fetch(_OUT)
    assert (first["provider_ids"], first["error_code"]) == (["found:0"], None)
    assert [row["outcome"] for row in await school.fetch(_ATTEMPTS)] == ["sent", "sent"]


async def test_a_send_that_did_not_arrive_goes_again_before_all_later_ones(
    school: App, asking: AskingChannel
) -> None:
    asking.errors, asking.accepts = [OutcomeUnknown()], False
    await says(school, "Hello", "How are you?")
    await until(school, "sent", "sent")
    assert asking.sent == ["Hello", "How are you?"]
    first, again, _ = await school.fetch(_ATTEMPTS)
    assert (first["outcome"], first["error_code"]) == ("retry", "not_found")
    # "Not found" is no proof while the platform may still be at it.
    assert (again["started_at"] - first["finished_at"]).total_seconds() >= 0.3


async def test_it_goes_again_only_so_often(school: App, asking: AskingChannel) -> None:
    school.runtime.settings.worker.grace_seconds = 0.0
    errors: list[Exception] = [OutcomeUnknown() for _ in range(attempts.MAX_ATTEMPTS + 5)]
    asking.errors, asking.accepts = errors, False
    await says(school, "Hello")
    await until(school, "failed")
    assert len(await school.fetch(_ATTEMPTS)) == attempts.MAX_ATTEMPTS


async def test_a_worker_that_died_while_sending_is_asked_about(
    school: App, asking: AskingChannel
) -> None:
    school.runtime.settings.worker.send_seconds = 0.5
    await says(school, "Hello", "How are you?")
    await die_while_sending(school)
    await work(school)
    # It may have hung before its bytes left: for now, "not found" says nothing.
    assert (asking.asked, asking.sent) == (1, [])
    assert await statuses(school) == ["sending", "queued"]
    await until(school, "sent", "sent")
    assert asking.sent == ["Hello", "How are you?"]


@pytest.mark.parametrize(
    "error",
    [NetworkError(), RateLimited(retry_after=0.2), OutcomeUnknown(), RuntimeError("a bug")],
    ids=lambda error: type(error).__name__,
)
async def test_a_platform_that_can_not_tell_is_asked_again(
    school: App, asking: AskingChannel, error: Exception
) -> None:
    asking.errors, asking.unsure = [OutcomeUnknown()], [error, error]
    await says(school, "Hello", "How are you?")
    await until(school, "sent", "sent")
    assert asking.asked == 3
    assert asking.sent == ["Hello", "How are you?"]


async def test_after_long_enough_a_person_has_to_look(school: App, asking: AskingChannel) -> None:
    school.runtime.settings.worker.reconcile_seconds = 0.5
    asking.errors = [OutcomeUnknown()]
    asking.unsure = [NetworkError() for _ in range(100)]
    await says(school, "Hello", "How are you?")
    await until(school, "uncertain", "sent")
    assert asking.sent == ["Hello", "How are you?"]
    assert asking.asked >= 3


async def test_what_may_not_be_looked_up_is_listed_at_once(
    school: App, asking: AskingChannel
) -> None:
    asking.errors, asking.unsure = [OutcomeUnknown()], [PermissionDenied()]
    await says(school, "Hello")
    await until(school, "uncertain")
    [row] = await school.fetch(_OUT)
    assert (row["error_code"], asking.asked) == ("channel_permission_denied", 1)


async def test_asking_with_a_revoked_token_stops_the_channel_and_goes_on_later(
    school: App, asking: AskingChannel
) -> None:
    asking.errors, asking.unsure = [OutcomeUnknown()], [AuthRevoked()]
    await says(school, "Hello")

    async def is_revoked() -> bool:
        rows = await school.fetch("SELECT status FROM app.channels WHERE creator_id = $1")
        return bool(rows[0]["status"] == "revoked")

    await worked_until(school, is_revoked)
    assert await statuses(school) == ["sending"]
    for change in (
        "channels SET status = 'active'",
        "ai_conversations SET outbound_due_at = now()",
    ):
        await school.fetch(f"UPDATE app.{change} WHERE creator_id = $1")
    await until(school, "sent")
    assert asking.sent == ["Hello"]


@pytest.mark.parametrize("error", [NetworkError(retry_after=60), RateLimited(retry_after=60)])
async def test_what_surely_did_not_leave_is_not_asked_about(
    school: App, asking: AskingChannel, error: ChannelError
) -> None:
    asking.errors, asking.accepts = [error], False
    await says(school, "Hello")
    await work(school)
    assert (await statuses(school), asking.asked) == (["queued"], 0)
