"""A long command tells how far it is, also into a file."""

from io import StringIO

import pytest
from rich.console import Console

from core.cli.told import Told


@pytest.mark.parametrize(
    ("is_terminal", "seconds", "lines"),
    [(False, 0.0, ["Asking: 1 of 3", "Asking: 2 of 3"]), (False, 3600.0, []), (True, 0.0, [])],
    ids=["a file", "a file, soon after", "a terminal"],
)
def test_lines_come_where_no_bar_is_seen(
    is_terminal: bool, seconds: float, lines: list[str]
) -> None:
    file = StringIO()
    console = Console(file=file, force_terminal=is_terminal, width=80)
    with Told(console=console, seconds=seconds) as bar:
        task = bar.add_task("Asking", total=3)
        for _ in range(2):
            bar.advance(task)
    assert [line for line in file.getvalue().splitlines() if " of " in line] == lines
