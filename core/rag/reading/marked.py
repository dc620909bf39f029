"""Text with headings that we put there: `#` begins a line only where a heading stands."""

import re

HEADING = re.compile(r"(?:^|(?<=\f))(#{1,6}) ([^\n\f]+)", re.MULTILINE)


def heading(title: str, level: int = 1) -> str:
    return f"{'#' * min(level, 6)} {' '.join(title.split())}"


def plain_line(line: str) -> str:
    """The line, moved by one space where it would be taken for a heading."""
    return f" {line}" if line.startswith("#") else line


def plain_text(text: str) -> str:
    return "\n".join(plain_line(line) for line in text.splitlines())
