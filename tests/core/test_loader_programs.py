"""A bot's `programs.py`: found beside `bot.py`, checked at start-up, with a hint if need be."""

from itertools import count
from pathlib import Path

import pytest

from core.loader import load_bots
from shared.errors import ConfigurationError

BOT = 'from core.bots import Bot\nbot = Bot(name="{name}", persona="Runs.")\n'
PROGRAMS = """
from core.bots import Content, Program, Step
say = {{"en": Content(text="Hello")}}
first = Program(slug="first", name="First", {fields}steps=(Step(key="a", content=say),))
{declared}
"""
_numbers = count(1)


def folder_with(path: Path, *, declared: str, fields: str = "") -> str:
    """A folder beside the tree's with one bot; its modules have names that no other test has."""
    name = f"runner{next(_numbers)}"
    folder = path / "bots" / name
    folder.mkdir(parents=True)
    (folder / "bot.py").write_text(BOT.format(name=name))
    (folder / "programs.py").write_text(PROGRAMS.format(fields=fields, declared=declared))
    return name


def test_what_stands_beside_a_bot_is_its_own(tmp_path: Path) -> None:
    name = folder_with(tmp_path, declared="programs = [first]")
    [program] = load_bots([tmp_path])[name].programs
    assert (program.slug, program.bot) == ("first", name)


def test_drafts_are_no_programs(tmp_path: Path) -> None:
    name = folder_with(tmp_path, declared="drafts = [first]")
    bot = load_bots([tmp_path])[name]
    assert (len(bot.programs), len(bot.drafts)) == (0, 1)


@pytest.mark.parametrize(
    ("declared", "fields", "told"),
    [
        ("programs = ['first']", "", "must be a list of Program"),
        ("programs = [first]", 'bot="another", ', "for another bot: another"),
        ("programs = [first]", 'entry={"any": []}, ', "first: entry"),
    ],
    ids=["no-program", "another-bots", "empty-entry"],
)
def test_what_is_wrong_is_told_by_its_place(
    tmp_path: Path, declared: str, fields: str, told: str
) -> None:
    folder_with(tmp_path, declared=declared, fields=fields)
    with pytest.raises(ConfigurationError, match=told):
        load_bots([tmp_path])
