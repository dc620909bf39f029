"""The lexical index asked for a question, always within one creator, in one statement.

One statement is one snapshot: counts, frequencies, ranking and the space that is active belong
together, and a search pays for one round trip.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from shared.database import PgConnection

# `holding` is walked once, for the frequencies and for the ranking.
_RANK = """
WITH asked AS MATERIALIZED (
  SELECT term, times FROM unnest($2::text[], $3::float8[]) AS a (term, times)
), corpus AS MATERIALIZED (
  SELECT chunks::float8 AS chunks,
         greatest(coalesce(total_length::float8 / nullif(chunks, 0), 1), 1) AS average
  FROM app.knowledge_stats WHERE creator_id = $1
), holding AS MATERIALIZED (
  SELECT a.term, p.chunk_id, p.tf, p.length
  FROM asked a JOIN app.knowledge_postings p ON p.creator_id = $1 AND p.term = a.term
), known AS MATERIALIZED (
  SELECT term, count(*) AS chunks FROM holding GROUP BY term
), weighed AS (
  SELECT k.term,
         a.times * ln(1 + (greatest(c.chunks - k.chunks, 0) + 0.5) / (k.chunks + 0.5)) AS weight
  FROM known k JOIN asked a USING (term) CROSS JOIN corpus c
  ORDER BY weight DESC, term LIMIT $6
), ranked AS (
  SELECT h.chunk_id,
         sum(w.weight * h.tf * ($4::float8 + 1)
             / (h.tf + $4 * (1 - $5::float8 + $5 * h.length / c.average))) AS score
  FROM weighed w JOIN holding h USING (term) CROSS JOIN corpus c
  GROUP BY h.chunk_id ORDER BY score DESC, h.chunk_id LIMIT $7
)
SELECT (SELECT name FROM app.embedding_spaces WHERE creator_id = $1 AND state = 'active') AS space,
       (SELECT chunks FROM corpus) AS chunks,
       (SELECT average FROM corpus) AS average,
       (SELECT array_agg(term) FROM known) AS terms,
       (SELECT array_agg(chunks) FROM known) AS frequencies,
       (SELECT array_agg(chunk_id ORDER BY score DESC, chunk_id) FROM ranked) AS ids,
       (SELECT array_agg(score ORDER BY score DESC, chunk_id) FROM ranked) AS scores
"""


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """`hits` by BM25, best first; terms that stand in no chunk are not in `chunks_by_term`."""

    space: str | None
    chunks: int
    average_length: float
    chunks_by_term: Mapping[str, int] = field(default_factory=dict)
    hits: Sequence[tuple[UUID, float]] = ()


async def rank(
    db: PgConnection,
    creator_id: UUID,
    times_by_term: Mapping[str, int],
    *,
    k1: float,
    b: float,
    most_terms: int,
    limit: int,
) -> Ranking:
    """The best chunks for the terms, of which the `most_terms` with the most weight count."""
    row = await db.fetchrow(
        _RANK,
        creator_id,
        list(times_by_term),
        [float(times) for times in times_by_term.values()],
        k1,
        b,
        most_terms,
        limit,
    )
    assert row is not None  # noqa: S101 - a SELECT without FROM gives one row
    return Ranking(
        space=row["space"],
        chunks=int(row["chunks"] or 0),
        average_length=row["average"] or 1.0,
        chunks_by_term=dict(zip(row["terms"] or (), row["frequencies"] or (), strict=True)),
        hits=list(zip(row["ids"] or (), row["scores"] or (), strict=True)),
    )
