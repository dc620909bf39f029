"""Each gate fails on a tree that breaks it and passes on one that does not."""

import subprocess
import sys
from pathlib import Path
from textwrap import indent

import pytest

from scripts.quality_gates import COMPLEXITY_LIMIT, FILE_LINES, FUNCTION_LINES, ROOT, main

CALM = "def double(number: int) -> int:\n    return number * 2\n"
RECIPE = "".join(f"    step_{step} = mix({step})\n" for step in range(12))


def branches(count: int) -> str:
    tests = "".join(
        f"    if number == {value}:\n        return {value}\n" for value in range(count)
    )
    return f"def choose(number: int) -> int:\n{tests}    return -1\n"


def distinct(count: int, prefix: str) -> str:
    return "".join(f"{prefix}_{value} = {value}\n" for value in range(count))


def write(root: Path, text_by_path: dict[str, str]) -> None:
    for name, text in text_by_path.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def measure(root: Path, *options: str) -> int:
    return main(["--root", str(root), *options])


@pytest.mark.parametrize(
    ("gate", "good", "bad"),
    [
        pytest.param(
            "complexity",
            {"core/choice.py": branches(COMPLEXITY_LIMIT - 1)},
            {"core/choice.py": branches(COMPLEXITY_LIMIT)},
            id="complexity",
        ),
        pytest.param(
            "complexity",
            {"core/choice.py": CALM},
            {"core/choice.py": "class Chooser:\n" + indent(branches(COMPLEXITY_LIMIT), "    ")},
            id="complexity-of-a-method",
        ),
        pytest.param(
            "duplication",
            {"core/soup.py": f"def soup():\n{RECIPE}", "core/cake.py": distinct(12, "cake")},
            {"core/soup.py": f"def soup():\n{RECIPE}", "core/cake.py": f"def cake():\n{RECIPE}"},
            id="duplication",
        ),
        pytest.param(
            "security",
            {"core/shell.py": "import subprocess\n\nsubprocess.run(['ls'], check=True)\n"},
            {"core/shell.py": "import subprocess\n\nsubprocess.run(input(), shell=True)\n"},
            id="security",
        ),
    ],
)
def test_a_gate_passes_a_good_tree_and_fails_a_bad_one(
    tmp_path: Path, gate: str, good: dict[str, str], bad: dict[str, str]
) -> None:
    write(tmp_path / "good", good)
    write(tmp_path / "bad", bad)
    assert measure(tmp_path / "good", "--only", gate) == 0
    assert measure(tmp_path / "bad", "--only", gate) == 1


def test_assertions_are_no_decisions(tmp_path: Path) -> None:
    asserts = "    assert number\n" * (COMPLEXITY_LIMIT + 5)
    write(tmp_path, {"tests/test_sum.py": f"def test_sum(number: int = 1) -> None:\n{asserts}"})
    assert measure(tmp_path, "--only", "complexity") == 0


def test_a_copy_is_seen_through_comments_docstrings_and_layout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    disguised = RECIPE.replace(" = ", "   =   ").replace(")\n", ")  # stir\n\n")
    cake = f'def cake():\n    """Bake."""\n{disguised}'
    write(tmp_path, {"core/cake.py": cake, "core/soup.py": f"def soup():\n{RECIPE}"})
    assert measure(tmp_path, "--only", "duplication") == 1
    assert "core/soup.py:2 repeats core/cake.py:3" in capsys.readouterr().out


def test_the_same_imports_are_no_copy(tmp_path: Path) -> None:
    imports = "".join(f"import module_{number}\n" for number in range(20))
    write(tmp_path, {"core/a.py": imports + "A = 1\n", "core/b.py": imports + "B = 2\n"})
    assert measure(tmp_path, "--only", "duplication") == 0


def test_a_small_copy_in_a_large_tree_is_tolerated(tmp_path: Path) -> None:
    pair = {"core/a.py": f"def a():\n{RECIPE}", "core/b.py": f"def b():\n{RECIPE}"}
    write(tmp_path, pair | {"core/large.py": distinct(600, "value")})
    assert measure(tmp_path, "--only", "duplication") == 0


def test_lengths_warn_and_do_not_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = indent(distinct(FUNCTION_LINES, "value"), "    ")
    write(tmp_path, {"core/long.py": f"def long():\n{body}" + distinct(FILE_LINES, "top")})
    assert measure(tmp_path) == 0
    shown = capsys.readouterr().out
    assert f"core/long.py has {1 + FUNCTION_LINES + FILE_LINES}" in shown
    assert f"core/long.py:1 has {1 + FUNCTION_LINES}" in shown
    assert shown.count("  warn\n") == 2


def test_a_migration_may_be_one_long_script(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = indent(distinct(FUNCTION_LINES, "table"), "    ")
    write(tmp_path, {"migrations/versions/0001_tables.py": f"def upgrade():\n{body}"})
    assert measure(tmp_path, "--only", "function-length") == 0
    assert "warn" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("halves", "figure", "code"),
    [pytest.param("ab", "100.0 %", 0, id="all"), pytest.param("a", "70.0 %", 1, id="too-little")],
)
def test_coverage_is_read_from_the_last_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], halves: str, figure: str, code: int
) -> None:
    run_under_coverage(tmp_path, halves)
    assert measure(tmp_path, "--coverage") == code
    assert figure in capsys.readouterr().out
    assert measure(tmp_path) == 0  # not asked for, so not judged


def test_coverage_joins_the_processes_of_a_run(tmp_path: Path) -> None:
    run_under_coverage(tmp_path, "a", "--parallel-mode")
    assert measure(tmp_path, "--coverage") == 1
    run_under_coverage(tmp_path, "b", "--parallel-mode")
    assert measure(tmp_path, "--coverage") == 0
    assert len(list(tmp_path.glob(".coverage.*"))) == 2  # the measurement left them alone


def test_coverage_without_data_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, {"core/calm.py": CALM})
    assert measure(tmp_path, "--coverage") == 1
    assert "run the tests under coverage first" in capsys.readouterr().out


def run_under_coverage(root: Path, halves: str, *options: str) -> None:
    """Run ten statements: three always, four more for the half a, three for the half b."""
    half_a = "if 'a' in sys.argv[1]:\n" + indent(distinct(4, "left"), "    ")
    half_b = "if 'b' in sys.argv[1]:\n" + indent(distinct(3, "right"), "    ")
    program = f"import sys\n\n{half_a}{half_b}"
    write(root, {"core/__init__.py": "", "core/ten.py": program, "pyproject.toml": ""})
    command = [sys.executable, "-m", "coverage", "run", *options, "--source", "core"]
    subprocess.run([*command, "-m", "core.ten", halves], cwd=root, check=True, timeout=60)


def test_a_file_that_does_not_parse_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, {"core/broken.py": "def (:\n"})
    assert measure(tmp_path) == 1
    assert "core/broken.py:1 does not parse" in capsys.readouterr().out


def test_an_empty_tree_is_no_pass(tmp_path: Path) -> None:
    assert measure(tmp_path) == 1


def test_an_unknown_gate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        measure(tmp_path, "--only", "complexty")


def test_the_script_runs_by_its_path_from_anywhere(tmp_path: Path) -> None:
    write(tmp_path, {"core/calm.py": CALM})
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts/quality_gates.py"), "--root", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].split() == ["gate", "figure", "limit"]
    assert done.stdout.count("pass\n") == 5
