"""A broadcast is done by itself; who said STOP in its midst gets nothing more of it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from core.privacy.severing import sever
from core.programs.broadcasts.broadcast import Broadcasts
from shared.utils.ids import new_id
from tests.core.programs.sends.sending import DAY, Sending, sending
from tests.crowds import add_crowd
from tests.learners import Learner

NEWS: dict[str, Any] = {
    "name": "News",
    "purpose": "broadcast",
    "content": {"en": {"text": "News"}},
    "filter": {"all": []},
    "segment_id": None,
    "channel_id": None,
    "starts_at": None,
    "spread_seconds": 0,
    "expires_after_seconds": 86_400,
}
_HOLD_SENDS = "SELECT id FROM app.scheduled_sends WHERE creator_id = $1 FOR UPDATE"
_HOLD_BROADCASTS = "SELECT id FROM app.broadcasts WHERE creator_id = $1 FOR UPDATE"


@pytest.fixture
async def sent(learner: Learner) -> Sending:
    sent = await sending(learner)
    await learner.asks("/subscribe news")
    return sent


def broadcasts_of(sent: Sending) -> Broadcasts:
    runtime = sent.learner.app.runtime
    return Broadcasts(runtime.database, runtime.channels, runtime.clock)


async def started(sent: Sending, *, pause: bool = False) -> UUID:
    broadcasts = broadcasts_of(sent)
    made = await broadcasts.add(sent.coach.id, NEWS, actor="test")
    await broadcasts.start(sent.coach.id, made.id, actor="test")
    if pause:
        await broadcasts.pause(sent.coach.id, made.id, actor="test")
    return made.id


async def resumed(sent: Sending, broadcast_id: UUID) -> str:
    found = await broadcasts_of(sent).resume(sent.coach.id, broadcast_id, actor="test")
    return found.state


async def stored(sent: Sending) -> tuple[str, datetime | None]:
    """(state, finished_at), which nobody has asked for meanwhile."""
    [row] = await sent.coach.rows(
        "SELECT state, finished_at FROM app.broadcasts WHERE creator_id = $1"
    )
    return row["state"], row["finished_at"]


async def last_settled(sent: Sending) -> datetime:
    [row] = await sent.coach.rows(
        "SELECT max(settled_at) AS at FROM app.scheduled_sends"
        " WHERE creator_id = $1 AND source_kind = 'broadcast'"
    )
    at: datetime = row["at"]
    return at


@asynccontextmanager
async def held(sent: Sending, sql: str) -> AsyncIterator[None]:
    """As a pause holds rows, until its transaction ends."""
    async with sent.coach.database.transaction(sent.coach.id) as connection:
        await connection.fetch(sql, sent.coach.id)
        yield


async def test_it_is_done_with_its_last_send(sent: Sending) -> None:
    async with sent.coach.database.transaction(sent.coach.id) as connection:
        await add_crowd(connection, sent.coach.id, sent.learner.account.channel_id, 1, first=7000)
    await started(sent)
    await sent.change(
        "UPDATE app.scheduled_sends SET due_at = due_at + interval '1 hour'"
        " WHERE creator_id = $1 AND source_kind = 'broadcast' AND contact_id <> $2",
        sent.contact_id,
    )
    assert await sent.after(timedelta(minutes=1)) == ["News"]
    assert await stored(sent) == ("running", None)
    await sent.after(DAY)
    assert await stored(sent) == ("done", await last_settled(sent))


async def erased(sent: Sending) -> None:
    async with sent.coach.database.transaction(sent.coach.id) as connection:
        await sever(connection, sent.coach.id, [sent.contact_id])


async def stopped(sent: Sending) -> None:
    await sent.learner.asks("STOP")


@pytest.mark.parametrize("end", [stopped, erased], ids=["stop", "erasure"])
async def test_it_is_done_when_the_last_who_waits_is_gone(
    sent: Sending, end: Callable[[Sending], Awaitable[None]]
) -> None:
    await started(sent)
    await end(sent)
    assert await stored(sent) == ("done", await last_settled(sent))


async def test_one_that_is_paused_is_done_when_nobody_is_left_to_go_on_with(
    sent: Sending,
) -> None:
    broadcast_id = await started(sent, pause=True)
    await stopped(sent)
    assert (await stored(sent))[0] == "paused"
    assert await resumed(sent, broadcast_id) == "done"


async def test_a_scheduler_waits_for_nobody_who_holds_the_broadcast(sent: Sending) -> None:
    broadcast_id = await started(sent)
    async with held(sent, _HOLD_BROADCASTS):
        assert await sent.after(DAY - timedelta(hours=1)) == ["News"]
    assert (await stored(sent))[0] == "running"
    found, _ = await broadcasts_of(sent).get(sent.coach.id, broadcast_id)
    assert found.state == "done"


async def test_a_stop_while_a_pause_holds_the_sends_ends_this_broadcast_for_good(
    sent: Sending,
) -> None:
    broadcast_id = await started(sent, pause=True)
    async with held(sent, _HOLD_SENDS):
        await sent.learner.asks("STOP")
    assert await sent.outcome() == ("waiting", "broadcast_paused")
    await sent.learner.asks("START")
    assert await resumed(sent, broadcast_id) == "running"
    assert await sent.after(timedelta(minutes=5)) == []
    assert await sent.outcome() == ("skipped", "opted_out")
    # What they agreed to stands again: the next one reaches them.
    await started(sent)
    assert await sent.after(timedelta(minutes=5)) == ["News"]


async def test_who_took_back_coaching_alone_gets_the_news(sent: Sending) -> None:
    await started(sent)
    await sent.learner.asks("/stop coaching")
    assert await sent.after(timedelta(minutes=5)) == ["News"]


async def test_a_stop_elsewhere_leaves_the_news_here(sent: Sending) -> None:
    """The same address with another bot is another scope."""
    await started(sent)
    await sent.change(
        "INSERT INTO app.consent_events (creator_id, id, contact_id, scope, address_hash, purpose,"
        " action, source, actor, at) SELECT creator_id, $2, contact_id, 'telegram/other',"
        " address_hash, '*', 'withdrawn', 'word', 'test', now() FROM app.consent_events"
        " WHERE creator_id = $1 LIMIT 1",
        new_id(),
    )
    assert await sent.after(timedelta(minutes=5)) == ["News"]
