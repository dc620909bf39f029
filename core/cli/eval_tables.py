"""The figures of `cairn eval` as tables."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from core.evaluation.calibrate import Calibrated

RANKING = ("recall@1", "recall@5", "recall@10", "MRR@10", "nDCG@10")
REFUSAL = ("precision", "recall", "F1", "answerable recall")
_LABELS = {
    "right": "right answers",
    "citation_validity": "quotes that stand in their passage",
    "quotes": "quotes shown",
    "without_citation": "answers without a citation",
    "grounded": "sentences grounded in the passages cited",
    "cites_relevant": "cites a document known to answer",
    "expected": "says what was expected",
}


def retrieval(console: Console, figures: Mapping[str, Any]) -> None:
    _counts(console, figures)
    rows = {way: found.values() for way, found in figures["ranking"].items()}
    table(console, "Ranking", rows, RANKING)
    table(console, "Refusal", {"verdict": figures["refusal"].values()}, REFUSAL)
    _latency(console, figures)


def answers(console: Console, figures: Mapping[str, Any]) -> None:
    _counts(console, figures)
    shown = Table("Answers", "", title="Answers")
    for name, label in _LABELS.items():
        shown.add_row(label, _figure(figures[name]))
    for rung, part in figures["rungs"].items():
        shown.add_row(f"rung: {rung}", _figure(part))
    console.print(shown)
    table(console, "Refusal", {"in all": figures["refusal"].values()}, REFUSAL)
    _latency(console, figures)


def calibrated(console: Console, found: Calibrated) -> None:
    rows = {name: found.figures[name].values() for name in ("in_use", "held_out", "fitted")}
    table(console, f"Refusal in {found.space or 'the search by words'}", rows, REFUSAL)
    old, new = found.in_use.weights, found.new.weights
    console.print(
        f"Weights of vectors and words: {old.vector:g} and {old.lexical:g} (k = {old.k})"
        f" → {new.vector:g} and {new.lexical:g} (k = {new.k})"
    )


def table(
    console: Console,
    title: str,
    rows: Mapping[str, Iterable[float]],
    columns: Sequence[str],
    digits: int = 3,
) -> None:
    shown = Table("", *columns, title=title)
    for name, values in rows.items():
        shown.add_row(name, *(f"{value:.{digits}f}" for value in values))
    console.print(shown)


def _counts(console: Console, figures: Mapping[str, Any]) -> None:
    line = f"{figures['questions']} questions, {figures['unanswerable']} without an answer"
    if figures["skipped"]:
        line += f"; {figures['skipped']} left out: their documents are not in this knowledge"
    console.print(line)


def _latency(console: Console, figures: Mapping[str, Any]) -> None:
    rows = {name: found.values() for name, found in figures["latency_ms"].items()}
    table(console, "Latency (ms)", rows, ("p50", "p95"), digits=1)


def _figure(value: float | None) -> str:
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
