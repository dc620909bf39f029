"""Writes that wait for the same place go together, and one caller's fault is its own."""

import asyncio
from collections.abc import Sequence

import pytest

from core.rag.together import Together


class Refused(Exception):
    pass


class Away(Exception):
    pass


class Place:
    """Remembers its writes; the first one waits until it is let go."""

    def __init__(self) -> None:
        self.writes: list[tuple[str, list[int]]] = []
        self.go = asyncio.Event()
        self.is_away = False

    async def write(self, key: str, items: Sequence[int]) -> None:
        self.writes.append((key, list(items)))
        await self.go.wait()
        if self.is_away:
            raise Away
        if -1 in items:
            raise Refused


@pytest.fixture
def place() -> Place:
    return Place()


@pytest.fixture
def together(place: Place) -> Together[str, int]:
    return Together(place.write, limit=4, blamed=Refused)


async def under_way(
    place: Place, together: Together[str, int], *batches: list[int]
) -> list[asyncio.Task[None]]:
    """One write that is under way, and those that came meanwhile."""
    tasks = [asyncio.create_task(together.add("a", [0]))]
    while not place.writes:
        await asyncio.sleep(0)
    tasks += [asyncio.create_task(together.add("a", batch)) for batch in batches]
    await asyncio.sleep(0)
    return tasks


async def test_what_comes_meanwhile_goes_together(
    place: Place, together: Together[str, int]
) -> None:
    tasks = await under_way(place, together, [1, 2], [3], [4, 5], [6])
    place.go.set()
    await asyncio.gather(*tasks)
    assert place.writes == [("a", [0]), ("a", [1, 2, 3]), ("a", [4, 5, 6])]


async def test_more_than_the_limit_from_one_caller_goes_alone(
    place: Place, together: Together[str, int]
) -> None:
    tasks = await under_way(place, together, [1, 2, 3, 4, 5], [6])
    place.go.set()
    await asyncio.gather(*tasks)
    assert [items for _, items in place.writes] == [[0], [1, 2, 3, 4, 5], [6]]


async def test_places_do_not_wait_for_each_other(
    place: Place, together: Together[str, int]
) -> None:
    tasks = await under_way(place, together)
    tasks.append(asyncio.create_task(together.add("b", [1])))
    while len(place.writes) < 2:
        await asyncio.sleep(0)
    place.go.set()
    await asyncio.gather(*tasks)


async def test_one_callers_fault_spoils_no_other(
    place: Place, together: Together[str, int]
) -> None:
    tasks = await under_way(place, together, [1], [-1], [2])
    place.go.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [type(None), type(None), Refused, type(None)]


async def test_an_outage_is_tried_once_for_all(place: Place, together: Together[str, int]) -> None:
    tasks = await under_way(place, together, [1], [2])
    place.is_away = True
    place.go.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [Away, Away, Away]
    assert len(place.writes) == 2


async def test_a_caller_that_left_holds_up_nobody(
    place: Place, together: Together[str, int]
) -> None:
    first, second, third = await under_way(place, together, [1], [2])
    second.cancel()
    place.go.set()
    await asyncio.gather(first, third)
    await together.add("a", [3])
    assert place.writes[-1] == ("a", [3])


async def test_closing_ends_the_wait(place: Place, together: Together[str, int]) -> None:
    tasks = await under_way(place, together, [1])
    await together.close()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)
