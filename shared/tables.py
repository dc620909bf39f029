"""Tables in a chat: aligned columns where they fit a phone, else one "header: cell" line each."""

from collections.abc import Sequence
from itertools import zip_longest

from shared.richtext import display_width

MAX_ALIGNED_WIDTH = 36
"""A fixed-width line of more columns wraps on a phone and is worse than no table."""
_MAX_LABELS = 4000
"""Characters of repeated header labels; past that a table is data, not a message."""


def table_lines(rows: Sequence[Sequence[str]]) -> tuple[str, bool]:
    """The table as text, and whether it is aligned and so wants a fixed-width font.

    `rows[0]` is the header; every cell's text is in the result.
    """
    widths = [max(map(display_width, column)) for column in zip_longest(*rows, fillvalue="")]
    if sum(widths) + 2 * (len(widths) - 1) <= MAX_ALIGNED_WIDTH:
        return "\n".join(_aligned(row, widths) for row in rows), True
    header, *body = rows
    if not body or len(body) * sum(map(len, header)) > _MAX_LABELS:
        return "\n".join(" · ".join(filter(None, row)) for row in rows), False
    return "\n\n".join(_labelled(header, row) for row in body), False


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (
        cell + " " * (width - display_width(cell)) for cell, width in zip(row, widths, strict=False)
    )
    return "  ".join(cells).rstrip()


def _labelled(header: Sequence[str], row: Sequence[str]) -> str:
    pairs = zip(header, row, strict=False)
    return "\n".join(f"{label}: {cell}" if label else cell for label, cell in pairs if cell)
