"""Widen a passage by what its neighbours say, where an answer may go on over the chunk's edge."""

import re
from collections.abc import Collection

from core.rag.tokenize import terms

# Characters that a passage may grow by on either side.
AROUND = 400
# An answer this close to an edge may begin before it or go on behind it.
EDGE = 300
_SENTENCE_END = re.compile(r"[.!?…。！？]['\"”’)\]]*(?=\s|$)|\n{2,}")


def widened(text: str, before: str, after: str, asked: Collection[str]) -> str:
    """The text, with whole sentences of its neighbours where the question's words touch an edge.

    What comes out contains `text` as it is, so a quote from it is still one from the chunk.
    `asked` are the terms of the question.
    """
    head = _tail_sentences(before) if before and _touches(text[:EDGE], asked) else ""
    tail = _first_sentences(after) if after and _touches(text[-EDGE:], asked) else ""
    return f"{head}{text}{tail}"


def _touches(edge: str, asked: Collection[str]) -> bool:
    return not set(asked).isdisjoint(terms(edge))


def _tail_sentences(before: str) -> str:
    """From the first sentence that begins in it; all of it when it is one sentence's rest."""
    if len(before) < AROUND:
        return before  # the section begins here
    first = _SENTENCE_END.search(before)
    begun = before[first.end() :].lstrip() if first else ""
    return begun or before


def _first_sentences(after: str) -> str:
    """Up to the last sentence that ends in it; all of it when none does."""
    if len(after) < AROUND:
        return after
    ends = [match.end() for match in _SENTENCE_END.finditer(after)]
    return after[: ends[-1]] if ends else after
