"""Pace: no faster than the platform allows, nobody held up by another's limit, nothing lost."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest

from core.channels import Account, Address, Capabilities, OutboundPart, Rate, Sender, SendResult
from core.outbox import Outbox
from core.pace import Pace, check_rates, limits_of, rates_of
from core.runtime import Runtime
from shared.cache.limits import RateLimiter
from shared.errors import InvalidInput, RateLimited
from shared.utils.ids import new_id
from tests.apps import App
from tests.core.probe import ProbeChannel
from tests.learners import work
from tests.waiting import eventually

_STATUS = "SELECT status, count(*) AS n FROM app.messages WHERE creator_id = $1 GROUP BY status"
_SENT = "SELECT count(*) AS n FROM app.messages WHERE creator_id = $1 AND status = 'sent'"
_WAITING = """
SELECT extract(epoch FROM outbound_due_at - now()) AS seconds FROM app.ai_conversations
WHERE creator_id = $1 AND outbound_due_at > now()
"""
_DUE = """
SELECT id FROM app.ai_conversations WHERE creator_id = $1 AND outbound_due_at <= now()
  AND (delivery_until IS NULL OR delivery_until < now())
"""
RATES = Capabilities(
    max_text=40,
    account_rate=Rate(per_second=30, burst=30),
    conversation_rate=Rate(per_second=1, burst=3),
    group_rate=Rate(per_second=0.3),
)


def account(**settings: Any) -> Account:
    return Account(
        creator_id=uuid4(),
        channel_id=uuid4(),
        type="probe",
        route_key="r",
        credentials={},
        settings=settings,
    )


class LoggingChannel(ProbeChannel):
    """Logs when each chat was called; refuses a chat, or all, until a time."""

    def __init__(self, capabilities: Capabilities) -> None:
        super().__init__()
        self.capabilities = capabilities  # type: ignore[misc]
        self.calls: list[tuple[float, str, str]] = []
        self.refused_until: dict[str, float] = {}
        self.refusals: list[tuple[float, str]] = []

    async def send(self, to: Address, part: OutboundPart, account: Account) -> SendResult:
        now = time.monotonic()
        self.calls.append((now, to.chat, part.text.text))
        for place, scope in ((to.chat, "conversation"), ("", "channel")):
            if (left := self.refused_until.get(place, 0.0) - now) > 0:
                self.refusals.append((now, place))
                raise RateLimited(retry_after=left, scope=scope)  # type: ignore[arg-type]
        return await super().send(to, part, account)

    def texts(self, chat: str) -> list[str]:
        """What a chat was sent, without what it refused."""
        refused = {at for at, _ in self.refusals}
        return [text for at, to, text in self.calls if to == chat and at not in refused]

    def times(self, chat: str) -> list[float]:
        return [at for at, to, _ in self.calls if to == chat]


async def queue(school: App, channel: Account, chat: str, *texts: str) -> None:
    person = {"chat": chat, "person": chat}
    conversation_id = await school.runtime.inbox.open_conversation(
        channel, address=Address(**person), sender=Sender(address=chat), key=chat
    )
    for text in texts:
        await school.runtime.desk.say(school.creator_id, conversation_id, text)


async def is_sent(school: App) -> bool:
    rows = await school.fetch(_STATUS)
    return {row["status"] for row in rows} == {"sent"}


def new_worker(runtime: Runtime, school: App) -> Outbox:
    """As another process has it: another owner, and a limiter that shares nothing but Redis."""
    return Outbox(
        database=runtime.database,
        accounts=runtime.accounts,
        channels=runtime.channels,
        pace=Pace(RateLimiter(runtime.limiter._redis), places=10),
        settings=runtime.settings.worker,
        owner=new_id(),
    )


async def deliver_all(
    school: App, until: Callable[[], Awaitable[bool]] | None = None, workers: int = 4
) -> None:
    """Several workers, each at several conversations, until everything is sent."""
    places = 5
    outboxes = [new_worker(school.runtime, school) for _ in range(workers)]

    async def run(outbox: Outbox, number: int) -> None:
        while True:
            rows = await school.fetch(_DUE)
            for row in rows[number::places] or rows[:1]:
                await outbox.deliver(school.creator_id, row["id"])
            await asyncio.sleep(0.02)

    running = [asyncio.create_task(run(o, n)) for o in outboxes for n in range(places)]
    try:
        await eventually(until or (lambda: is_sent(school)))
    finally:
        for task in running:
            task.cancel()
        ended = await asyncio.gather(*running, return_exceptions=True)
    assert [e for e in ended if not isinstance(e, asyncio.CancelledError)] == []


# --- which limits


@pytest.mark.parametrize(
    ("to", "chat_rate"),
    [
        (Address(chat="1", person="1"), RATES.conversation_rate),
        (Address(chat="D1", person="U1", direct=True), RATES.conversation_rate),
        (Address(chat="C1", person="U1"), RATES.group_rate),
        (Address(chat="C1"), RATES.group_rate),
    ],
    ids=["person", "direct", "in-a-group", "group"],
)
def test_a_send_needs_leave_of_the_account_and_of_its_chat(to: Address, chat_rate: Rate) -> None:
    limits = limits_of(account(), RATES, to)
    assert [rate for _, rate in limits] == [RATES.account_rate, chat_rate]


def test_keys_begin_with_the_tenant_and_differ_by_space_and_chat() -> None:
    one = account()
    places = [
        Address(chat="1", person="1"),
        Address(chat="2", person="2"),
        Address(chat="1", person="1", space="T1"),
        Address(chat="1", person="1", space="T2"),
    ]
    keys = [[key for key, _ in limits_of(one, RATES, to)] for to in places]
    assert all(key.startswith(f"{one.creator_id}:") for pair in keys for key in pair)
    assert len({pair[1] for pair in keys}) == 4
    assert keys[0][0] == keys[1][0]  # one account, two chats
    assert len({pair[0] for pair in keys}) == 3


def test_threads_of_one_chat_share_its_limit() -> None:
    one = account()
    threads = [Address(chat="C1", thread=thread) for thread in (None, "1", "2")]
    assert len({limits_of(one, RATES, to)[1][0] for to in threads}) == 1


def test_a_creator_may_set_other_rates_or_none() -> None:
    rates = rates_of({"rates": {"account": 100, "group": 0, "conversation": 0.5}}, RATES)
    assert rates["account"] == Rate(per_second=100, burst=30)
    assert rates["conversation"] == Rate(per_second=0.5, burst=3)
    group = Address(chat="C1")
    assert len(limits_of(account(rates={"group": 0}), RATES, group)) == 1
    assert limits_of(account(), Capabilities(max_text=40), group) == []


@pytest.mark.parametrize(
    "rates",
    [{"acount": 1}, {"account": "1"}, {"account": -1}, {"account": True}, [], 5, None]
    + [{"account": number} for number in (float("nan"), float("inf"), 1e9, None)],
    ids=repr,
)
def test_rates_that_mean_nothing_are_refused(rates: Any) -> None:
    with pytest.raises(InvalidInput, match="rates"):
        check_rates({"rates": rates})


@pytest.mark.parametrize("settings", [{}, {"rates": {}}, {"rates": {"account": 0, "group": 2.5}}])
def test_rates_that_mean_something_are_taken(settings: dict[str, Any]) -> None:
    check_rates(settings)


# --- the outbox keeps them


async def paced(school: App, capabilities: Capabilities) -> tuple[LoggingChannel, Account]:
    channel = LoggingChannel(capabilities)
    school.runtime.channels["probe"] = channel
    return channel, await school.add_channel("probe")


async def test_a_chat_gets_its_messages_one_by_one_and_holds_up_nobody(school: App) -> None:
    slow = Capabilities(max_text=40, conversation_rate=Rate(per_second=0.5))
    channel, at = await paced(school, slow)
    await queue(school, at, "1", "first", "second")
    await queue(school, at, "2", "hello")
    await work(school)
    # Two seconds are too long to wait in a worker's place.
    assert (channel.texts("1"), channel.texts("2")) == (["first"], ["hello"])
    [row] = await school.fetch(
        "SELECT * FROM app.messages WHERE creator_id = $1 AND text = 'second'"
    )
    assert (row["status"], row["attempts"]) == ("queued", 0)
    await deliver_all(school, workers=1)
    assert channel.texts("1") == ["first", "second"]
    assert all(b - a >= 1.5 for a, b in pairwise(channel.times("1")))


async def test_a_short_wait_is_waited_in_place(school: App) -> None:
    channel, at = await paced(
        school, Capabilities(max_text=40, conversation_rate=Rate(per_second=5))
    )
    await queue(school, at, "1", "one", "two", "three")
    await work(school)
    assert channel.texts("1") == ["one", "two", "three"]
    assert all(b - a >= 0.1 for a, b in pairwise(channel.times("1")))


async def test_an_account_keeps_its_pace_over_all_workers_and_conversations(school: App) -> None:
    channel, at = await paced(
        school, Capabilities(max_text=40, account_rate=Rate(per_second=20, burst=5))
    )
    for chat in range(30):
        await queue(school, at, str(chat), "one", "two")
    await deliver_all(school)
    times = sorted(time for time, _, _ in channel.calls)
    assert len(times) == 60
    # Any 25 sends take a second, the burst aside; a tenth for sends that were held up on the way.
    assert all(later - earlier >= 0.6 for earlier, later in zip(times, times[25:], strict=False))
    assert all(channel.texts(str(chat)) == ["one", "two"] for chat in range(30))


async def test_no_token_is_spent_when_nothing_is_sent(school: App) -> None:
    both = Capabilities(
        max_text=40,
        account_rate=Rate(per_second=0.01, burst=3),
        conversation_rate=Rate(per_second=0.01),
    )
    channel, at = await paced(school, both)
    await queue(school, at, "1", "first", "second")
    for _ in range(5):  # refused by the conversation's limit each time
        await school.fetch(
            "UPDATE app.ai_conversations SET outbound_due_at = now() WHERE creator_id = $1"
        )
        await work(school)
    await queue(school, at, "2", "hello")
    await queue(school, at, "3", "hello")
    await work(school)
    assert Counter(chat for _, chat, _ in channel.calls) == {"1": 1, "2": 1, "3": 1}


# --- 429


async def test_a_storm_on_the_whole_channel_is_waited_out(school: App) -> None:
    channel, at = await paced(school, Capabilities(max_text=40))
    for chat in range(100):
        await queue(school, at, str(chat), "one", "two")
    until = channel.refused_until[""] = time.monotonic() + 3
    await deliver_all(school)
    first = channel.refusals[0][0]
    # What was on its way when the first refusal came can't be called back.
    early = [at for at, _, _ in channel.calls if first + 1.5 < at < until]
    assert early == []
    assert len(channel.refusals) <= 4 * 5 * 2
    assert all(channel.texts(str(chat)) == ["one", "two"] for chat in range(100))


async def test_a_storm_on_some_chats_holds_up_no_other(school: App) -> None:
    channel, at = await paced(school, Capabilities(max_text=40))
    stormy = [str(chat) for chat in range(0, 100, 10)]
    for chat in range(100):
        await queue(school, at, str(chat), "one", "two")
    for name in stormy:
        channel.refused_until[name] = time.monotonic() + 3600

    async def others_are_sent() -> bool:
        [row] = await school.fetch(_SENT)
        return bool(row["n"] == 180)

    await deliver_all(school, others_are_sent)
    for chat in range(100):
        expected = [] if str(chat) in stormy else ["one", "two"]
        assert channel.texts(str(chat)) == expected
    assert Counter(chat for _, chat in channel.refusals) == dict.fromkeys(stormy, 1)
    waiting = await school.fetch(_WAITING)
    assert len(waiting) == 10
    assert all(3500 < row["seconds"] <= 3600 for row in waiting)
