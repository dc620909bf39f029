"""A broadcast is done soon after its last send, whoever settled that, and whoever else at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import pytest

from core import consent
from core.consent import Person, Said
from core.programs.broadcasts.closing import sweep_broadcasts
from core.worker import Worker
from tests.core.programs.sends.sending import Sending, sending
from tests.core.programs.test_broadcast_ends import last_settled, started, stored
from tests.crowds import add_crowd
from tests.learners import CHAT, Learner
from tests.waiting import eventually


@pytest.fixture
async def sent(learner: Learner) -> Sending:
    """A broadcast to two people has begun, and both are due."""
    sent = await sending(learner)
    await learner.asks("/subscribe news")
    async with sent.coach.database.transaction(sent.coach.id) as connection:
        await add_crowd(connection, sent.coach.id, learner.account.channel_id, 1, first=7000)
    await started(sent)
    sent.clock.move(timedelta(minutes=1))
    return sent


@asynccontextmanager
async def stopping(sent: Sending) -> AsyncIterator[None]:
    """The learner's STOP has settled their send, and looked whether it was the last one."""
    who = Person(
        creator_id=sent.coach.id,
        scope=consent.scope_of("telegram", "coach"),
        address=str(CHAT),
        contact_id=sent.contact_id,
    )
    said = Said(source="word", actor="tests", at=sent.clock.now())
    async with sent.coach.database.transaction(sent.coach.id) as connection:
        await consent.withdraw(connection, who, ("*",), said)
        yield


async def both_settled_at_once(sent: Sending) -> None:
    async with stopping(sent):
        assert await sent.scheduler.tick() == 1
    rows = await sent.coach.rows("SELECT state FROM app.scheduled_sends WHERE creator_id = $1")
    assert "waiting" not in {row["state"] for row in rows}
    assert "cancelled" in {row["state"] for row in rows}


async def test_of_two_last_sends_settled_at_once_neither_is_forgotten(sent: Sending) -> None:
    await both_settled_at_once(sent)
    await sweep_broadcasts(sent.coach.database)
    assert await stored(sent) == ("done", await last_settled(sent))


async def test_one_that_somebody_waits_for_goes_on(sent: Sending) -> None:
    async with stopping(sent):
        pass
    await sweep_broadcasts(sent.coach.database)
    assert await stored(sent) == ("running", None)


async def test_a_worker_looks_by_itself(sent: Sending) -> None:
    await both_settled_at_once(sent)
    worker = Worker(sent.learner.app.runtime)
    watch = asyncio.create_task(worker._watch())

    async def is_done() -> bool:
        return (await stored(sent))[0] == "done"

    try:
        await eventually(is_done)
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch
