"""From ranked candidates to the passages that are shown, and what they tell about the question."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from uuid import UUID

from core.rag import lexical
from core.rag.chunk import SEPARATOR
from core.rag.fusion import Candidate
from core.rag.gate import Evidence
from core.rag.ingest import own_title
from core.rag.lexical import LexicalMatch
from core.rag.neighbours import widened
from core.rag.tokenize import weighted_terms, words
from shared.models.chunks import ChunkText
from shared.models.passages import PassageText

# The verdict looks at the best passages, and at how many are among the first of both rankings.
JUDGED = 5
AGREEING_RANKS = 10


@dataclass(frozen=True, kw_only=True)
class Found:
    """A passage, how it got here, and the share of the question's information in it.

    `bm25_by_term` is what each word added to its lexical score; `context` is the chunk's text,
    widened by its neighbours where the answer may go on over its edge.
    """

    chunk: ChunkText
    candidate: Candidate
    coverage: float
    bm25_by_term: Mapping[str, float] = field(default_factory=dict)
    context: str = ""
    rerank: float | None = None


def worth_reading(fused: Sequence[Candidate], limit: int) -> list[Candidate]:
    """The best by both, and the first of either, which the verdict looks at too."""
    return [one for place, one in enumerate(fused) if place < limit or _is_first(one)]


def best(
    candidates: Sequence[Candidate],
    texts: Mapping[UUID, PassageText],
    match: LexicalMatch,
    asked: Sequence[str],
    limit: int,
) -> list[Found]:
    """The best passages for the words that were asked, no two of them overlapping."""
    # Stop words tell "How can I sleep better?" from its neighbours, and neither ranking has them.
    ranked = sorted(candidates, key=lambda one: not asks(texts[one.chunk_id].chunk, asked))
    return [_found(texts[one.chunk_id], one, match) for one in _distinct(ranked, texts, limit)]


def asks(chunk: ChunkText, asked: Sequence[str]) -> bool:
    """Whether a passage's own heading is the very question."""
    return bool(asked) and words(chunk.heading.rpartition(SEPARATOR)[2]) == asked


def evidence(
    readable: Sequence[Candidate], found: Sequence[Found], match: LexicalMatch
) -> Evidence:
    """Only passages that could be read under this creator count."""
    if not found:
        return Evidence()
    unit = match.unseen_idf
    coverage = max(one.coverage for one in found[:JUDGED])
    return Evidence(
        similarity=max(one.similarity or 0.0 for one in readable),
        coverage=coverage,
        matched=coverage * sum(match.idf_by_term.values()) / unit,
        known=lexical.coverage(match.idf_by_term, match.known),
        bm25=max(one.bm25 or 0.0 for one in readable) / unit,
        agreement=sum(map(_is_in_both, readable)) / AGREEING_RANKS,
    )


def _found(passage: PassageText, candidate: Candidate, match: LexicalMatch) -> Found:
    chunk = passage.chunk
    frequencies, length = _indexed(chunk.text, chunk.heading, chunk.title)
    return Found(
        chunk=chunk,
        candidate=candidate,
        coverage=lexical.coverage(match.idf_by_term, frequencies),
        bm25_by_term=lexical.shares(match, frequencies, length),
        context=_context(passage, match.idf_by_term),
    )


@lru_cache(maxsize=1024)
def _indexed(text: str, heading: str, title: str) -> tuple[Mapping[str, float], int]:
    """The terms of a passage as they were indexed; the same few passages are found again."""
    return weighted_terms(text, heading=heading, title=own_title(title, heading))


def _context(passage: PassageText, asked: Collection[str]) -> str:
    if not passage.before and not passage.after:
        return passage.chunk.text
    return widened(passage.chunk.text, passage.before, passage.after, asked)


def _distinct(
    ranked: Sequence[Candidate], texts: Mapping[UUID, PassageText], limit: int
) -> list[Candidate]:
    """Without the neighbours of a better passage: they overlap it."""
    kept: list[Candidate] = []
    for one in ranked:
        chunk = texts[one.chunk_id].chunk
        if not any(_are_neighbours(chunk, texts[other.chunk_id].chunk) for other in kept):
            kept.append(one)
        if len(kept) == limit:
            break
    return kept


def _are_neighbours(one: ChunkText, other: ChunkText) -> bool:
    return (
        one.document_id == other.document_id
        and one.heading == other.heading
        and abs(one.ordinal - other.ordinal) == 1
    )


def _is_first(candidate: Candidate) -> bool:
    ranks = (candidate.vector_rank, candidate.lexical_rank)
    return any(rank is not None and rank <= AGREEING_RANKS for rank in ranks)


def _is_in_both(candidate: Candidate) -> bool:
    ranks = (candidate.vector_rank, candidate.lexical_rank)
    return all(rank is not None and rank <= AGREEING_RANKS for rank in ranks)
