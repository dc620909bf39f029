"""The files under review: what git tracks, or would track after the next commit."""

import ast
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = ("adapters", "bots", "core", "migrations", "scripts", "shared")


@dataclass(frozen=True, kw_only=True)
class Module:
    path: str
    text: str
    tree: ast.Module

    @property
    def is_shipped(self) -> bool:
        return self.path.split("/")[0] in SHIPPED


@cache
def tracked_files() -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git repository")
    return [path for path in done.stdout.splitlines() if (ROOT / path).is_file()]


def text_of(path: str) -> str | None:
    """A file's text; None when it is not text."""
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


@cache
def modules() -> list[Module]:
    found = []
    for path in tracked_files():
        text = text_of(path) if path.endswith(".py") else None
        if text is not None:
            found.append(Module(path=path, text=text, tree=ast.parse(text)))
    return found
