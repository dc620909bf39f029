"""Answer without a language model: the few sentences of the passages that fit the question best."""

import asyncio
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from core.llm.base import Passage
from core.llm.citations import without_markers
from core.llm.embedded import WordLlama
from core.llm.sentences import Sentence, is_source, sentences
from core.rag.tokenize import terms

MOST_SENTENCES = 4
MOST_CHARACTERS = 700
MOST_CANDIDATES = 400
# Weights of the parts of a sentence's score, found by reading answers from the handbook.
_SIMILARITY, _OVERLAP, _HEADING, _NEAR_RANK = 0.5, 0.25, 0.25, 0.06
_OPENS = 0.05  # the first sentence below a heading usually answers it
_ANNOUNCES = 0.25  # "How to …", "Where … comes from.": promises an answer, gives none
_ANNOUNCEMENT = re.compile(r"(?:how|where|why|what|when|which|who)\b", re.IGNORECASE)
_SHARE_OF_BEST = 0.72  # further sentences must come this near to the best one,
_SHARE_TO_GO_ON = 0.3  # those that go on from the best one only this near


@dataclass(frozen=True, kw_only=True)
class Quote:
    """`text` is verbatim `passages[passage].text[start:end]`."""

    passage: int
    start: int
    end: int
    text: str


@dataclass(frozen=True, kw_only=True)
class ExtractiveAnswer:
    """`text` has a marker [n] after each run of sentences from `passages[n - 1]`."""

    text: str
    quotes: tuple[Quote, ...]


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    passage: int
    sentence: Sentence
    heading: str
    opens: bool


class ExtractiveAnswerer:
    def __init__(self, embedder: WordLlama) -> None:
        self._embedder = embedder
        self.name = embedder.space.model

    async def answer(self, question: str, passages: Sequence[Passage]) -> ExtractiveAnswer | None:
        """The best 1 to 4 whole sentences in reading order; None when there is none to quote."""
        return await asyncio.to_thread(self._answer, question, passages)

    def _answer(self, question: str, passages: Sequence[Passage]) -> ExtractiveAnswer | None:
        candidates = _candidates(passages)
        if not candidates:
            return None
        chosen = _choose(candidates, self._scores(question, candidates))
        chosen.sort(key=lambda c: (c.passage, c.sentence.start))
        return ExtractiveAnswer(text=_write(chosen), quotes=_quotes(chosen, passages))

    def _scores(self, question: str, candidates: list[_Candidate]) -> list[float]:
        headings = list(dict.fromkeys(c.heading for c in candidates))
        texts = [question, *(c.sentence.text for c in candidates), *headings]
        vectors = self._embedder.encode(texts)
        likeness = vectors[1:] @ vectors[0]
        by_heading = dict(zip(headings, likeness[len(candidates) :], strict=True))
        asked = set(terms(question))
        scores = []
        for candidate, similarity in zip(candidates, likeness, strict=False):
            heading = candidate.heading
            scores.append(
                _SIMILARITY * float(similarity)
                + _OVERLAP * _overlap(asked, candidate.sentence.text)
                + _HEADING * (float(by_heading[heading]) + _overlap(asked, heading)) / 2
                + _NEAR_RANK / (1 + candidate.passage)
                + (_OPENS if candidate.opens else 0.0)
                - (_ANNOUNCES if _announces(candidate.sentence) else 0.0)
            )
        return scores


def _overlap(asked: set[str], text: str) -> float:
    """The share of the question's words that stand in the text."""
    return len(asked.intersection(terms(text))) / len(asked) if asked else 0.0


def _announces(sentence: Sentence) -> bool:
    return sentence.text.endswith(":") or _ANNOUNCEMENT.match(sentence.text) is not None


def _candidates(passages: Sequence[Passage]) -> list[_Candidate]:
    found: list[_Candidate] = []
    seen: set[str] = set()
    for number, passage in enumerate(passages):
        quotable = [] if is_source(passage.heading) else _quotable(sentences(passage.text))
        for position, sentence in enumerate(quotable):
            key = " ".join(terms(sentence.text)) or sentence.text
            if key in seen:  # neighbouring passages overlap
                continue
            seen.add(key)
            heading = sentence.heading or passage.heading or passage.title
            opens = position == 0 or quotable[position - 1].heading != sentence.heading
            found.append(
                _Candidate(passage=number, sentence=sentence, heading=heading, opens=opens)
            )
    return found[:MOST_CANDIDATES]


def _quotable(found: list[Sentence]) -> list[Sentence]:
    """Statements first; fragments only where a passage has nothing else ("Mon–Fri 9–17")."""
    usable = [s for s in found if not s.is_source and len(s.text) <= MOST_CHARACTERS]
    return [s for s in usable if s.is_whole and not s.is_question] or usable


def _choose(candidates: list[_Candidate], scores: list[float]) -> list[_Candidate]:
    """The best sentence and what goes on from it, then others nearly as good."""
    order = [int(i) for i in np.argsort([-score for score in scores], kind="stable")]
    best = order[0]
    good = [i for i in order if scores[i] >= _SHARE_OF_BEST * scores[best]]
    chosen: list[_Candidate] = []
    length = 0
    for index in dict.fromkeys([best, *_goes_on(candidates, scores, best), *good]):
        text = candidates[index].sentence.text
        if not chosen or (len(chosen) < MOST_SENTENCES and length + len(text) <= MOST_CHARACTERS):
            chosen.append(candidates[index])
            length += len(text)
    return chosen


def _goes_on(candidates: list[_Candidate], scores: list[float], best: int) -> Iterator[int]:
    """Up to two sentences right after the best one, below the same heading."""
    first = candidates[best]
    for index in range(best + 1, min(best + 3, len(candidates))):
        candidate = candidates[index]
        together = (candidate.passage, candidate.heading) == (first.passage, first.heading)
        if not together or scores[index] < _SHARE_TO_GO_ON * scores[best]:
            return
        yield index


def _write(chosen: list[_Candidate]) -> str:
    """Sentences flow together, bullets stay bullets, one marker after each passage's run."""
    parts: list[str] = []
    for index, candidate in enumerate(chosen):
        following = chosen[index + 1] if index + 1 < len(chosen) else None
        ends_run = following is None or following.passage != candidate.passage
        bullet = candidate.sentence.is_bullet
        lead = (
            "" if not parts else "\n\n" if chosen[index - 1].passage != candidate.passage else " "
        )
        if bullet and parts:
            lead = "\n"
        marker = f" [{candidate.passage + 1}]" if ends_run else ""
        parts.append(
            f"{lead}{'- ' if bullet else ''}{without_markers(candidate.sentence.text)}{marker}"
        )
    return "".join(parts)


def _quotes(chosen: list[_Candidate], passages: Sequence[Passage]) -> tuple[Quote, ...]:
    return tuple(
        Quote(
            passage=c.passage,
            start=c.sentence.start,
            end=c.sentence.end,
            text=passages[c.passage].text[c.sentence.start : c.sentence.end],
        )
        for c in chosen
    )
