"""A worker that stalls beyond its lease wakes to find that its conversation is another's."""

import signal

import pytest

from tests.chaos import oracle
from tests.chaos.people import TelegramPerson, WebPerson
from tests.chaos.stage import Stage
from tests.waiting import eventually

pytestmark = pytest.mark.chaos

_OUT = "SELECT count(*) AS n FROM app.messages WHERE direction = 'out' AND text = $1"


async def test_a_stalled_worker_cannot_commit_its_turn(stage: Stage, eve: WebPerson) -> None:
    stalled = await stage.start_worker()
    await stage.quiet()
    await eve.says("slow 500 then done")
    await eventually(lambda: is_held(stage, "lease_owner"))
    stalled.signal(signal.SIGSTOP)
    await stage.start_worker()
    await stage.quiet()
    await eve.says("after")
    stalled.signal(signal.SIGCONT)
    await eventually(lambda: "lease" in stalled.text() or stalled.is_running)
    await eve.says("later")
    await stage.quiet()
    assert await oracle.check(stage, [eve]) == 0
    (row,) = await stage.fetch(_OUT, "echo slow 500 then done")
    assert row["n"] == 1


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
    await eventually(lambda: len(stage.emulator.texts(ada.chat)) == 3, timeout=20)
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


async def is_held(stage: Stage, column: str) -> bool:
    return bool(
        await stage.fetch(
            f"SELECT 1 FROM app.ai_conversations WHERE {column} IS NOT NULL"
        )  # noqa: S608
    )


async def is_settled(stage: Stage) -> bool:
    return not await stage.uncertain()
