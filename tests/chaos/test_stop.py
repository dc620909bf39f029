"""SIGTERM under load: exit code 0 within the grace, leases freed, nothing lost."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.chaos import oracle
from tests.chaos.people import TelegramPerson, WebPerson
from tests.chaos.stage import Stage
from tests.waiting import eventually

pytestmark = pytest.mark.chaos

PEOPLE = 10
GRACE_SECONDS = 30.0
_HELD = """
SELECT 1 FROM app.ai_conversations
WHERE (lease_owner IS NOT NULL OR delivery_owner IS NOT NULL)
"""


@pytest.mark.parametrize("moment", [1, 7, 20])
async def test_a_worker_stops_under_load_and_leaves_no_lease(
    stage: Stage, ada: TelegramPerson, moment: int
) -> None:
    people = [
        TelegramPerson(stage=stage, gateway=ada.gateway, chat=4000 + n) for n in range(PEOPLE)
    ]
    worker = await stage.start_worker()
    for number in range(4):
        for person in people:
            await person.says(f"slow 50 {person.key} says {number}")
    await eventually(lambda: len(stage.emulator.sent) >= moment)
    worker.signal(signal.SIGTERM)
    assert await worker.ended(GRACE_SECONDS) == 0, worker.tail()
    assert not await stage.fetch(_HELD)
    await stage.start_worker()
    await stage.quiet()
    assert await oracle.check(stage, people) == 0


async def test_a_turn_that_does_not_end_is_handed_back(stage: Stage, eve: WebPerson) -> None:
    worker = await stage.start_worker(drain_seconds="0.5")
    await eve.says("slow 15000 indeed")
    await eventually(lambda: held(stage))
    worker.signal(signal.SIGTERM)
    assert await worker.ended(GRACE_SECONDS) == 0, worker.tail()
    assert not await stage.fetch(_HELD)
    starts = await stage.fetch("SELECT starts FROM app.messages WHERE status = 'pending'")
    assert [row["starts"] for row in starts] == [0]


async def test_a_send_in_flight_ends_before_its_worker(stage: Stage, ada: TelegramPerson) -> None:
    stage.emulator.fails("delay", seconds=2)
    worker = await stage.start_worker(drain_seconds="0.5")
    for number in range(3):
        await ada.says(str(number))
    await eventually(lambda: stage.emulator.calls("sendMessage"))
    worker.signal(signal.SIGTERM)
    assert await worker.ended(GRACE_SECONDS) == 0, worker.tail()
    assert not await stage.fetch(_HELD)
    assert not await stage.uncertain()
    await stage.start_worker()
    await stage.quiet()
    assert await oracle.check(stage, [ada]) == 0


async def test_a_gateway_stops_under_load_without_an_error(
    stage: Stage, ada: TelegramPerson
) -> None:
    gateway = ada.gateway()
    other = await stage.start_gateway()
    person = TelegramPerson(
        stage=stage,
        gateway=lambda: gateway if gateway.process.is_running else other,
        chat=4000,
    )
    talking = asyncio.create_task(say(person, 60))
    await eventually(lambda: len(person.said) > 5)
    gateway.process.signal(signal.SIGTERM)
    assert await gateway.process.ended(GRACE_SECONDS) == 0, gateway.process.tail()
    await talking
    assert not person.refusals
    await stage.start_worker()
    await stage.quiet()
    assert await oracle.check(stage, [person]) == 0


async def test_the_installed_command_runs_and_stops_as_well(stage: Stage, eve: WebPerson) -> None:
    """The other tests fork their processes; this one starts the command as an operator does."""
    worker = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("cairn"),
        "worker",
        env=os.environ | stage.environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    assert worker.stdout is not None
    assert await asyncio.wait_for(worker.stdout.readline(), 40) == b"ready\n"
    await eve.says("hello")
    await stage.quiet()
    assert await oracle.check(stage, [eve]) == 0
    worker.terminate()
    assert await asyncio.wait_for(worker.wait(), GRACE_SECONDS) == 0


async def say(person: TelegramPerson, count: int) -> None:
    for number in range(count):
        await person.says(f"message {number}")


async def held(stage: Stage) -> bool:
    return bool(await stage.fetch(_HELD))
