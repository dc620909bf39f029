"""Find code that was copied: runs of equal lines, whatever their comments and layout."""

import ast
import io
import tokenize
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise

WINDOW = 8
"""Code lines that must agree in a row before they count as a copy."""

Place = tuple[str, int]
"""A path and the index of a code line in it."""


def find_copies(text_by_path: Mapping[str, str]) -> tuple[float, list[str]]:
    """The percentage of code lines that stand in a copy, and one sentence a copied run.

    Both sides of a copy count. Raises SyntaxError for a file that does not parse.
    """
    lines_by_path = {path: list(code_lines(text)) for path, text in text_by_path.items()}
    copied: set[Place] = set()
    twin_by_place: dict[Place, Place] = {}
    for places in find_windows(lines_by_path).values():
        if len(places) > 1:
            copied.update((path, at + step) for path, at in places for step in range(WINDOW))
            twin_by_place.update((later, earlier) for earlier, later in pairwise(places))
    total = sum(len(lines) for lines in lines_by_path.values())
    return 100 * len(copied) / max(total, 1), describe_runs(twin_by_place, lines_by_path)


def find_windows(
    lines_by_path: Mapping[str, list[tuple[int, str]]],
) -> dict[tuple[str, ...], list[Place]]:
    places_by_window: dict[tuple[str, ...], list[Place]] = defaultdict(list)
    for path, lines in lines_by_path.items():
        texts = [text for _, text in lines]
        for start in range(len(texts) - WINDOW + 1):
            places_by_window[tuple(texts[start : start + WINDOW])].append((path, start))
    return places_by_window


def describe_runs(
    twin_by_place: Mapping[Place, Place], lines_by_path: Mapping[str, list[tuple[int, str]]]
) -> list[str]:
    """One sentence for each run of overlapping windows, at its first line."""

    def spell(place: Place) -> str:
        path, index = place
        return f"{path}:{lines_by_path[path][index][0]}"

    return [
        f"{spell(place)} repeats {spell(twin)}"
        for place, twin in sorted(twin_by_place.items())
        if (place[0], place[1] - 1) not in twin_by_place
    ]


def code_lines(text: str) -> Iterator[tuple[int, str]]:
    """Number and tokens of each line; comments, docstrings, imports and bare brackets left out."""
    ignored = set(ignored_lines(ast.parse(text)))
    words_by_line: dict[int, list[str]] = defaultdict(list)
    says_something: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT or not token.string.strip():
            continue
        words_by_line[token.start[0]].append(token.string)
        if token.type != tokenize.OP:
            says_something.add(token.start[0])
    for number in sorted(says_something - ignored):
        yield number, " ".join(words_by_line[number])


def ignored_lines(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        match node:
            case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant()):
                yield from range(node.lineno, (node.end_lineno or node.lineno) + 1)
