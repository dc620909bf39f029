"""The second chance is for one unsteady test, never for a fault: tried on small suites."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "run_tests.py"

STEADY = """
    from product import double

    def test_steady():
        assert double(2) == 4
"""
UNSTEADY = """
    from pathlib import Path

    def test_unsteady():
        marker = Path("was-here")
        again = marker.exists()
        marker.touch()
        assert again, "the first time"
"""
FAILING = """
    def test_failing():
        assert False, "every time"
"""
FOUR_UNSTEADY = """
    from pathlib import Path

    import pytest

    @pytest.mark.parametrize("number", range(4))
    def test_unsteady(number):
        marker = Path(f"was-here-{number}")
        again = marker.exists()
        marker.touch()
        assert again, "the first time"
"""
SKIPPED_LATER = """
    from pathlib import Path

    import pytest

    def test_unsteady():
        marker = Path("was-here")
        if marker.exists():
            pytest.skip("cannot run now")
        marker.touch()
        assert False, "the first time"
"""
BROKEN = "import nothing_of_that_name\n"
UNTESTED = "".join(f"    number += {step}\n" for step in range(20))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    code: int
    output: str


class Suite:
    """A project of one module and its tests, run by the script."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.write("pyproject.toml", "[tool.coverage.run]\nsource = ['product']\nparallel = true\n")
        self.write("product.py", "def double(number):\n    return number * 2\n")
        self.write("tests/test_steady.py", STEADY)

    def write(self, name: str, text: str) -> None:
        path = self._folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")

    def run(self, *args: str) -> Outcome:
        # Only the plugins that the script asks for: quicker to start.
        env = {
            "PATH": os.environ["PATH"],
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_ADDOPTS": "-p xdist -p pytest_cov",
        }
        done = subprocess.run(
            [sys.executable, str(SCRIPT), *args],
            cwd=self._folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Outcome(code=done.returncode, output=done.stdout + done.stderr)


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return Suite(tmp_path)


def test_who_fails_only_the_first_time_is_named_and_green(suite: Suite) -> None:
    suite.write("tests/test_unsteady.py", UNSTEADY)
    outcome = suite.run()
    assert outcome.code == 0
    assert "the first time" in outcome.output, "the failure itself is shown"
    assert "100%" in outcome.output
    assert "UNSTEADY: passed alone: tests/test_unsteady.py::test_unsteady\n" in outcome.output


def test_who_fails_every_time_stays_red(suite: Suite) -> None:
    suite.write("tests/test_unsteady.py", UNSTEADY)
    suite.write("tests/test_failing.py", FAILING)
    outcome = suite.run()
    assert outcome.code == 1
    assert "UNSTEADY" not in outcome.output
    assert outcome.output.count("FAILED tests/test_failing.py::test_failing") == 2


def test_more_than_three_failures_get_no_second_chance(suite: Suite) -> None:
    suite.write("tests/test_unsteady.py", FOUR_UNSTEADY)
    outcome = suite.run()
    assert outcome.code == 1
    assert "once more" not in outcome.output


def test_low_coverage_is_red_also_after_a_second_chance(suite: Suite) -> None:
    suite.write("tests/test_unsteady.py", UNSTEADY)
    suite.write(
        "product.py", f"def untested(number):\n{UNTESTED}\ndef double(n):\n    return n * 2\n"
    )
    outcome = suite.run()
    assert outcome.code != 0
    assert "UNSTEADY: passed alone" in outcome.output


def test_a_test_skipped_the_second_time_has_not_passed(suite: Suite) -> None:
    suite.write("tests/test_unsteady.py", SKIPPED_LATER)
    outcome = suite.run()
    assert outcome.code == 1
    assert "UNSTEADY" not in outcome.output


def test_a_file_that_cannot_be_read_is_red_at_once(suite: Suite) -> None:
    suite.write("tests/test_broken.py", BROKEN)
    outcome = suite.run()
    assert outcome.code != 0
    assert "once more" not in outcome.output


def test_with_arguments_it_is_plain_pytest(suite: Suite) -> None:
    suite.write("tests/test_unsteady.py", UNSTEADY)
    outcome = suite.run("tests/test_unsteady.py")
    assert outcome.code == 1
    assert "once more" not in outcome.output
    assert suite.run("-k", "steady and not un").code == 0
