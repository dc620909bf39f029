"""The pytest plugin as bot authors use it: the guide's files, run by a pytest of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "testing-bots.md"
FILES = ("pytest.ini", "bots/weekly/bot.py", "test_weekly.py")
RUN_SECONDS = 170


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("CAIRN_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
    )


def test_the_guide_runs_as_written(tmp_path: Path) -> None:
    texts = (*blocks("ini"), *blocks("python"))
    assert len(texts) == len(FILES)
    for name, text in zip(FILES, texts, strict=True):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = run_pytest(tmp_path)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    count = texts[-1].count("async def test_")
    assert f"{count} passed" in done.stdout


FAILING = """
import pytest

async def test_tells_what_is_wrong(app, telegram):
    await telegram.says("hello")
    await app.drain()
    assert telegram.texts() == ["something else"]

async def test_a_button_that_is_not_there(telegram):
    with pytest.raises(LookupError):
        await telegram.taps("Nowhere")

@pytest.mark.bot("nobody")
async def test_an_unknown_bot(app):
    pass
"""


def test_a_wrong_bot_fails_its_test_and_an_unknown_one_is_named(tmp_path: Path) -> None:
    """Without any configuration: the plugin is named on the command line only."""
    (tmp_path / "test_failing.py").write_text(FAILING, encoding="utf-8")
    done = run_pytest(tmp_path, "-p", "core.testing.plugin")
    assert done.returncode == 1
    assert "1 failed, 1 passed, 1 error" in done.stdout, done.stdout[-3000:]
    assert "something else" in done.stdout
    assert "there is no bot 'nobody'; there are: coach" in done.stdout


def test_without_pytest_the_plugin_says_what_to_install() -> None:
    code = "import sys; sys.modules['pytest'] = None; import core.testing.plugin"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "core.testing.plugin needs pytest: `pip install pytest" in done.stderr
