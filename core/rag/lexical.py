"""BM25 over the postings in Postgres, with real document frequencies and length normalisation."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from core.rag.tokenize import terms
from shared.database import PgConnection
from shared.models import chunks

# Measured on the development questions: see benchmarks/retrieval.py.
K1 = 1.2
B = 0.75
# A long story has many words; the rarest decide, and each one costs a walk through its postings.
MAX_QUERY_TERMS = 40


@dataclass(frozen=True, kw_only=True)
class LexicalMatch:
    """Hits best first; what each word of the question tells, and which the corpus has at all."""

    hits: Sequence[tuple[UUID, float]] = ()
    idf_by_term: Mapping[str, float] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    chunks: int = 0

    @property
    def unseen_idf(self) -> float:
        """What a word tells that stands nowhere: the unit in which information is counted."""
        return idf(self.chunks, 0)


async def search(db: PgConnection, creator_id: UUID, query: str, limit: int) -> LexicalMatch:
    """The best chunks of a creator for the words of a question."""
    counts = Counter(terms(query))
    stats = await chunks.corpus_stats(db, creator_id)
    if not counts or not stats.chunks:
        return LexicalMatch(chunks=stats.chunks)
    frequencies = await chunks.document_frequencies(db, creator_id, list(counts))
    idf_by_term = {term: idf(stats.chunks, frequencies.get(term, 0)) for term in counts}
    hits = await chunks.rank_bm25(
        db,
        creator_id,
        telling({t: idf_by_term[t] * counts[t] for t in frequencies}),
        k1=K1,
        b=B,
        average_length=max(stats.average_length, 1.0),
        limit=limit,
    )
    return LexicalMatch(
        hits=hits, idf_by_term=idf_by_term, known=frozenset(frequencies), chunks=stats.chunks
    )


def idf(chunks: int, chunks_with_term: int) -> float:
    """Robertson and Spärck Jones' weight, kept above zero: ln(1 + (N - n + 0.5) / (n + 0.5))."""
    # Counted in one statement, the corpus in another: a delete between them must not go below zero.
    rest = max(chunks - chunks_with_term, 0)
    return math.log1p((rest + 0.5) / (chunks_with_term + 0.5))


def telling(weight_by_term: Mapping[str, float]) -> dict[str, float]:
    """The terms with the most weight."""
    best = sorted(weight_by_term.items(), key=lambda item: -item[1])
    return dict(best[:MAX_QUERY_TERMS])


def information(idf_by_term: Mapping[str, float], found: Iterable[str]) -> float:
    """What those of the question's words tell that are among `found`."""
    return sum(idf_by_term[term] for term in set(found) if term in idf_by_term)


def coverage(idf_by_term: Mapping[str, float], found: Iterable[str]) -> float:
    """The share of the question's information that is among `found`, from 0 to 1."""
    total = sum(idf_by_term.values())
    return information(idf_by_term, found) / total if total else 0.0
