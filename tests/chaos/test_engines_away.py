"""PostgreSQL and Redis leave in mid-load: nothing taken is lost, and all comes back by itself."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import redis.asyncio as redis_client

from shared.embedded import EmbeddedEngines
from tests.chaos import oracle
from tests.chaos.people import Person, TelegramPerson, WebPerson
from tests.chaos.stage import Gateway, Stage
from tests.waiting import eventually

pytestmark = pytest.mark.chaos

# A back-off that went astray would take minutes; what else counts is how slow the machine is.
RECOVERY_SECONDS = 30.0
# What a request may take while Redis is away: its time limit a few times, and a slow machine.
PATIENCE_SECONDS = 10.0
OUTAGES = 3
PACE_SECONDS = 0.1  # between a person's messages: the load is steady and one worker bears it
OUTAGE_SECONDS = 3.0
FLUSHES = 5


@pytest.fixture
async def people(stage: Stage, gateway: Gateway) -> list[Person]:
    found: list[Person] = []
    for number in range(3):
        found.append(TelegramPerson(stage=stage, gateway=lambda: gateway, chat=3000 + number))
        visitor = WebPerson(stage=stage, gateway=lambda: gateway)
        await visitor.opens()
        found.append(visitor)
    return found


class Talk:
    """What everybody says until the block ends; `slowest` is the longest a message took."""

    def __init__(self) -> None:
        self.count = 0
        self.slowest = 0.0
        self.ended = False

    async def go_on(self, person: Person) -> None:
        number = 0
        while not self.ended:
            started = time.monotonic()
            await person.says(f"{person.key} says {number}")
            self.slowest = max(self.slowest, time.monotonic() - started)
            number += 1
            self.count += 1
            await asyncio.sleep(PACE_SECONDS)

    async def more(self, messages: int = 30) -> None:
        """Wait until so many more were taken."""
        wanted = self.count + messages
        await eventually(lambda: self.count >= wanted)


@asynccontextmanager
async def talking(people: list[Person]) -> AsyncIterator[Talk]:
    talk = Talk()
    async with asyncio.TaskGroup() as group:
        for person in people:
            group.create_task(talk.go_on(person))
        try:
            await talk.more()
            yield talk
        finally:
            talk.ended = True


async def test_redis_may_be_flushed_and_stopped(
    stage: Stage, people: list[Person], engines: EmbeddedEngines
) -> None:
    await stage.start_worker()
    redis = redis_client.Redis.from_url(engines.urls.redis)
    async with talking(people) as talk:
        for _ in range(FLUSHES):
            await redis.flushall()
            await talk.more()
        await redis.aclose()
        talk.slowest = 0.0
        await engines.stop("redis")
        try:
            await talk.more(60)
            assert talk.slowest < PATIENCE_SECONDS
        finally:
            await engines.start("redis")
        await talk.more()
    await stage.quiet()
    assert await oracle.check(stage, people) == 0
    await oracle.stored_once(stage, people)


async def test_postgres_may_stop_and_start_under_load(
    stage: Stage, people: list[Person], engines: EmbeddedEngines
) -> None:
    worker = await stage.start_worker()
    async with talking(people) as talk:
        for _ in range(OUTAGES):
            await engines.stop("postgres")
            try:
                await eventually(lambda: all(503 in person.refusals for person in people))
            finally:
                await engines.start("postgres")
            back_at = time.monotonic()
            await talk.more(len(people))
            await answered_since(stage, people)
            assert time.monotonic() - back_at < RECOVERY_SECONDS
            for person in people:
                person.refusals.clear()
    assert worker.is_running
    await stage.quiet()
    # On a slow machine an outage outlasts the worker's insisting: then the one send that was in
    # flight is listed, and still neither lost nor doubled.
    assert await oracle.check(stage, people) <= OUTAGES
    await oracle.stored_once(stage, people)


async def test_a_turn_in_flight_does_not_keep_a_worker_from_coming_back(
    stage: Stage, ada: TelegramPerson, bob: TelegramPerson, engines: EmbeddedEngines
) -> None:
    await stage.start_worker(turn_seconds="60")
    await ada.says("slow 30000 and long")
    await eventually(lambda: is_begun(stage))
    await engines.restart("postgres")
    back_at = time.monotonic()
    await bob.says("hello")
    await eventually(lambda: stage.emulator.texts(bob.chat), timeout=RECOVERY_SECONDS)
    assert time.monotonic() - back_at < RECOVERY_SECONDS


async def test_an_outage_in_a_turn_is_no_death_of_its_worker(
    stage: Stage, ada: TelegramPerson, engines: EmbeddedEngines
) -> None:
    await stage.start_worker()
    await ada.says("slow 2500 but harmless")
    for _ in range(OUTAGES):
        await eventually(lambda: is_begun(stage), timeout=RECOVERY_SECONDS)
        await engines.stop("postgres")
        await asyncio.sleep(OUTAGE_SECONDS)  # the turn ends while its database is away
        await engines.start("postgres")
    await stage.quiet()
    assert await oracle.check(stage, [ada]) == 0
    assert await ada.heard() == ["echo slow 2500 but harmless"]


async def is_begun(stage: Stage) -> bool:
    return bool(
        await stage.fetch(
            "SELECT 1 FROM app.ai_conversations WHERE lease_owner IS NOT NULL"
            " AND lease_until > now()"
        )
    )


async def answered_since(stage: Stage, people: list[Person]) -> None:
    """Wait until everybody was sent an answer to something said from now on."""
    before = {person.key: len(person.said) for person in people}

    async def is_answered() -> bool:
        for person in people:
            heard = await person.heard()
            if not any(
                oracle.reply_to(text) in heard for text in person.said[before[person.key] :]
            ):
                return False
        return True

    await eventually(is_answered, timeout=RECOVERY_SECONDS)
