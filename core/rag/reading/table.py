"""CSV to text: a question and its answer under it, or rows as lines of `header: value`."""

import csv
import io
from collections.abc import Iterator, Sequence

from core.rag.reading.formats import ANSWER, QUESTION
from core.rag.reading.marked import heading, plain_text
from core.rag.reading.plain import decode
from core.rag.reading.result import CSV, PLAIN, Reading, refused

_DELIMITERS = ",;\t|"
_SAMPLE_CHARACTERS = 65_536
_MAX_FIELD = 1_000_000
_MAX_COLUMNS = 200


def read(data: bytes, encoding: str = "") -> Reading:
    text = decode(data, encoding)
    rows = _rows(text)
    if rows is None:
        return Reading(text=text, media_type=PLAIN)
    header = [" ".join(name.split()) for name in rows[0]]
    pair = _pair_columns(header)
    parts = _pairs(rows[1:], *pair) if pair else _lines(header, rows[1:])
    return Reading(text="\n\n".join(parts), media_type=CSV)


def _rows(text: str) -> list[list[str]] | None:
    """The rows that hold anything; None for text that is no table, whatever it is called."""
    csv.field_size_limit(_MAX_FIELD)
    first = text.lstrip("\n\r").split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=first.count)
    try:
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if any(row)]
    except csv.Error as error:
        raise refused("unreadable_document") from error
    if len(rows) < 2 or not 2 <= len(rows[0]) <= _MAX_COLUMNS:
        return None
    fitting = sum(len(row) == len(rows[0]) for row in rows)
    return rows if fitting * 2 > len(rows) else None


def _pair_columns(header: Sequence[str]) -> tuple[int, int] | None:
    questions = [n for n, name in enumerate(header) if QUESTION.fullmatch(name)]
    answers = [n for n, name in enumerate(header) if ANSWER.fullmatch(name)]
    return (questions[0], answers[0]) if questions and answers else None


def _pairs(rows: Sequence[Sequence[str]], question: int, answer: int) -> Iterator[str]:
    for row in rows:
        if max(question, answer) >= len(row) or not row[answer].strip():
            continue
        said = plain_text(row[answer].strip())
        yield f"{heading(row[question])}\n\n{said}" if row[question].strip() else said


def _lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in rows:
        named = zip(header, row, strict=False)
        yield plain_text(
            "\n".join(
                f"{name}: {value.strip()}" if name else value.strip()
                for name, value in named
                if value.strip()
            )
        )
