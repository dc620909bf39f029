"""Measure the tree against the quality gates, print one table, exit 1 when a gate fails.

python scripts/quality_gates.py              complexity, duplication, security, lengths
python scripts/quality_gates.py --coverage   the same, and the coverage of the last test run
"""

import argparse
import ast
import io
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from coverage import Coverage
from coverage.exceptions import CoverageException
from radon.complexity import cc_visit  # type: ignore[import-untyped]
from radon.visitors import Function  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run by its path, Python puts only scripts/ there

from scripts.duplication import find_copies  # noqa: E402
from scripts.gates import Gate, render  # noqa: E402

SHIPPED = ("adapters", "bots", "core", "migrations", "scripts", "shared")
FOLDERS = (*SHIPPED, "benchmarks", "tests")

COMPLEXITY_LIMIT = 10
DUPLICATION_LIMIT = 5.0
COVERAGE_LIMIT = 80.0
FILE_LINES = 250
FUNCTION_LINES = 45

GATES = ("complexity", "duplication", "security", "file-length", "function-length", "coverage")
BANDIT_SECONDS = 300


@dataclass(frozen=True, kw_only=True)
class Source:
    """One Python file: its path below the root, its text and its syntax tree."""

    path: str
    text: str
    tree: ast.Module


class BrokenTree(Exception):
    """The tree cannot be measured."""


def read_sources(root: Path) -> list[Source]:
    """Parse our own Python files; BrokenTree when there are none or one does not parse."""
    paths = sorted(path for folder in FOLDERS for path in (root / folder).rglob("*.py"))
    if not paths:
        raise BrokenTree(f"no Python files in {', '.join(FOLDERS)}")
    return [read_source(root, path) for path in paths]


def read_source(root: Path, path: Path) -> Source:
    name = path.relative_to(root).as_posix()
    text = path.read_text(encoding="utf-8")
    try:
        return Source(path=name, text=text, tree=ast.parse(text))
    except SyntaxError as error:
        raise BrokenTree(f"{name}:{error.lineno} does not parse: {error.msg}") from error


def check_complexity(sources: Sequence[Source]) -> Gate:
    """The cyclomatic complexity of the most tangled function, as radon counts it."""
    found = [
        (block.complexity, f"{source.path}:{block.lineno} {block.fullname}")
        for source in sources
        # An assertion is no decision: a test with ten of them is long, and not tangled.
        for block in cc_visit(source.text, no_assert=True)
        if isinstance(block, Function)
    ]
    over = sorted((item for item in found if item[0] > COMPLEXITY_LIMIT), reverse=True)
    return Gate(
        name="complexity",
        figure=str(max((complexity for complexity, _ in found), default=0)),
        limit=f"<= {COMPLEXITY_LIMIT}",
        passed=not over,
        findings=tuple(f"{place} has {complexity}" for complexity, place in over),
    )


def check_duplication(sources: Sequence[Source]) -> Gate:
    """The share of code lines that stand in a run of equal lines somewhere else too."""
    share, copies = find_copies({source.path: source.text for source in sources})
    return Gate(
        name="duplication",
        figure=f"{share:.1f} %",
        limit=f"<= {DUPLICATION_LIMIT:g} %",
        passed=share <= DUPLICATION_LIMIT,
        findings=tuple(copies),
    )


def check_security(root: Path) -> Gate:
    """Bandit's high-severity findings in the code that ships."""
    folders = [folder for folder in SHIPPED if (root / folder).is_dir()]
    report = run_bandit(root, folders) if folders else {"results": [], "errors": []}
    findings = [
        f"{finding['filename']}:{finding['line_number']} {finding['test_id']} "
        f"{finding['issue_text']}"
        for finding in report["results"]
    ]
    findings += [f"{error['filename']} {error['reason']}" for error in report["errors"]]
    return Gate(
        name="security, high severity",
        figure=str(len(findings)),
        limit="0",
        passed=not findings,
        findings=tuple(findings),
    )


def run_bandit(root: Path, folders: Sequence[str]) -> dict[str, list[dict[str, str]]]:
    command = [sys.executable, "-m", "bandit", "--quiet", "--recursive", "--format", "json"]
    done = subprocess.run(
        [*command, "--severity-level", "high", *folders],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=BANDIT_SECONDS,
        check=False,  # bandit exits 1 when it finds something
    )
    try:
        report: dict[str, list[dict[str, str]]] = json.loads(done.stdout)
    except ValueError as error:
        raise BrokenTree(f"bandit gave no report: {done.stderr.strip()}") from error
    return report


def check_coverage(root: Path) -> Gate:
    """The share of lines the last test run reached, all its processes together."""
    data_files = [str(path) for path in (root / ".coverage", *root.glob(".coverage.*"))]
    data_files = [path for path in data_files if Path(path).is_file()]
    figure = "no data"
    findings: tuple[str, ...] = ("no coverage data: run the tests under coverage first",)
    percent = 0.0
    if data_files:
        try:
            percent = read_coverage(root, data_files)
            figure, findings = f"{percent:.1f} %", ()
        except CoverageException as error:
            figure, findings = "unreadable", (str(error),)
    return Gate(
        name="coverage",
        figure=figure,
        limit=f">= {COVERAGE_LIMIT:g} %",
        passed=percent >= COVERAGE_LIMIT,
        findings=findings,
    )


def read_coverage(root: Path, data_files: list[str]) -> float:
    # In memory and with keep=True, so that measuring leaves the data as the tests wrote it.
    measured = Coverage(data_file=None, config_file=str(root / "pyproject.toml"))
    measured.combine(data_files, strict=True, keep=True)
    return measured.report(file=io.StringIO())


def check_file_length(sources: Sequence[Source]) -> Gate:
    found = [(source.text.count("\n"), source.path) for source in sources]
    return length_gate("longest file, lines", FILE_LINES, found)


def check_function_length(sources: Sequence[Source]) -> Gate:
    found = [
        ((node.end_lineno or node.lineno) - node.lineno + 1, f"{source.path}:{node.lineno}")
        for source in sources
        if not source.path.startswith("migrations/versions/")  # scripts of SQL, read downwards
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return length_gate("longest function, lines", FUNCTION_LINES, found)


def length_gate(name: str, limit: int, found: list[tuple[int, str]]) -> Gate:
    over = sorted((item for item in found if item[0] > limit), reverse=True)
    return Gate(
        name=name,
        figure=str(max((lines for lines, _ in found), default=0)),
        limit=f"<= {limit}",
        passed=not over,
        findings=tuple(f"{place} has {lines}" for lines, place in over),
        warn_only=True,
    )


def measure(root: Path, names: Sequence[str]) -> list[Gate]:
    sources = read_sources(root)
    check_by_name: dict[str, Callable[[], Gate]] = {
        "complexity": partial(check_complexity, sources),
        "duplication": partial(check_duplication, sources),
        "security": partial(check_security, root),
        "file-length": partial(check_file_length, sources),
        "function-length": partial(check_function_length, sources),
        "coverage": partial(check_coverage, root),
    }
    return [check_by_name[name]() for name in names]


def choose_gates(options: argparse.Namespace) -> list[str]:
    # Coverage only on demand: data older than the code would judge lines that have moved.
    asked: str | None = options.only
    if asked is not None:
        return [asked]
    return [name for name in GATES if name != "coverage" or options.coverage]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Measure the tree against the quality gates.")
    parser.add_argument("--root", type=Path, default=ROOT)
    parser.add_argument("--only", choices=GATES, help="one gate alone")
    parser.add_argument("--coverage", action="store_true", help="hold the last test run to it too")
    options = parser.parse_args(argv)
    try:
        gates = measure(options.root, choose_gates(options))
    except BrokenTree as error:
        print(f"quality gates: {error}")
        return 1
    print(render(gates))
    return 0 if all(gate.passed or gate.warn_only for gate in gates) else 1


if __name__ == "__main__":
    sys.exit(main())
