"""Many sends whose outcome the platform keeps to itself; CHAOS_SENDS=1000 for the whole bar."""

import asyncio
import os
from typing import Any

import pytest

from tests.chaos import oracle
from tests.chaos.people import Person
from tests.chaos.platforms import PLATFORMS, emulator_of, opened_on
from tests.chaos.stage import Gateway, Stage

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

SENDS = int(os.environ.get("CHAOS_SENDS", "20"))
PEOPLE = 10
FAULTS: dict[str, dict[str, Any]] = {
    "accepted, then dropped": {"kind": "drop_after_accept"},
    "accepted, then 504": {"kind": "server_error_after_accept", "status": 504},
    "504": {"kind": "server_error", "status": 504},
}


async def say_all(people: list[Person]) -> None:
    async def talk(person: Person) -> None:
        for number in range(SENDS // PEOPLE):
            await person.says(f"{person.key} says {number}")

    await asyncio.gather(*map(talk, people))


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("channel", PLATFORMS)
async def test_unknown_sends_are_looked_up_or_listed_and_never_doubled(
    stage: Stage, gateway: Gateway, channel: str, fault: dict[str, Any]
) -> None:
    people = [
        await opened_on(channel, stage, lambda: gateway, number=number) for number in range(PEOPLE)
    ]
    emulator_of(stage, channel).fails(times=SENDS, **fault)
    workers = [await stage.start_worker() for _ in range(2)]
    await say_all(people)
    await stage.quiet(60 + SENDS)
    uncertain = await oracle.check(stage, people)
    if channel == "slack":
        assert uncertain == 0
    elif channel == "telegram":
        assert uncertain == SENDS
    assert all(worker.is_running for worker in workers)


@pytest.mark.parametrize("channel", PLATFORMS)
async def test_sends_that_were_refused_all_arrive_in_the_end(
    stage: Stage, gateway: Gateway, channel: str, closed_port: int
) -> None:
    people = [
        await opened_on(channel, stage, lambda: gateway, number=number) for number in range(PEOPLE)
    ]
    base_url = await point_at(stage, channel, f"http://127.0.0.1:{closed_port}/api/")
    await stage.start_worker()
    await say_all(people)
    await stage.until_tried(SENDS // PEOPLE)
    await point_at(stage, channel, base_url)
    await stage.quiet(60 + SENDS)
    assert await oracle.check(stage, people) == 0


async def point_at(stage: Stage, channel: str, base_url: str) -> str:
    """Move the platform's API to another address; where it was."""
    (row,) = await stage.fetch(
        "SELECT settings ->> 'api_base_url' AS url FROM app.channels WHERE type = $1", channel
    )
    await stage.fetch(
        "UPDATE app.channels"
        " SET settings = settings || jsonb_build_object('api_base_url', $2::text)"
        " WHERE type = $1",
        channel,
        base_url,
    )
    return str(row["url"])
