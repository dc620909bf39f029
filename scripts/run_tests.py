"""Run the tests: `scripts/run_tests.py` all of them, measured; with arguments plain pytest.

Of a whole run up to three failed tests get a second chance, alone: one process, engines of their
own, nothing beside them. Who passes then is printed as UNSTEADY, which is a fault to mend but
tells nothing about the change under test. More failures, a second one, a broken run or coverage
below the limit are red at once.
"""

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

PYTEST = (sys.executable, "-m", "pytest")
# Tests mostly wait, so there are more processes than the smallest machine has cores. Each file
# stays in one process, and the files go in the order of tests/conftest.py: the long ones first.
WHOLE = ("-n", "4", "--dist", "loadfile", "--no-loadscope-reorder", "--cov", "--cov-report=")
COVERAGE = (sys.executable, "-m", "coverage", "report", "--fail-under=80")
SECOND_CHANCES = 3
PASSED, FAILED = 0, 1  # pytest's exit codes; any other one means that the run itself broke


def main(args: Sequence[str]) -> int:
    # A job in the background ignores Ctrl-C and its children inherit that; tests send it to some.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if args:
        return run([*PYTEST, *args])
    # A cache of its own: the developer's keeps the failures of other runs.
    with tempfile.TemporaryDirectory(prefix="cairn-tests-") as folder:
        tests = run_all(Path(folder))
    coverage = run(COVERAGE)
    return tests or coverage


def run_all(cache: Path) -> int:
    """The exit code of the whole suite, second chances included."""
    first = run([*PYTEST, *WHOLE, "-o", f"cache_dir={cache}"])
    failed = failed_tests(cache)
    # A file that could not be read is remembered too, without the name of a test.
    are_tests = all("::" in node_id for node_id in failed)
    if first != FAILED or not are_tests or not 1 <= len(failed) <= SECOND_CHANCES:
        return first
    print(f"\n{len(failed)} failed: run once more, alone", flush=True)
    second = run_alone(cache, len(failed))
    if second == PASSED:
        print(f"UNSTEADY: passed alone: {', '.join(failed)}", flush=True)
    return second


def run_alone(cache: Path, count: int) -> int:
    """Run the failed tests again; PASSED only when each of them did run and pass."""
    report = cache / "alone.xml"
    last_failed = ("--last-failed", "--last-failed-no-failures=none")
    code = run([*PYTEST, *last_failed, "-o", f"cache_dir={cache}", f"--junit-xml={report}"])
    return code or (PASSED if passed_tests(report) == count else FAILED)


def failed_tests(cache: Path) -> list[str]:
    """What pytest remembers of the run that has ended, as node ids."""
    path = cache / "v" / "cache" / "lastfailed"
    return sorted(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else []


def passed_tests(report: Path) -> int:
    """The cases of a JUnit report that did not fail and were not skipped."""
    cases = ElementTree.parse(report).getroot().iter("testcase")
    return sum(
        not len(case.findall("failure") + case.findall("error") + case.findall("skipped"))
        for case in cases
    )


def run(command: Sequence[str]) -> int:
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
