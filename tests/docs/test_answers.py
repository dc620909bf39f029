"""The guide to answers: its commands and variables are those there are."""

import importlib
import re

import pytest
from typer.main import get_command

from core.cli.app import COMMANDS
from core.llm.prompt_catalog import ANSWER
from tests.docs import pages

PAGE = (pages.ROOT / "docs" / "answers.md").read_text(encoding="utf-8")
LINES = [line.partition("#")[0] for line in re.findall(r"^cairn (.+)$", PAGE, re.MULTILINE)]


@pytest.mark.parametrize("line", LINES)
def test_a_command_of_the_guide_has_these_options(line: str) -> None:
    name, *words = line.split()
    assert name in COMMANDS
    command = get_command(importlib.import_module(f"core.cli.{name}").app)
    if words[0] in getattr(command, "commands", {}):
        command = command.commands[words[0]]  # type: ignore[attr-defined]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


def test_the_guide_names_each_variable_of_a_prompt() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == list(ANSWER.variables)
    for name in ANSWER.required:
        assert re.search(rf"^\| `{name}` \|.*must be written", PAGE, re.MULTILINE)
