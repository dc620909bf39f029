"""BM25 over the postings in Postgres, with real document frequencies and length normalisation."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from core.rag.tokenize import terms
from shared.database import PgConnection
from shared.models import postings

# Measured on the development questions: see benchmarks/retrieval.py.
K1 = 1.2
B = 0.75
# A long story has many words; the rarest decide, and each one costs a walk through its postings.
MAX_QUERY_TERMS = 40


@dataclass(frozen=True, kw_only=True)
class LexicalMatch:
    """Hits best first; what each word of the question tells, and which the corpus has at all.

    `space` is the embedding space that was active in the same moment.
    """

    hits: Sequence[tuple[UUID, float]] = ()
    idf_by_term: Mapping[str, float] = field(default_factory=dict)
    times_by_term: Mapping[str, int] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    chunks: int = 0
    average_length: float = 1.0
    space: str | None = None

    @property
    def unseen_idf(self) -> float:
        """What a word tells that stands nowhere: the unit in which information is counted."""
        return idf(self.chunks, 0)


async def search(db: PgConnection, creator_id: UUID, query: str, limit: int) -> LexicalMatch:
    """The best chunks of a creator for the words of a question."""
    times_by_term = Counter(terms(query))
    ranking = await postings.rank(
        db, creator_id, times_by_term, k1=K1, b=B, most_terms=MAX_QUERY_TERMS, limit=limit
    )
    chunks, frequencies = ranking.chunks, ranking.chunks_by_term
    return LexicalMatch(
        hits=ranking.hits,
        idf_by_term={t: idf(chunks, frequencies.get(t, 0)) for t in times_by_term if chunks},
        times_by_term=times_by_term,
        known=frozenset(frequencies),
        chunks=chunks,
        average_length=ranking.average_length,
        space=ranking.space,
    )


def idf(chunks: int, chunks_with_term: int) -> float:
    """Robertson and Spärck Jones' weight, kept above zero: ln(1 + (N - n + 0.5) / (n + 0.5))."""
    rest = max(chunks - chunks_with_term, 0)
    return math.log1p((rest + 0.5) / (chunks_with_term + 0.5))


def shares(match: LexicalMatch, frequencies: Mapping[str, float], length: int) -> dict[str, float]:
    """What each word of the question adds to the BM25 score of a passage, the most first."""
    norm = K1 * (1 - B + B * length / match.average_length)
    found = {
        term: match.times_by_term[term] * weight * frequencies[term] * (K1 + 1)
        / (frequencies[term] + norm)
        for term, weight in match.idf_by_term.items()
        if term in frequencies
    }  # fmt: skip
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def information(idf_by_term: Mapping[str, float], found: Iterable[str]) -> float:
    """What those of the question's words tell that are among `found`."""
    return sum(idf_by_term[term] for term in set(found) if term in idf_by_term)


def coverage(idf_by_term: Mapping[str, float], found: Iterable[str]) -> float:
    """The share of the question's information that is among `found`, from 0 to 1."""
    total = sum(idf_by_term.values())
    return information(idf_by_term, found) / total if total else 0.0
