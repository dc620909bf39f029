"""Ingestion may be repeated, run twice at once, killed and superseded: the index is right after."""

import asyncio
import os
import signal
import sys
from functools import partial
from uuid import UUID

import pytest

from core.knowledge import Knowledge
from core.rag.vectors import ChromaVectors
from shared.database import DatabaseManager
from shared.settings import Settings
from tests.core.rag.conftest import add
from tests.waiting import eventually

SPACE = "wordllama-256"
PARAGRAPHS = [f"Paragraph {n}. " + f"It speaks of subject{n} at length. " * 30 for n in range(40)]
LONG = "\n\n".join(PARAGRAPHS)

Index = dict[str, set[object]]


async def index_of(database: DatabaseManager, creator_id: UUID) -> Index:
    """All that is stored of a creator's knowledge, without times."""
    queries = {
        "chunks": "SELECT id, ordinal, text, start_char, end_char FROM app.knowledge_chunks",
        "postings": "SELECT term, chunk_id, tf, length FROM app.knowledge_postings",
        "embeddings": "SELECT space, chunk_id, state FROM app.chunk_embeddings",
        "stats": "SELECT chunks, total_length FROM app.knowledge_stats",
    }
    async with database.transaction(creator_id) as db:
        return {
            name: {tuple(row) for row in await db.fetch(query)} for name, query in queries.items()
        }


async def assert_consistent(
    database: DatabaseManager, vectors: ChromaVectors, creator_id: UUID
) -> None:
    async with database.transaction(creator_id) as db:
        chunks = {row["id"] for row in await db.fetch("SELECT id FROM app.knowledge_chunks")}
        ledger = await db.fetch("SELECT chunk_id, state FROM app.chunk_embeddings")
        stats = await db.fetchrow("SELECT chunks, total_length FROM app.knowledge_stats")
        total = await db.fetchval("SELECT sum(length) FROM app.knowledge_chunks")
    assert {row["chunk_id"] for row in ledger} == chunks
    assert {row["state"] for row in ledger} == {"stored"}
    assert await vectors.ids(creator_id, SPACE) == chunks
    assert stats is not None
    assert (stats["chunks"], stats["total_length"]) == (len(chunks), total)


async def test_a_second_run_changes_nothing(
    knowledge: Knowledge, database: DatabaseManager, creator: UUID
) -> None:
    document_id = await add(knowledge, creator, "Long", LONG)
    before = await index_of(database, creator)
    async with database.transaction(creator) as db:
        await db.execute("UPDATE app.knowledge_documents SET status = 'pending'")
    await knowledge.ingest(creator, document_id)
    assert await index_of(database, creator) == before


async def test_runs_at_once_give_one_index(
    knowledge: Knowledge, database: DatabaseManager, vectors: ChromaVectors, creator: UUID
) -> None:
    document = await knowledge.add_document(creator, title="Long", text=LONG)
    await asyncio.gather(*(knowledge.ingest(creator, document.id) for _ in range(4)))
    assert (await knowledge.get_document(creator, document.id)).status == "ready"
    await assert_consistent(database, vectors, creator)


async def test_a_new_version_of_a_source_keeps_the_chunks_that_did_not_change(
    knowledge: Knowledge, database: DatabaseManager, vectors: ChromaVectors, creator: UUID
) -> None:
    text = "\n\n".join(f"# Part {n}\n\n{paragraph}" for n, paragraph in enumerate(PARAGRAPHS))
    add_version = partial(knowledge.add_document, creator, title="Long", source_uri="long.md")
    first = await add_version(text=text)
    await knowledge.ingest(creator, first.id)
    before = await vectors.ids(creator, SPACE)
    changed = text.replace("Paragraph 7.", "Paragraph seven.")
    second = await add_version(text=changed)
    assert (second.id, second.created, second.status) == (first.id, False, "pending")
    await knowledge.ingest(creator, first.id)
    await assert_consistent(database, vectors, creator)
    after = await vectors.ids(creator, SPACE)
    assert len(before - after) == len(after - before) == 1
    found = await knowledge.search(creator, "Paragraph seven", k=5)
    assert any("Paragraph seven." in passage.text for passage in found.passages)


@pytest.mark.parametrize("progress", [0.0, 0.4, 0.6], ids=["at once", "cut", "half embedded"])
async def test_a_document_deleted_while_it_is_indexed_leaves_nothing(
    knowledge: Knowledge,
    database: DatabaseManager,
    vectors: ChromaVectors,
    creator: UUID,
    progress: float,
) -> None:
    document = await knowledge.add_document(creator, title="Long", text=LONG)
    job = asyncio.create_task(knowledge.ingest(creator, document.id))

    async def is_so_far() -> bool:
        return (await knowledge.get_document(creator, document.id)).progress >= progress

    await eventually(is_so_far)
    await knowledge.delete_document(creator, document.id)
    await job
    assert await vectors.ids(creator, SPACE) == set()
    left = await index_of(database, creator)
    assert (left["chunks"], left["postings"], left["embeddings"]) == (set(), set(), set())


async def test_progress_only_grows(knowledge: Knowledge, creator: UUID) -> None:
    document = await knowledge.add_document(creator, title="Long", text=LONG)
    seen: list[float] = []
    job = asyncio.create_task(knowledge.ingest(creator, document.id))
    while not job.done():
        seen.append((await knowledge.get_document(creator, document.id)).progress)
    await job
    assert seen == sorted(seen)
    assert (await knowledge.get_document(creator, document.id)).progress == 1.0


CHILD = """
import asyncio, os, uuid
from pydantic import SecretStr
from core.knowledge import Knowledge
from core.rag.vectors import ChromaVectors
from shared.database import DatabaseManager
from shared.settings import ChromaSettings, DatabaseSettings
from tests.core.rag.conftest import Reachable
from core.llm.embedded import WordLlama

async def main():
    database = DatabaseManager(DatabaseSettings(url=SecretStr(os.environ["TEST_DATABASE"])))
    await database.open()
    vectors = ChromaVectors(ChromaSettings(url=os.environ["TEST_CHROMA"]))
    knowledge = Knowledge(database, vectors, Reachable(WordLlama()))
    await knowledge.ingest(uuid.UUID(os.environ["TEST_CREATOR"]), uuid.UUID(os.environ["TEST_ID"]))

asyncio.run(main())
"""


async def killed(settings: Settings, creator_id: UUID, document_id: UUID, nth: int) -> int:
    """Ingest in another process that kills itself at the nth failpoint; its exit code."""
    assert settings.database.url is not None
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        CHILD,
        env={
            **os.environ,
            "CAIRN_FAILPOINT": f"mid-ingest:kill:{nth}",
            "TEST_DATABASE": settings.database.url.get_secret_value(),
            "TEST_CHROMA": settings.chroma.url or "",
            "TEST_CREATOR": str(creator_id),
            "TEST_ID": str(document_id),
        },
    )
    return await asyncio.wait_for(child.wait(), 60)


async def test_kill_9_loses_and_doubles_nothing(
    knowledge: Knowledge,
    database: DatabaseManager,
    vectors: ChromaVectors,
    settings: Settings,
    creator: UUID,
) -> None:
    text = "\n\n".join(f"# Part {n}\n\n{n} {p[:80]}" for n, p in enumerate(PARAGRAPHS * 12))
    document = await knowledge.add_document(creator, title="Parts", text=text)
    for nth in (1, 2, 4):
        assert await killed(settings, creator, document.id, nth) == -signal.SIGKILL
        assert await knowledge.pending(creator) == [document.id]
    await knowledge.ingest(creator, document.id)
    assert await knowledge.pending(creator) == []
    await assert_consistent(database, vectors, creator)
    assert (await knowledge.get_document(creator, document.id)).chunk_count == 480
