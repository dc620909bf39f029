"""The form an answer is asked for, JSON by a schema, and reading it as it is written. Pure.

A server that ignores the schema, or a model that writes something else, is read as plain text with
[n] markers: the same checks follow.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

# `answer` stands first: models write in the order of the schema, and it is shown as it grows.
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "answer": {"type": "string"},
        "citations": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"passage": {"type": "integer"}, "quote": {"type": "string"}},
                "required": ["passage", "quote"],
            },
        },
    },
    "required": ["answer", "citations"],
}
MOST_CHARACTERS = 16_000
_FENCE = re.compile(r"\s*```(?:json)?[ \t]*\n?", re.IGNORECASE)
_MAY_OPEN_A_FENCE = re.compile(r"\s*(?:`{1,2}|```(?:j|js|jso|json)?\s*)?\Z", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Draft:
    """An answer as a model gave it, unchecked; `quotes` by passage number, None in plain text.

    `is_open`: nothing says that the answer itself has ended.
    """

    answer: str
    quotes: Mapping[int, tuple[str, ...]] | None = None
    is_open: bool = True


class _Quote(BaseModel):
    passage: int
    quote: str


class Reader:
    """Takes what a model writes, piece by piece, and gives back what it adds to the answer."""

    def __init__(self) -> None:
        self._written = ""
        self._answer = ""

    @property
    def is_too_long(self) -> bool:
        """Whether no honest answer is that long: its host ignores the limit it was given."""
        return len(self._written) > MOST_CHARACTERS

    @property
    def answer(self) -> str:
        """As much of the answer as is there."""
        return self._answer

    def take(self, piece: str) -> str:
        self._written += piece
        answer = _answer_in(self._written)
        # What was shown can't be taken back: a text that changes its mind waits for the end.
        added = answer[len(self._answer) :] if answer.startswith(self._answer) else ""
        self._answer += added
        return added

    def draft(self) -> Draft:
        """What the model meant, now that it has ended or was cut."""
        return read(self._written)


def read(written: str) -> Draft:
    """A JSON answer with its quotes, also one cut at its end; anything else as plain text."""
    fields = _fields(_unwrapped(written))
    answer = fields.get("answer") if fields else None
    if not isinstance(answer, str):
        return Draft(answer=written)
    quotes: dict[int, tuple[str, ...]] = {}
    listed = fields.get("citations") if fields else None
    for item in listed if isinstance(listed, list) else ():
        try:
            cited = _Quote.model_validate(item)
        except ValidationError:
            continue
        quotes[cited.passage] = (*quotes.get(cited.passage, ()), cited.quote)
    return Draft(answer=answer, quotes=quotes, is_open=listed is None)


def _answer_in(written: str) -> str:
    """The readable part of what stands there so far; empty while it can't be told."""
    bare = _unwrapped(written)
    if bare.startswith("{"):
        answer = (_fields(bare) or {}).get("answer")
        return answer if isinstance(answer, str) else ""
    return "" if _MAY_OPEN_A_FENCE.match(written) else written


def _unwrapped(written: str) -> str:
    """Without the code fence that models like to put around JSON."""
    opened = _FENCE.match(written)
    body = written[opened.end() :] if opened else written
    if not body.lstrip().startswith("{"):
        return written
    return body.strip().removesuffix("```") if opened else body.strip()


def _fields(text: str) -> dict[str, Any] | None:
    """The object that a text is or begins to be."""
    if not text.startswith("{"):
        return None
    try:
        found = from_json(text, allow_partial="trailing-strings")
    except ValueError:
        found = _lenient(text)
    return found if isinstance(found, dict) else None


def _lenient(text: str) -> Any:
    """Models put raw line breaks in strings, which JSON forbids."""
    try:
        return json.JSONDecoder(strict=False).raw_decode(text)[0]
    except (ValueError, RecursionError):
        return None
