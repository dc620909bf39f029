"""Figures beside their bounds, as one table: every ratio comes from one run on one machine."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line. `at_least` or `at_most` is what the ratio figure ÷ bound aims at."""

    name: str
    value: float
    unit: str
    bound: float | None = None
    bound_name: str = ""
    at_least: float | None = None
    at_most: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.value / self.bound if self.bound else None

    @property
    def verdict(self) -> str:
        if self.ratio is None or (self.at_least is None and self.at_most is None):
            return ""
        high_enough = self.at_least is None or self.ratio >= self.at_least
        low_enough = self.at_most is None or self.ratio <= self.at_most
        return "met" if high_enough and low_enough else "missed"


def show(title: str, figures: Sequence[Figure]) -> None:
    table = Table(
        "", "measured", "bound", "of", "ratio", "aim", "", title=title, title_justify="left"
    )
    for figure in figures:
        table.add_row(
            figure.name,
            _number(figure.value, figure.unit),
            _number(figure.bound, figure.unit) if figure.bound is not None else "",
            figure.bound_name,
            f"{figure.ratio:.2f}" if figure.ratio is not None else "",
            _aim(figure),
            figure.verdict,
        )
    Console(width=140).print(table)


def _aim(figure: Figure) -> str:
    if figure.at_least is not None:
        return f">= {figure.at_least:.2f}"
    return f"<= {figure.at_most:.2f}" if figure.at_most is not None else ""


def _number(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
