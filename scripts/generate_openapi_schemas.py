"""Write docs/api/openapi.json from the routes; `--check` fails when the file is not up to date.

The routes are described without a database or any other engine.
"""

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from core.api.app import schema_app  # noqa: E402 - runs as a script, from any folder

TARGET = ROOT / "docs" / "api" / "openapi.json"
COMMAND = "python scripts/generate_openapi_schemas.py"


def generate() -> str:
    """The schema as text: the same on every machine and every run."""
    return json.dumps(schema_app().openapi(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main(arguments: list[str] | None = None, target: Path = TARGET) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 on drift")
    options = parser.parse_args(arguments)
    schema = generate()
    is_current = target.exists() and target.read_text(encoding="utf-8") == schema
    if options.check:
        if not is_current:
            print(f"{target} is not up to date; run: {COMMAND}", file=sys.stderr)
        return 0 if is_current else 1
    if not is_current:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(schema, encoding="utf-8")
        print(f"wrote {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
