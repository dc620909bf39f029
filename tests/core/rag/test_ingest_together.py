"""Short documents that wait are indexed together; what is wrong with one is its own matter."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest

from core.knowledge import Knowledge
from core.llm.base import Kind
from core.llm.embedded import WordLlama
from core.rag.vectors import ChromaVectors
from shared.database import DatabaseManager
from shared.errors import AppError
from tests.core.rag.conftest import Reachable
from tests.core.rag.test_ingest import LONG, assert_consistent


class TooMuch(AppError):
    """This text can't be embedded."""

    code = "too_much"


class Choosy:
    """WordLlama that refuses one word, and remembers how many texts came in each call."""

    def __init__(self, model: WordLlama, refused: str = "") -> None:
        self.space = model.space
        self.calls: list[int] = []
        self._model = model
        self._refused = refused

    async def embed(self, texts: Sequence[str], *, kind: Kind) -> list[list[float]]:
        if self._refused and any(self._refused in text for text in texts):
            raise TooMuch
        self.calls.append(len(texts))
        return await self._model.embed(texts, kind=kind)


async def add_all(knowledge: Knowledge, creator: UUID, texts: Sequence[str]) -> list[UUID]:
    return [(await knowledge.add_document(creator, title="Note", text=text)).id for text in texts]


async def status_of(knowledge: Knowledge, creator: UUID, ids: Sequence[UUID]) -> list[str]:
    return [(await knowledge.get_document(creator, one)).status for one in ids]


async def test_one_run_indexes_all_that_wait(
    knowledge: Knowledge,
    database: DatabaseManager,
    vectors: ChromaVectors,
    embedders: Reachable,
    wordllama: WordLlama,
    creator: UUID,
) -> None:
    embedders.now = [choosy := Choosy(wordllama)]
    ids = await add_all(knowledge, creator, [f"Note {n} is about topic{n}." for n in range(30)])
    await knowledge.ingest(creator, ids[7])
    assert await knowledge.pending(creator) == []
    assert choosy.calls == [30]
    await assert_consistent(database, vectors, creator)
    await asyncio.gather(*(knowledge.ingest(creator, one) for one in ids))
    assert choosy.calls == [30]
    assert (await knowledge.get_document(creator, ids[0])).chunk_count == 1


async def test_a_long_document_goes_alone(knowledge: Knowledge, creator: UUID) -> None:
    ids = await add_all(knowledge, creator, ["Short one.", LONG * 2, "Short two."])
    await knowledge.ingest(creator, ids[0])
    assert await status_of(knowledge, creator, ids) == ["ready", "pending", "ready"]
    await knowledge.ingest(creator, ids[1])
    assert await status_of(knowledge, creator, ids) == ["ready", "ready", "ready"]


@pytest.mark.parametrize("asked", [0, 1], ids=["by a good one", "by the bad one"])
async def test_one_that_cannot_be_indexed_fails_alone(
    knowledge: Knowledge,
    embedders: Reachable,
    wordllama: WordLlama,
    creator: UUID,
    asked: int,
) -> None:
    embedders.now = [Choosy(wordllama, refused="forbidden")]
    ids = await add_all(knowledge, creator, ["First note.", "A forbidden note.", "Last note."])
    results = await asyncio.gather(knowledge.ingest(creator, ids[asked]), return_exceptions=True)
    assert [type(result) for result in results] == [TooMuch if asked else type(None)]
    assert await status_of(knowledge, creator, ids) == ["ready", "failed", "ready"]


async def test_one_deleted_meanwhile_takes_nothing_with_it(
    knowledge: Knowledge,
    database: DatabaseManager,
    vectors: ChromaVectors,
    embedders: Reachable,
    wordllama: WordLlama,
    creator: UUID,
) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    class Waiting(Choosy):
        async def embed(self, texts: Sequence[str], *, kind: Kind) -> list[list[float]]:
            begun.set()
            await go.wait()
            return await super().embed(texts, kind=kind)

    embedders.now = [Waiting(wordllama)]
    ids = await add_all(knowledge, creator, ["First note.", "Second note.", "Third note."])
    job = asyncio.create_task(knowledge.ingest(creator, ids[0]))
    await asyncio.wait_for(begun.wait(), 20)
    await knowledge.delete_document(creator, ids[1])
    go.set()
    await job
    assert await status_of(knowledge, creator, [ids[0], ids[2]]) == ["ready", "ready"]
    await assert_consistent(database, vectors, creator)
