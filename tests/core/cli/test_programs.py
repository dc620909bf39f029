"""`cairn programs` on a real database: from a file to the contacts, and out again."""

import json
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from shared.database import DatabaseManager
from shared.errors import AppError
from tests.core.cli.conftest import Cairn
from tests.core.programs.coaching import Coach

FILE = """
slug: fit
name: Fit in a week
steps:
  - key: mood
    when: {anchor: enrolment, at: 10:30, rrule: FREQ=DAILY}
    content: {en: {text: "How was it, {name}?"}, no: {text: "Hvordan, {name}?"}}
"""


@pytest.fixture
def coach(database: DatabaseManager, creator: UUID) -> Coach:
    return Coach(database=database, id=creator)


async def test_a_program_goes_from_a_file_to_its_contacts_and_away(
    cairn: Cairn, coach: Coach, tmp_path: Path
) -> None:
    async def programs(*arguments: str) -> str:
        done = await cairn("programs", *arguments, "--creator", str(coach.id))
        assert done.code == 0, done.error
        return done.out

    file = tmp_path / "fit.yaml"
    file.write_text(FILE)
    assert (await programs("save", str(file), "--note", "first")).startswith("Version 1 of fit.")
    assert "Nothing has changed" in await programs("save", str(file))
    again = tmp_path / "again.yaml"
    again.write_text(await programs("show", "fit"))
    assert "Nothing has changed" in await programs("save", str(again))
    file.write_text(FILE.replace("week", "month"))
    await programs("save", str(file))
    assert "+name: Fit in a month" in await programs("diff", "fit", "1", "2")

    ada = str(await coach.meets("Ada", timezone="Asia/Tokyo"))
    ben = str(await coach.meets("Ben"))
    tried = await programs("preview", "fit", "--contact", ada, "--sends", "2")
    assert "Ada (Asia/Tokyo)" in tried
    assert tried.count("T10:30+09:00  mood  nowhere: How was it, Ada?") == 2
    assert "There is no channel" in tried
    shown = json.loads(await programs("preview", "fit", "--contact", ben, "--json"))
    assert shown["sends"][0]["verdict"] == "skip"

    assert "fit is live with version 2" in await programs("publish", "fit")
    counted = await programs("enrol", "fit", "--filter", "{all: []}", "--dry-run")
    assert counted == "2 would be enrolled, 0 were in it already.\n"
    assert await programs("enrol", "fit", "--contact", ada) == (
        "1 enrolled, 0 were in it already.\n"
    )
    assert "1 enrolled, 1 were" in await programs("enrol", "fit", "--filter", "{all: []}")
    assert len((await programs("enrolments", "fit")).splitlines()) == 2
    assert "fit is paused." in await programs("pause", "fit")
    assert "fit is live." in await programs("resume", "fit")
    [listed] = [json.loads(line) for line in (await programs("list", "--json")).splitlines()]
    assert (listed["slug"], listed["status"], listed["live"]) == ("fit", "live", 2)
    away = await programs("archive", "fit")
    assert away == "fit is archived: 2 enrolments ended, 2 sends cancelled.\n"
    gone = await programs("sends", "fit", "--state", "cancelled", "--contact", ben)
    assert "The contact is no longer in the program." in gone


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(("show", "nothing"), "there is no program 'nothing'", id="unknown"),
        pytest.param(("publish", str(uuid4())), "no program with this id", id="unknown-id"),
        pytest.param(("save", "no-such-file.yaml"), "cannot read", id="no-file"),
        pytest.param(("save", "FILE"), "when.rrule", id="bad-rule"),
        pytest.param(("enrol", "fit"), "either --contact or --filter", id="nobody"),
    ],
)
async def test_what_is_wrong_is_one_plain_line(
    cairn: Cairn, creator: UUID, tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(FILE.replace("FREQ=DAILY", "every day"))
    given = [argument.replace("FILE", str(bad)) for argument in arguments]
    done = await cairn("programs", *given, "--creator", str(creator))
    assert done.code != 0
    assert isinstance(done.error, AppError)
    assert told in str(done.error)
    assert "\n" not in str(done.error)
