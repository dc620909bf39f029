"""Many people, several workers and gateways, and one after another is killed at random."""

import asyncio
import os
import random
from collections.abc import Callable
from functools import partial

import pytest

from core.dialogue.guard import MAX_DEATHS
from tests.chaos import oracle
from tests.chaos.people import PATIENCE_SECONDS, Person
from tests.chaos.platforms import PLATFORMS, opened_on
from tests.chaos.processes import Process
from tests.chaos.stage import Gateway, Stage
from tests.waiting import eventually

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(480)]

SENDERS = 20
CHANNELS = (*PLATFORMS, "web")
MESSAGES_EACH = int(os.environ.get("CHAOS_MESSAGES", "50"))
WORKERS = 4
GATEWAYS = 2
KILLS = 20
# One kill in four takes a gateway.
GATEWAY_SHARE = 0.25
DUPLICATE_SHARE = 0.2
MAX_COPIES = 4
LONGEST_TURN_MS = 40
SLOW_SHARE = 0.3
QUIET_SECONDS = 120.0


async def test_twenty_random_kills_lose_double_and_reorder_nothing(
    stage: Stage, chance: random.Random
) -> None:
    workers = [await stage.start_worker() for _ in range(WORKERS)]
    gateways = [await stage.start_gateway() for _ in range(GATEWAYS)]
    people = await crowd(stage, lambda: chance.choice(gateways))
    async with asyncio.TaskGroup() as group:
        for person in people:
            group.create_task(talk(person, chance))
        killing = group.create_task(kill(stage, chance, people, workers, gateways))
    await stage.quiet(QUIET_SECONDS)
    await oracle.stored_once(stage, people)
    uncertain = await oracle.check(stage, people)
    # A dying worker leaves at most the sends it had begun, one for each conversation it held.
    assert uncertain <= killing.result() * SENDERS // 2
    dead = await stage.fetch("SELECT starts FROM app.messages WHERE status = 'dead'")
    assert all(row["starts"] > MAX_DEATHS for row in dead)


async def crowd(stage: Stage, gateway: Callable[[], Gateway]) -> list[Person]:
    """As many on each channel."""
    return [
        await opened_on(channel, stage, gateway, number)
        for number in range(SENDERS // len(CHANNELS))
        for channel in CHANNELS
    ]


async def talk(person: Person, chance: random.Random) -> None:
    for number in range(MESSAGES_EACH):
        text = f"{person.key} says {number}"
        if chance.random() < SLOW_SHARE:
            text = f"slow {chance.randrange(LONGEST_TURN_MS)} {text}"
        copies = chance.randint(2, MAX_COPIES) if chance.random() < DUPLICATE_SHARE else 1
        await person.says(text, copies=copies)


async def kill(
    stage: Stage,
    chance: random.Random,
    people: list[Person],
    workers: list[Process],
    gateways: list[Gateway],
) -> int:
    """Kill and replace at moments spread over the load; how many of the victims were workers."""
    worker_kills = 0
    for moment in sorted(chance.sample(range(SENDERS * MESSAGES_EACH), KILLS)):
        await eventually(partial(has_said, people, moment), timeout=PATIENCE_SECONDS)
        if chance.random() < GATEWAY_SHARE:
            index = chance.randrange(GATEWAYS)
            await gateways[index].process.kill()
            gateways[index] = await stage.start_gateway()
        else:
            index = chance.randrange(WORKERS)
            await workers[index].kill()
            workers[index] = await stage.start_worker()
            worker_kills += 1
    return worker_kills


def has_said(people: list[Person], count: int) -> bool:
    return sum(len(person.said) for person in people) >= count
