"""The account over REST: its name, language and clock."""

import pytest

from tests.core.api.conftest import Tenant

PATH = "/api/v1/creator"


async def test_a_creator_sets_their_clock_and_nobody_elses(ada: Tenant, bob: Tenant) -> None:
    changed = await ada.api.patch(PATH, json={"timezone": "Asia/Tokyo", "locale": "ja"})
    assert changed.status_code == 200, changed.text
    shown = (await ada.api.get(PATH)).json()
    assert (shown["name"], shown["timezone"], shown["locale"]) == ("Ada", "Asia/Tokyo", "ja")
    assert (await bob.api.get(PATH)).json()["timezone"] == "UTC"


@pytest.mark.parametrize(
    "body",
    [{"timezone": "Mars/X"}, {"name": ""}, {"locale": "??"}, {"status": "active"}],
    ids=["zone", "name", "locale", "unknown"],
)
async def test_nonsense_changes_nothing(ada: Tenant, body: dict[str, str]) -> None:
    before = (await ada.api.get(PATH)).json()
    assert (await ada.api.patch(PATH, json=body)).status_code == 422
    assert (await ada.api.get(PATH)).json() == before
