"""A creator for the time of an evaluation leaves nothing, however it ends."""

import asyncio
import time
from uuid import UUID

import pytest

from core.creators import creator_ids
from core.evaluation import ground
from core.evaluation.candidates import OneEmbedder
from core.evaluation.golden import GoldenSet
from core.evaluation.ground import Ground
from core.knowledge import Knowledge
from core.rag.vectors import ChromaVectors
from shared.database import DatabaseManager

_TENANT_TABLES = """
SELECT table_name FROM information_schema.columns
WHERE table_schema = 'app' AND column_name = 'creator_id' ORDER BY 1
"""


@pytest.mark.parametrize("ending", ["done", "failed", "stopped"])
async def test_nothing_is_left(
    database: DatabaseManager,
    vectors: ChromaVectors,
    embedders: OneEmbedder,
    knowledge: Knowledge,
    golden_set: GoldenSet,
    ending: str,
) -> None:
    seen: list[Ground] = []
    filled = asyncio.Event()

    async def evaluate() -> None:
        async with ground.throwaway(database, vectors, embedders, knowledge) as thrown:
            seen.append(thrown)
            await ground.fill(thrown, golden_set, lambda: None)
            assert await vectors.ids(thrown.creator_id, await _space(thrown))
            filled.set()
            if ending == "stopped":
                await asyncio.Event().wait()
            if ending == "failed":
                raise RuntimeError("on purpose")

    task = asyncio.create_task(evaluate())
    async with asyncio.timeout(60):
        await asyncio.wait(
            [task, asyncio.create_task(filled.wait())], return_when=asyncio.FIRST_COMPLETED
        )
        if ending == "stopped":  # as Ctrl-C does
            task.cancel()
        [ended] = await asyncio.gather(task, return_exceptions=True)
    expected = {"done": type(None), "failed": RuntimeError, "stopped": asyncio.CancelledError}
    assert type(ended) is expected[ending]
    [thrown] = seen
    assert not await vectors.ids(thrown.creator_id, embedders.embedder.space.name)
    assert await _tables_with(database, thrown.creator_id) == []


async def test_one_left_behind_is_removed_by_a_later_evaluation(
    database: DatabaseManager, vectors: ChromaVectors, creator: UUID
) -> None:
    now = int(time.time())
    old, new = (
        UUID(bytes=ground.MARK + at.to_bytes(4, "big") + bytes(8))
        for at in (now - ground.ABANDONED_SECONDS - 60, now)
    )
    for left in (old, new):
        async with database.transaction(left) as db:
            await db.execute(
                "INSERT INTO app.creators (creator_id, name) VALUES ($1, 'left')", left
            )
    assert await ground.remove_abandoned(database, vectors) == 1
    assert set(await creator_ids(database)) == {new, creator}


async def test_a_creators_documents_are_known_by_id_title_and_file(
    database: DatabaseManager,
    vectors: ChromaVectors,
    embedders: OneEmbedder,
    knowledge: Knowledge,
    creator: UUID,
) -> None:
    added = await knowledge.add_document(
        creator, title="Sleeping  well", text="Go to bed early.", source_uri="file:///k/sleep.md"
    )
    own = Ground(
        database=database,
        vectors=vectors,
        embedders=embedders,
        knowledge=knowledge,
        creator_id=creator,
    )
    names = await ground.names(own)
    for name in (str(added.id), "sleeping well", "Sleep.md", "file:///k/sleep.md"):
        assert names[ground.key(name)] == {added.id}


async def _space(thrown: Ground) -> str:
    space = await thrown.space()
    assert space is not None
    return space


async def _tables_with(database: DatabaseManager, creator_id: UUID) -> list[str]:
    async with database.transaction(creator_id) as db:
        tables = [row["table_name"] for row in await db.fetch(_TENANT_TABLES)]
        return [
            table
            for table in tables
            if await db.fetchval(
                f"SELECT count(*) FROM app.{table} WHERE creator_id = $1",  # noqa: S608
                creator_id,
            )
        ]
