"""A worker that stalls beyond its lease wakes to find that its conversation is another's."""

import signal

import psutil
import pytest

from core import leases
from core.dialogue import memory
from core.dialogue.memory import Thought
from core.leases import Lease, LeaseLost
from shared.utils.ids import new_id
from tests.chaos import oracle
from tests.chaos.people import TelegramPerson
from tests.chaos.processes import Process
from tests.chaos.stage import Stage, conversation_of
from tests.waiting import eventually

pytestmark = pytest.mark.chaos

_OUT = "SELECT count(*) AS n FROM app.messages WHERE direction = 'out' AND text = $1"


async def test_a_stalled_worker_cannot_commit_its_turn(stage: Stage, ada: TelegramPerson) -> None:
    stalled = await stage.start_worker("before-turn-commit:stop")
    await ada.says("first")
    await eventually(lambda: is_stopped(stalled))
    await stage.start_worker()
    await ada.says("second")
    await stage.quiet()
    stalled.signal(signal.SIGCONT)
    await ada.says("third")
    await stage.quiet()
    assert await lets_go(stalled)
    assert await oracle.check(stage, [ada]) == 0
    (row,) = await stage.fetch(_OUT, "echo first")
    assert row["n"] == 1


async def test_a_stalled_worker_cannot_write_its_old_memory_over_the_new(
    stage: Stage, ada: TelegramPerson
) -> None:
    # These turns say nothing, so no reply's key refuses the second commit: the fence alone does.
    stalled = await stage.start_worker("before-turn-commit:stop")
    await ada.says("note one")
    await eventually(lambda: is_stopped(stalled))
    await stage.start_worker()
    await ada.says("note two")
    await stage.quiet()
    stalled.signal(signal.SIGCONT)
    assert await lets_go(stalled)
    await ada.says("recite")
    await stage.quiet()
    assert await ada.heard() == ["one two"]


async def test_a_lost_lease_writes_nothing_even_without_a_heartbeat(
    stage: Stage, ada: TelegramPerson
) -> None:
    await ada.says("first")
    where = (stage.creator_id, await conversation_of(stage, "first"))
    database = stage.runtime.database

    async def acquire(seconds: float) -> Lease | None:
        async with database.transaction(stage.creator_id) as connection:
            return await leases.acquire(connection, "turn", *where, new_id(), seconds)

    old = await acquire(0.01)
    assert old is not None
    async with database.transaction(stage.creator_id) as connection:
        work = await memory.recall(connection, old)
    assert work is not None
    assert await eventually(lambda: acquire(60))
    with pytest.raises(LeaseLost):
        async with database.transaction(stage.creator_id) as connection:
            await memory.record(connection, old, work, Thought(), push=True)
    (row,) = await stage.fetch("SELECT status FROM app.messages WHERE text = 'first'")
    assert row["status"] == "pending"


async def test_a_worker_that_stalled_before_a_send_does_not_send_it_late(
    stage: Stage, ada: TelegramPerson
) -> None:
    stalled = await stage.start_worker("after-sending:stop")
    await ada.says("first")
    await eventually(lambda: is_stopped(stalled))
    await stage.start_worker()
    await ada.says("second")
    await stage.quiet()
    stalled.signal(signal.SIGCONT)
    await ada.says("third")
    await stage.quiet()
    assert await lets_go(stalled)
    assert await ada.heard() == ["echo second", "echo third"]
    assert [row["text"] for row in await stage.uncertain()] == ["echo first"]


async def test_a_send_that_outlived_its_lease_is_recorded_and_not_repeated(
    stage: Stage, ada: TelegramPerson
) -> None:
    stage.emulator.fails("delay", seconds=1)
    stalled = await stage.start_worker()
    await ada.says("first")
    await eventually(lambda: stage.emulator.calls("sendMessage"))
    stalled.signal(signal.SIGSTOP)
    await stage.start_worker()
    await eventually(stage.uncertain)
    stalled.signal(signal.SIGCONT)
    # The sender alone learns what became of it, and says so although its lease is gone.
    await eventually(lambda: is_settled(stage))
    await ada.says("second")
    await stage.quiet()
    assert await oracle.check(stage, [ada]) == 0
    assert len(stage.emulator.calls("sendMessage")) == 2


async def test_a_long_message_is_finished_by_others_when_its_sender_stalled(
    stage: Stage, ada: TelegramPerson
) -> None:
    stage.emulator.fails("delay", seconds=1)
    stalled = await stage.start_worker()
    await ada.says("long")
    await eventually(lambda: stage.emulator.calls("sendMessage"))
    stalled.signal(signal.SIGSTOP)
    await stage.start_worker()
    await eventually(stage.uncertain)
    stalled.signal(signal.SIGCONT)
    await eventually(lambda: len(stage.emulator.texts(ada.chat)) == 3)
    await stage.quiet()
    assert [text[:5] for text in await ada.heard()] == ["part1", "part2", "part3"]
    assert not await stage.uncertain()


async def test_a_hung_turn_ends_in_its_budget_and_is_tried_again(
    stage: Stage, ada: TelegramPerson
) -> None:
    await stage.start_worker("mid-think:hang", turn_seconds="1")
    await ada.says("first")
    await ada.says("second")
    await stage.quiet()
    assert await oracle.check(stage, [ada]) == 0
    (row,) = await stage.fetch("SELECT failures FROM app.messages WHERE text = 'first'")
    assert row["failures"] == 1


def is_stopped(process: Process) -> bool:
    return psutil.Process(process.pid).status() == psutil.STATUS_STOPPED


async def lets_go(process: Process) -> bool:
    """Stop it, so that whatever it still had in hand is over; whether it ended well."""
    process.signal(signal.SIGTERM)
    return await process.ended() == 0


async def is_settled(stage: Stage) -> bool:
    return not await stage.uncertain()
