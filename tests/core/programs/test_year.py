"""When clocks change, all over the world: every slot once, none in the quiet hours, none twice.

`python -m benchmarks year` goes through a whole year with a thousand people.
"""

from datetime import UTC, datetime, timedelta

import pytest

from tests.apps import App
from tests.core.programs.year import ZONES, Year

PEOPLE = len(ZONES)
DAYS = 42
SEASONS = {"spring": datetime(2027, 3, 8, tzinfo=UTC), "autumn": datetime(2027, 9, 27, tzinfo=UTC)}


@pytest.mark.parametrize("season", SEASONS)
async def test_weeks_in_which_clocks_change(school: App, season: str) -> None:
    account = await school.add_channel("web")
    year = Year(
        runtime=school.runtime,
        creator_id=school.creator_id,
        channel_id=account.channel_id,
        people=PEOPLE,
        days=DAYS,
        start=SEASONS[season],
        step=timedelta(hours=12),
    )
    found = await year.run()
    assert found.broken == {}
    assert found.sent > PEOPLE * (DAYS + DAYS * 3 // 7 - 4)
