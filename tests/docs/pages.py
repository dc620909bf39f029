"""Files that a page of `docs/` shows: fenced blocks whose first line names their path."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"^```\w+\n# (\S+\.\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def files_of(page: str) -> dict[str, str]:
    """Text by path, exactly as the page shows it; without the line that names the path."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return dict(_BLOCK.findall(text))


def write(files: dict[str, str], folder: Path) -> None:
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
