"""Documents ranked for questions: by vectors alone, by words alone, and as the product does."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from core.evaluation.ground import Ground, Progress
from core.rag import lexical
from core.rag.vectors import VectorHit

# As deep as the product looks, and as many as a caller of the product asks for.
DEPTH = 50
SHOWN = 5

WordHit = tuple[UUID, float]


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What one question brought; documents are distinct and best first, but for `shown`.

    `shown` is what a caller sees who asks for a few passages: two of one document take two places.
    """

    vector: Sequence[UUID]
    lexical: Sequence[UUID]
    hybrid: Sequence[UUID]
    shown: Sequence[UUID]
    is_answerable: bool
    degraded: bool
    search_seconds: float
    bare_seconds: float


async def ask(ground: Ground, queries: Sequence[str], progress: Progress) -> list[Answered]:
    """Ask one question after another, so that the times mean something."""
    document_by_chunk = await documents(ground)
    space = await ground.space()
    answered = []
    for query in queries:
        answered.append(await _ask(ground, space, query, document_by_chunk))
        progress()
    return answered


async def _ask(
    ground: Ground, space: str | None, query: str, document_by_chunk: Mapping[UUID, UUID]
) -> Answered:
    near, bare_seconds = await by_vector(ground, space, query)
    worded = await by_words(ground, query)
    began = time.perf_counter()
    shown = await ground.knowledge.search(ground.creator_id, query, k=SHOWN)
    seconds = time.perf_counter() - began
    deep = await ground.knowledge.search(ground.creator_id, query, k=DEPTH)

    def known(chunks: Iterable[UUID]) -> list[UUID]:
        return distinct(document_by_chunk[c] for c in chunks if c in document_by_chunk)

    return Answered(
        vector=known(hit.chunk_id for hit in near),
        lexical=known(chunk_id for chunk_id, _ in worded),
        hybrid=distinct(passage.document_id for passage in deep.passages),
        shown=[passage.document_id for passage in shown.passages],
        is_answerable=shown.answerable,
        degraded=shown.degraded,
        search_seconds=seconds,
        bare_seconds=bare_seconds,
    )


async def by_vector(
    ground: Ground, space: str | None, query: str
) -> tuple[Sequence[VectorHit], float]:
    """The nearest chunks, and the seconds of the bare query without embedding the question."""
    embedder = await ground.embedders.find(space) if space else None
    if space is None or embedder is None:
        return (), 0.0
    [vector] = await embedder.embed([query], kind="query")
    began = time.perf_counter()
    hits = await ground.vectors.query(ground.creator_id, space, vector, DEPTH)
    return hits, time.perf_counter() - began


async def by_words(ground: Ground, query: str) -> Sequence[WordHit]:
    async with ground.database.transaction(ground.creator_id) as db:
        match = await lexical.search(db, ground.creator_id, query, DEPTH)
    return match.hits


async def documents(ground: Ground) -> dict[UUID, UUID]:
    """The document of every chunk."""
    async with ground.database.transaction(ground.creator_id) as db:
        rows = await db.fetch(
            "SELECT id, document_id FROM app.knowledge_chunks WHERE creator_id = $1",
            ground.creator_id,
        )
    return {row["id"]: row["document_id"] for row in rows}


def distinct(found: Iterable[UUID]) -> list[UUID]:
    return list(dict.fromkeys(found))
