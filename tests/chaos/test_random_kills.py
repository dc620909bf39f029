"""Many people, several workers and gateways, and one after another is killed at random."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from tests.chaos import oracle
from tests.chaos.people import Person, TelegramPerson, WebPerson
from tests.chaos.stage import Gateway, Stage

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]

SENDERS = 20
MESSAGES_EACH = 50
WORKERS = 4
GATEWAYS = 2
KILLS = 20
# One kill in four takes a gateway.
GATEWAY_SHARE = 0.25
DUPLICATE_SHARE = 0.2
MAX_COPIES = 4
LONGEST_TURN_MS = 40
SLOW_SHARE = 0.3
QUIET_SECONDS = 60.0


async def test_twenty_random_kills_lose_double_and_reorder_nothing(
    stage: Stage, chance: random.Random
) -> None:
    workers = [await stage.start_worker() for _ in range(WORKERS)]
    gateways = [await stage.start_gateway() for _ in range(GATEWAYS)]
    people = await crowd(stage, lambda: chance.choice(gateways))
    done = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        killing = group.create_task(kill(stage, chance, workers, gateways, done))
        senders = [group.create_task(talk(person, chance)) for person in people]
        await asyncio.wait(senders)
        done.set()
    worker_kills = killing.result()
    await stage.quiet(QUIET_SECONDS)
    await oracle.stored_once(stage, people)
    uncertain = await oracle.check(stage, people)
    # A dying worker leaves at most the sends it had begun, one for each conversation it held.
    assert uncertain <= worker_kills * SENDERS // 2
    dead = await stage.fetch("SELECT starts FROM app.messages WHERE status = 'dead'")
    assert all(row["starts"] > 2 for row in dead)


async def crowd(stage: Stage, gateway: Callable[[], Gateway]) -> list[Person]:
    people: list[Person] = []
    for number in range(SENDERS // 2):
        people.append(TelegramPerson(stage=stage, gateway=gateway, chat=2000 + number))
        visitor = WebPerson(stage=stage, gateway=gateway)
        await visitor.opens()
        people.append(visitor)
    return people


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
    workers: list[object],
    gateways: list[Gateway],
    done: asyncio.Event,
) -> int:
    """Kill and replace until enough have died; how many of them were workers."""
    worker_kills = 0
    for _ in range(KILLS):
        await pause(done, chance.uniform(0.1, 1.0))
        if chance.random() < GATEWAY_SHARE:
            await replace(gateways, chance, lambda g: g.process.kill(), stage.start_gateway)
        else:
            await replace(workers, chance, lambda w: w.kill(), stage.start_worker)
            worker_kills += 1
    return worker_kills


async def replace(
    running: list[object],
    chance: random.Random,
    end: Callable[..., Awaitable[None]],
    start: Callable[[], Awaitable[object]],
) -> None:
    index = chance.randrange(len(running))
    await end(running[index])
    running[index] = await start()


async def pause(done: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(done.wait(), seconds)
    except TimeoutError:
        return
