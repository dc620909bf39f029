"""The bot that the README shows is complete: taken from there, it runs."""

import re
from pathlib import Path

from shared.settings import Settings
from tests.apps import Person, quick, running_app

ROOT = Path(__file__).resolve().parents[2]
MOST_LINES = 25


async def test_the_readme_bot_runs_as_written(settings: Settings, tmp_path: Path) -> None:
    code = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)[0]
    assert len(code.splitlines()) <= MOST_LINES
    folder = tmp_path / "bots" / "weekly"
    folder.mkdir(parents=True)
    (folder / "bot.py").write_text(code, encoding="utf-8")
    async with running_app(quick(settings, extra_paths=str(tmp_path))) as app:
        person = Person(app=app, account=await app.add_channel("web", bot="weekly"))
        [asked] = await person.says("/week")
        assert list(asked.choices) == ["Good", "Mixed", "Hard"]
        await person.picks("Good")
        [thanked] = await person.says("I ran twice")
        assert "I ran twice" in thanked.text
        [contact] = await app.fetch("SELECT memory FROM app.contacts WHERE creator_id = $1")
    assert contact["memory"]["weeks"] == [{"mood": "Good", "win": "I ran twice"}]
