"""The knowledge an evaluation asks: a creator's own, or a golden set's in a creator for the time.

A throwaway creator is suspended from the start, so no worker acts for it, and is removed with its
vectors however the evaluation ends. Its id says what it is and since when, so that one left behind
by a machine that went down is found and removed by a later evaluation.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from core.creators import creator_ids
from core.evaluation.golden import GoldenSet, Question
from core.knowledge import Knowledge
from core.rag.spaces import Embedders
from core.rag.vectors import VectorStore
from shared.database import DatabaseManager
from shared.errors import InvalidInput
from shared.models import embeddings
from shared.models.knowledge import DocumentRecord

THROWAWAY = "evaluation (removed at its end)"
CONCURRENT_DOCUMENTS = 4
PAGE = 200
# The ids of throwaway creators begin so; then come the seconds since 1970.
MARK = bytes.fromhex("ca1e7a10")
ABANDONED_SECONDS = 24 * 3600

Progress = Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Ground:
    """One creator's knowledge with the parts it is searched by."""

    database: DatabaseManager
    vectors: VectorStore
    embedders: Embedders
    knowledge: Knowledge
    creator_id: UUID

    async def space(self) -> str | None:
        """The active embedding space; None before the first document."""
        async with self.database.transaction(self.creator_id) as db:
            found = await embeddings.active_space(db, self.creator_id)
        return found.name if found else None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question with the documents of this ground that answer it."""

    question: Question
    relevant: frozenset[UUID]


@asynccontextmanager
async def throwaway(
    database: DatabaseManager, vectors: VectorStore, embedders: Embedders, knowledge: Knowledge
) -> AsyncIterator[Ground]:
    """A creator with nothing in it, removed with all it got."""
    creator_id = _throwaway_id(time.time())
    async with database.transaction(creator_id) as db:
        await db.execute(
            "INSERT INTO app.creators (creator_id, name, status) VALUES ($1, $2, 'suspended')",
            creator_id,
            THROWAWAY,
        )
    ground = Ground(
        database=database,
        vectors=vectors,
        embedders=embedders,
        knowledge=knowledge,
        creator_id=creator_id,
    )
    try:
        yield ground
    finally:
        await _remove(database, vectors, creator_id)


async def remove_abandoned(database: DatabaseManager, vectors: VectorStore) -> int:
    """Remove throwaway creators that no evaluation can be using any more; how many there were."""
    latest = int(time.time()) - ABANDONED_SECONDS
    found = [one for one in await creator_ids(database) if _is_older(one, latest)]
    for creator_id in found:
        await _remove(database, vectors, creator_id)
    return len(found)


def _throwaway_id(now: float) -> UUID:
    return UUID(bytes=MARK + int(now).to_bytes(4, "big") + secrets.token_bytes(8))


def _is_older(creator_id: UUID, latest: int) -> bool:
    is_throwaway = creator_id.bytes.startswith(MARK)
    return is_throwaway and int.from_bytes(creator_id.bytes[4:8], "big") < latest


async def _remove(database: DatabaseManager, vectors: VectorStore, creator_id: UUID) -> None:
    """Vectors first: while the row is there, a later evaluation knows whose they are.

    So with Chroma away the row stays until then. Raises VectorsUnavailable.
    """
    async with database.transaction(creator_id) as db:
        spaces = await embeddings.spaces(db, creator_id)
    for space in spaces:
        await vectors.delete_all(creator_id, space.name)
    async with database.transaction(creator_id) as db:
        await db.execute("DELETE FROM app.creators WHERE creator_id = $1", creator_id)


async def fill(ground: Ground, golden: GoldenSet, progress: Progress) -> dict[str, UUID]:
    """Ingest the documents of a golden set; their ids by name.

    The same text under two names is one document, so two names may have one id.
    """
    id_by_name: dict[str, UUID] = {}
    limit = asyncio.Semaphore(CONCURRENT_DOCUMENTS)

    async def one(name: str, title: str, text: str) -> None:
        async with limit:
            added = await ground.knowledge.add_document(ground.creator_id, title=title, text=text)
            id_by_name[name] = added.id

    async with asyncio.TaskGroup() as tasks:
        for name, (title, text) in golden.documents.items():
            tasks.create_task(one(name, title, text))
    # Those that wait are indexed together, so most are done when their turn comes.
    waiting = await ground.knowledge.pending(ground.creator_id)
    for _ in range(len(golden.documents) - len(waiting)):
        progress()
    while waiting:
        await ground.knowledge.ingest(ground.creator_id, waiting[0])
        left = await ground.knowledge.pending(ground.creator_id)
        for _ in range(len(waiting) - len(left)):
            progress()
        waiting = left
    return id_by_name


async def names(ground: Ground) -> dict[str, frozenset[UUID]]:
    """What a golden set may call the creator's documents: id, title, source, name of the file."""
    found: dict[str, set[UUID]] = {}
    async for document in _documents(ground):
        for name in _names(document):
            found.setdefault(name, set()).add(document.id)
    return {name: frozenset(ids) for name, ids in found.items()}


async def _documents(ground: Ground) -> AsyncIterator[DocumentRecord]:
    after: UUID | None = None
    while page := await ground.knowledge.list_documents(ground.creator_id, PAGE, after):
        for document in page:
            yield document
        after = page[-1].id


def _names(document: DocumentRecord) -> Iterable[str]:
    source = document.source_uri
    given = (str(document.id), document.title, source, source.rstrip("/").rpartition("/")[2])
    return {key(name) for name in given if name}


def key(name: str) -> str:
    """A document's name as it is compared."""
    return " ".join(name.split()).casefold()


def asked(golden: GoldenSet, ids_by_name: Mapping[str, frozenset[UUID]]) -> list[Asked]:
    """The questions whose documents are here. Raises InvalidInput when there is not one."""
    found = []
    for question in golden.answerable:
        ids = [ids_by_name.get(key(name), frozenset()) for name in question.relevant]
        if relevant := frozenset().union(*ids):
            found.append(Asked(question=question, relevant=relevant))
    if not found:
        raise InvalidInput(
            "none of the documents that the questions name are in this knowledge",
            code="unknown_documents",
        )
    return found
