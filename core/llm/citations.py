"""From a model's text with [n] markers to a text whose every marker has a quote behind it. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.llm.base import Passage
from core.llm.sentences import Sentence, sentences
from core.rag.tokenize import terms

# [1] · [1, 2] · [1][2] · [1-3] · 【1】 · [Passage 1]; but never the text of a link, [1](…).
MARKER = re.compile(
    r"[ \t]{0,8}[\[【]\s*(?:(?:passages?|sources?|quelle|source:)\s*)?"
    r"(?P<numbers>\^?\d+(?:\s*(?:[,;–-]|and|&)\s*\d+)*)(?:†[^\]】]*)?\s*[\]】](?!\()",
    re.IGNORECASE,
)
_RANGE = re.compile(r"\b(\d{1,3})\s*[–-]\s*(\d{1,3})\b")
_WIDEST_RANGE = 20
_SPACE_BEFORE_STOP = re.compile(r"[ \t]+([.,;:!?])(?=\s|$)")


@dataclass(frozen=True, kw_only=True)
class Cited:
    """[`number`] in the text is `passages[passage]`; `quote` stands in it verbatim."""

    number: int
    passage: int
    quote: str


@dataclass(frozen=True, kw_only=True)
class CitedText:
    text: str
    citations: tuple[Cited, ...]

    @property
    def is_supported(self) -> bool:
        return bool(self.citations)


def resolve(
    text: str, passages: Sequence[Passage], quotes: Mapping[int, str] | None = None
) -> CitedText:
    """Drop markers without a passage, renumber the rest from 1, quote what supports each.

    `quotes` holds what the passages are known to be quoted with, verbatim, by their index.
    """
    quotes = quotes or {}
    text = _without_unknown(text, len(passages))
    numbers: dict[int, int] = {}  # passage → number, in order of appearance
    claims: dict[int, str] = {}
    written: list[str] = []
    position = 0
    for match in MARKER.finditer(text):
        written.append(text[position : match.start()])
        position = match.end()
        for passage in named(match["numbers"], len(passages)):
            numbers.setdefault(passage, len(numbers) + 1)
            claims.setdefault(passage, _claim("".join(written)))
            written.append(f" [{numbers[passage]}]")
    written.append(text[position:])
    cited = [
        Cited(
            number=number, passage=p, quote=quotes.get(p) or _support(passages[p].text, claims[p])
        )
        for p, number in numbers.items()
    ]
    return CitedText(text=tidy("".join(written)), citations=tuple(cited))


def _without_unknown(text: str, count: int) -> str:
    """Without markers of no passage; again while taking one out makes another, as in `[[9]9]`."""
    while (less := MARKER.sub(lambda m: m[0] if named(m["numbers"], count) else "", text)) != text:
        text = less
    return text


def without_markers(text: str) -> str:
    return tidy(_without_unknown(text, 0))


def named(numbers: str, count: int) -> list[int]:
    """Indexes of the passages that a marker names and that exist."""
    wanted: list[int] = []
    for low, high in _RANGE.findall(numbers):
        wanted += range(int(low), min(int(high), int(low) + _WIDEST_RANGE) + 1)
    wanted += [int(number) for number in re.findall(r"\b\d{1,3}\b", numbers)]
    return [number - 1 for number in dict.fromkeys(sorted(wanted)) if 1 <= number <= count]


def _claim(before: str) -> str:
    """The sentence that a marker at the end of `before` stands for."""
    bare = without_markers(before)
    found = sentences(bare)
    return found[-1].text if found else bare


def _support(text: str, claim: str) -> str:
    """The sentence of the passage that shares most words with the claim, verbatim."""
    asked = set(terms(claim))

    def shared(sentence: Sentence) -> float:
        words = set(terms(sentence.text))
        return len(words & asked) / (len(words | asked) or 1)

    found = [s for s in sentences(text) if not s.is_source] or sentences(text)
    if not found:
        return text.strip()
    best = max(found, key=shared)
    return text[best.start : best.end]


def tidy(text: str) -> str:
    return _SPACE_BEFORE_STOP.sub(r"\1", text).strip()
