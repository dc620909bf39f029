"""Golden sets: questions with the documents that answer them, in a folder of JSON lines.

A line with a `query` is a question: `relevant` names the documents that answer it (none: it cannot
be answered), `short_query` says it shortly, `expects` lists words a good answer contains. Any other
line is a document with `id`, `title` and `text`. Without documents, `relevant` names titles, ids or
file names of a creator's own knowledge.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.errors import InvalidInput


@dataclass(frozen=True, kw_only=True)
class Question:
    text: str
    headline: str
    relevant: frozenset[str]
    expects: tuple[str, ...] = ()

    def form(self, *, short: bool) -> str:
        return self.headline if short else self.text


@dataclass(frozen=True, kw_only=True)
class GoldenSet:
    """`documents` maps an id to title and text; `hash` tells one set from another."""

    documents: dict[str, tuple[str, str]]
    answerable: list[Question]
    unanswerable: list[str]
    name: str = ""
    hash: bytes = field(default=b"", repr=False)


def load(folder: Path) -> GoldenSet:
    """Read every `*.jsonl` of a folder. Raises InvalidInput with the code `bad_golden_set`."""
    documents: dict[str, tuple[str, str]] = {}
    answerable, unanswerable = [], []
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.jsonl")):
        digest.update(path.read_bytes())
        for number, row in _rows(path):
            try:
                if "query" not in row:
                    documents[row["id"]] = (row.get("title") or row["id"], row["text"])
                elif row.get("answerable", bool(row.get("relevant"))):
                    answerable.append(_question(row))
                else:
                    unanswerable.append(str(row["query"]))
            except (KeyError, TypeError) as error:
                raise _bad(f"{path.name}, line {number}: {error} is missing or wrong") from error
    if not answerable:
        raise _bad(f"{folder} holds no answerable question in a .jsonl file")
    return GoldenSet(
        documents=documents,
        answerable=answerable,
        unanswerable=unanswerable,
        name=folder.resolve().name,
        hash=digest.digest(),
    )


def _bad(message: str) -> InvalidInput:
    return InvalidInput(message, code="bad_golden_set")


def _rows(path: Path) -> Iterable[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise _bad(f"{path.name}, line {number} is not JSON") from error
            if not isinstance(row, dict):
                raise _bad(f"{path.name}, line {number} is not an object")
            yield number, row


def _question(row: dict[str, Any]) -> Question:
    return Question(
        text=str(row["query"]),
        headline=str(row.get("short_query") or row["query"]),
        relevant=frozenset(map(str, row.get("relevant") or ())),
        expects=tuple(map(str, row.get("expects") or ())),
    )
