"""A creator's knowledge: documents in, passages out. What the API, the CLI and the answers use."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from core.rag.backfill import Backfill
from core.rag.chunk import SEPARATOR
from core.rag.fetch import Fetcher
from core.rag.followup import names_topic, standalone
from core.rag.found import Found
from core.rag.fusion import Weights
from core.rag.gate import Calibrations
from core.rag.ingest import Ingestion
from core.rag.intake import Document, Intake, Quota
from core.rag.migrate import EmbeddingMigration
from core.rag.pickup import Pickup
from core.rag.reading.reader import DocumentReader
from core.rag.reindex import Reindexer
from core.rag.rerank import Reranker
from core.rag.retrieve import Retrieval, Retriever
from core.rag.spaces import Embedders, Spaces
from core.rag.steps import Steps
from core.rag.targets import Resolve, Targets
from core.rag.vectors import VectorStore, VectorsUnavailable
from shared.database import DatabaseManager
from shared.errors import InvalidInput, NotFound
from shared.models import chunks, knowledge
from shared.models.knowledge import DocumentRecord, SourceKind

MAX_QUERY = 8000
MAX_K = 50
TOPICS = 3
TERMS_EXPLAINED = 8

# What a part of an explanation may be: a rank, a score, or scores by word.
Explained = float | int | dict[str, float] | None


@dataclass(frozen=True, kw_only=True)
class Passage:
    """`score` runs from 0 to 1; `explain` says how the passage got it.

    `text` is the chunk as it is stored and cited; `context` is the same, widened by whole sentences
    of its neighbours where the answer may go on over its edge.
    """

    document_id: UUID
    chunk_id: UUID
    title: str
    heading: str
    text: str
    score: float
    page: int | None = None
    context: str = ""
    explain: dict[str, Explained] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """`degraded`: by words alone. `nearest_topics` is what the bot can offer instead.

    `query` is what was searched for, a follow-up joined with its topic. `evidence`, judged by the
    `calibration` of the `space`, gave the `confidence`; space None is the search by words alone.
    """

    passages: list[Passage]
    answerable: bool
    degraded: bool
    nearest_topics: list[str]
    confidence: float = 0.0
    query: str = ""
    space: str | None = None
    calibration: str = ""
    evidence: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PassageContext:
    """A passage as a citation opens it, with the passages around it."""

    title: str
    heading: str
    text: str
    before: str
    after: str
    page: int | None = None


class Knowledge:
    def __init__(
        self,
        database: DatabaseManager,
        vectors: VectorStore,
        embedders: Embedders,
        *,
        calibrations: Calibrations | None = None,
        lease_seconds: float = 10.0,
        resolve: Resolve | None = None,
        quota: Quota | None = None,
        fetcher: Fetcher | None = None,
        reader: DocumentReader | None = None,
        reranker: Reranker | None = None,
    ) -> None:
        self._database = database
        spaces = Spaces(database, embedders)
        self._backfill = Backfill(database, vectors, spaces)
        fetcher = fetcher or Fetcher()
        self._intake = Intake(database, fetcher, quota or Quota())
        pickup = Pickup(database, reader or DocumentReader(), fetcher, self._intake)
        self._ingestion = Ingestion(database, spaces, self._backfill, pickup)
        self.migration = EmbeddingMigration(
            database,
            Targets(spaces, resolve),
            Steps(database, vectors, spaces, self._backfill),
            lease_seconds=lease_seconds,
        )
        self._reindexer = Reindexer(database, vectors, spaces, self._backfill, self.migration)
        self._retriever = Retriever(database, vectors, spaces, calibrations, reranker)

    async def add_document(
        self,
        creator_id: UUID,
        *,
        title: str,
        text: str | None = None,
        data: bytes | None = None,
        filename: str | None = None,
        source_kind: SourceKind = "text",
        source_uri: str = "",
    ) -> Document:
        """Accept a document; `ingest` does the work later.

        The same content twice is one document; new content from the same `source_uri` replaces the
        old. Raises PayloadTooLarge, KnowledgeQuota, or InvalidInput with the code `no_text`,
        `text_or_data`, `no_title`, `encrypted` or `unsupported_media_type`.
        """
        content = data if text is None else text
        if content is None or (text is not None and data is not None):
            raise InvalidInput("give either text or data", code="text_or_data")
        return await self._intake.add(
            creator_id,
            title=title,
            content=content,
            filename=filename or "",
            source_kind=source_kind,
            source_uri=source_uri,
        )

    async def add_url(self, creator_id: UUID, url: str, *, title: str = "") -> Document:
        """Accept a page by its address, or fetch it again; `ingest` does the work later.

        Raises KnowledgeQuota, or InvalidInput with the code `bad_url` or `url_not_public`.
        """
        return await self._intake.add_url(creator_id, url, title)

    async def ingest(self, creator_id: UUID, document_id: UUID) -> None:
        """Index an accepted document. Twice, at once or after a crash: the result is the same.

        Raises VectorsUnavailable or ModelUnavailable when it has to be run again later.
        """
        await self._ingestion.run(creator_id, document_id)

    async def list_documents(
        self, creator_id: UUID, limit: int = 50, after: UUID | None = None
    ) -> list[DocumentRecord]:
        """Newest first; `after` is the last id of the page before."""
        async with self._database.transaction(creator_id) as db:
            return await knowledge.list_documents(db, creator_id, limit=limit, after=after)

    async def get_document(self, creator_id: UUID, document_id: UUID) -> DocumentRecord:
        """Raises NotFound."""
        async with self._database.transaction(creator_id) as db:
            found = await knowledge.get_document(db, creator_id, document_id)
        if found is None:
            raise NotFound("there is no such document")
        return found

    async def changed_documents(
        self, creator_id: UUID, after: tuple[datetime, UUID], limit: int
    ) -> list[DocumentRecord]:
        """Documents that changed after a (moment, id), the longest ago first."""
        async with self._database.transaction(creator_id) as db:
            return await knowledge.changed_documents(db, creator_id, after=after, limit=limit)

    async def delete_document(self, creator_id: UUID, document_id: UUID) -> None:
        """Remove a document and all that was made of it. Raises NotFound.

        Its vectors leave Chroma now, or at the next ingestion when Chroma is away: until then they
        lead to nothing.
        """
        async with self._database.transaction(creator_id) as db:
            if not await knowledge.delete_document(db, creator_id, document_id):
                raise NotFound("there is no such document")
        try:
            await self._backfill.sweep(creator_id)
        except VectorsUnavailable:
            return

    async def search(
        self, creator_id: UUID, query: str, k: int = 5, *, history: Sequence[str] = ()
    ) -> SearchResult:
        """The best passages for a question, and whether they answer it.

        `history` are the person's earlier questions, oldest first: a follow-up is joined with what
        it leans on. Raises InvalidInput with the code `no_query` or `bad_k`.
        """
        question = query.replace("\x00", "").strip()[:MAX_QUERY]
        if not question:
            raise InvalidInput("the query is empty", code="no_query")
        if not 1 <= k <= MAX_K:
            raise InvalidInput(f"k must be from 1 to {MAX_K}", code="bad_k")
        asked, retrieval = await self._retrieve(creator_id, question, history, k)
        return SearchResult(
            passages=[_passage(found, retrieval.weights) for found in retrieval.found],
            answerable=retrieval.verdict.is_answerable,
            degraded=retrieval.degraded,
            nearest_topics=_topics(retrieval.found),
            confidence=retrieval.verdict.confidence,
            query=asked,
            space=retrieval.space,
            calibration=retrieval.calibration,
            evidence=dict(vars(retrieval.evidence)),
        )

    async def _retrieve(
        self, creator_id: UUID, question: str, history: Sequence[str], k: int
    ) -> tuple[str, Retrieval]:
        """What was searched for, and what was found."""
        asked = standalone(question, [one.replace("\x00", "") for one in history])
        joined = await self._retriever.retrieve(creator_id, asked, k)
        if asked == question or not names_topic(question):
            return asked, joined
        # "What about tapering?" changes the subject where a passage has all that it names; whether
        # that answers is told by the whole, since so few words alone tell little.
        alone = await self._retriever.retrieve(creator_id, question, k)
        if alone.verdict.is_answerable:
            return question, alone
        if joined.verdict.is_answerable and alone.is_covered:
            return question, replace(alone, verdict=joined.verdict)
        return asked, joined

    async def passage(self, creator_id: UUID, chunk_id: UUID) -> PassageContext:
        """Raises NotFound."""
        async with self._database.transaction(creator_id) as db:
            found = (await chunks.read_chunks(db, creator_id, [chunk_id])).get(chunk_id)
            if found is None:
                raise NotFound("there is no such passage")
            before, after = await chunks.neighbours(db, creator_id, found)
        return PassageContext(
            title=found.title,
            heading=found.heading,
            text=found.text,
            before=before,
            after=after,
            page=found.page,
        )

    async def unfinished(self, creator_id: UUID) -> list[DocumentRecord]:
        """Documents that `ingest` has not finished, oldest first."""
        async with self._database.transaction(creator_id) as db:
            return await knowledge.unfinished_documents(db, creator_id)

    async def pending(self, creator_id: UUID) -> list[UUID]:
        """The ids of those."""
        return [document.id for document in await self.unfinished(creator_id)]

    async def reindex(self, creator_id: UUID, space: str | None = None) -> str:
        """Rebuild the index, or move it to another embedding space; returns the space's name."""
        return await self._reindexer.run(creator_id, space)


def _passage(found: Found, weights: Weights | None) -> Passage:
    return Passage(
        document_id=found.chunk.document_id,
        chunk_id=found.chunk.id,
        title=found.chunk.title,
        heading=found.chunk.heading,
        text=found.chunk.text,
        score=round(found.candidate.score, 6),
        page=found.chunk.page,
        context=found.context,
        explain=_explained(found, weights),
    )


def _explained(found: Found, weights: Weights | None) -> dict[str, Explained]:
    candidate = found.candidate
    strongest = list(found.bm25_by_term.items())[:TERMS_EXPLAINED]
    return {
        "vector_rank": candidate.vector_rank,
        "similarity": candidate.similarity,
        "lexical_rank": candidate.lexical_rank,
        "bm25": candidate.bm25,
        "bm25_by_term": {term: round(share, 4) for term, share in strongest},
        "weights": dict(vars(weights)) if weights else None,
        "fused": candidate.score,
        "coverage": found.coverage,
        "rerank": found.rerank,
    }


def _topics(found: Sequence[Found]) -> list[str]:
    """What the nearest passages are about, each once."""
    names = [one.chunk.heading.split(SEPARATOR)[-1] or one.chunk.title for one in found]
    return list(dict.fromkeys(names))[:TOPICS]
