"""Whoever waits for a connection gets one, or an error, as soon as those before it are gone."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Generator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from shared.database import DatabaseManager
from shared.errors import Unavailable
from shared.settings import DatabaseSettings, Settings
from shared.utils.ids import new_id
from tests.conftest import AddCreator
from tests.shared.test_database import NAMES, Opener, each_way, run

PLACES = 2
NEVER_SECONDS = 600.0  # who waits for a place waits longer than any test
AT_ONCE_SECONDS = 30.0  # on a machine that is busy


@asynccontextmanager
async def patient(settings: DatabaseSettings, places: int) -> AsyncIterator[DatabaseManager]:
    """Nothing is connected yet; who finds no place waits without end."""
    changes = {"pool_size": places, "pool_wait_seconds": NEVER_SECONDS}
    manager = DatabaseManager(settings.model_copy(update=changes))
    await manager.open()
    try:
        yield manager
    finally:
        await manager.close()


async def read(database: DatabaseManager, creator_id: UUID, opened: Opener) -> int:
    async with opened(database, creator_id) as connection:
        await run(connection, NAMES)
    return 1


async def results_of(tasks: list[asyncio.Task[int]]) -> list[int | BaseException]:
    async with asyncio.timeout(AT_ONCE_SECONDS):
        return await asyncio.gather(*tasks, return_exceptions=True)


@each_way
async def test_connecting_is_cancelled_and_the_next_in_line_connects(
    settings: Settings, add_creator: AddCreator, opened: Opener
) -> None:
    ada = await add_creator("Ada")
    async with patient(settings.database, PLACES) as database:
        tasks = [asyncio.create_task(read(database, ada, opened)) for _ in range(2 * PLACES + 1)]
        await asyncio.sleep(0)  # the first are connecting, the others have found no place
        for task in tasks[:PLACES]:
            task.cancel()
        results = await results_of(tasks)
    assert [type(result) for result in results[:PLACES]] == [asyncio.CancelledError] * PLACES
    assert results[PLACES:] == [1] * (PLACES + 1)


@each_way
async def test_a_server_that_is_away_is_an_error_at_once_for_all_who_wait(
    closed_port: int, opened: Opener
) -> None:
    url = SecretStr(f"postgresql://cairn_app@127.0.0.1:{closed_port}/cairn")
    async with patient(DatabaseSettings(url=url), PLACES) as database:
        tasks = [asyncio.create_task(read(database, new_id(), opened)) for _ in range(3 * PLACES)]
        results = await results_of(tasks)
    assert [type(result) for result in results] == [Unavailable] * len(tasks)


class CancelledAt(Generator[Any, Any, int]):
    """Work whose task is cancelled at one of its suspensions, counted from 0."""

    def __init__(self, work: Coroutine[Any, Any, int], step: int, *, is_answered: bool) -> None:
        self._work, self._is_answered = work, is_answered
        self.steps_left = step

    def __await__(self) -> Generator[Any, Any, int]:
        return self

    def send(self, value: Any) -> Any:
        return self._suspended(self._work.send(value))

    def throw(self, *error: Any) -> Any:
        return self._suspended(self._work.throw(*error))

    def _suspended(self, awaited: asyncio.Future[Any]) -> asyncio.Future[Any]:
        task = asyncio.current_task()
        if task and self.steps_left == 0 and self._is_answered:
            # What was waited for is there, and nobody has taken it yet: it is easily lost.
            awaited.add_done_callback(lambda _answered: task.cancel())
        elif task and self.steps_left == 0:
            task.cancel()
        self.steps_left -= 1
        return awaited


async def awaited(work: CancelledAt) -> int:
    return await work


@each_way
@pytest.mark.parametrize("is_answered", [False, True], ids=["waiting", "answered"])
async def test_wherever_one_is_cancelled_the_next_in_line_reads(
    settings: Settings, add_creator: AddCreator, opened: Opener, is_answered: bool
) -> None:
    """From the first step of connecting to the last of giving back, over one place for all."""
    ada = await add_creator("Ada")
    for step in count():
        async with patient(settings.database, 1) as database:
            first = CancelledAt(read(database, ada, opened), step, is_answered=is_answered)
            works = [awaited(first), *(read(database, ada, opened) for _ in range(2))]
            results = await results_of([asyncio.create_task(work) for work in works])
        assert results[1:] == [1, 1], f"cancelled at step {step}"
        if first.steps_left >= 0:
            break
    assert step > 5, "connecting alone takes some steps"
