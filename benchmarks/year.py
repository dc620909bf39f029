"""A thousand people in thirty time zones for a year, on the clock that programs go by.

Every slot is looked for by a calendar of another making: each is sent once, none in the quiet
hours, none twice. With `--quick`, sixty people for six weeks.
"""

import time
from datetime import timedelta

from benchmarks.report import Figure
from benchmarks.stage import Stage
from core.creators import add_creator
from tests.core.programs.year import Year

DATABASE = "bench_year"
PEOPLE = 1000


async def run(stage: Stage) -> list[Figure]:
    await stage.make_database(DATABASE)
    async with stage.runtime(DATABASE) as runtime:
        creator_id = (await add_creator(runtime.database, "bench")).id
        account = await runtime.accounts.add(
            creator_id,
            runtime.channels["web"],
            name="web",
            bot="coach",
            credentials={},
            settings={},
        )
        year = Year(
            runtime=runtime,
            creator_id=creator_id,
            channel_id=account.channel_id,
            people=60 if stage.quick else PEOPLE,
            days=42 if stage.quick else 365,
            step=timedelta(hours=12) if stage.quick else timedelta(minutes=15),
        )
        began = time.perf_counter()
        found = await year.run()
        seconds = time.perf_counter() - began
    if found.broken:
        raise SystemExit(f"promises were broken: {found.broken}")
    return [
        Figure(name="slots sent once, at their time", value=found.sent, unit=""),
        Figure(name="lost, doubled, at night or unplanned", value=0, unit=""),
        Figure(name="batches", value=found.ticks, unit=""),
        Figure(name="a year takes", value=seconds, unit="s"),
    ]
