"""An index stays in its space until it is moved, and a move never mixes two spaces."""

from uuid import UUID

import pytest

from core.knowledge import Knowledge
from core.llm.embedded import WordLlama
from core.rag.vectors import ChromaVectors
from core.rag.verify import LEAST
from shared.database import DatabaseManager
from shared.errors import ModelUnavailable
from tests.core.rag.conftest import Reachable, add, states
from tests.core.rag.other_model import NEW, OLD, Other

TEXTS = [f"Text {n} is about topic{n} and says so twice: topic{n}." for n in range(30)]


@pytest.fixture
async def filled(knowledge: Knowledge, creator: UUID) -> UUID:
    for number, text in enumerate(TEXTS):
        await add(knowledge, creator, f"Text {number}", text)
    return creator


async def due_now(database: DatabaseManager, creator_id: UUID) -> None:
    """Without waiting for the next attempt of a migration that found its embedder away."""
    async with database.transaction(creator_id) as db:
        await db.execute("UPDATE app.embedding_migrations SET due_at = now()")


async def test_an_index_stays_where_it_is_when_a_better_embedder_appears(
    knowledge: Knowledge,
    database: DatabaseManager,
    vectors: ChromaVectors,
    embedders: Reachable,
    filled: UUID,
) -> None:
    embedders.now.insert(0, Other())
    await add(knowledge, filled, "Late", "A late text about topic99.")
    assert await states(database, filled) == {OLD: "active"}
    assert len(await vectors.ids(filled, OLD)) == 31
    assert await vectors.ids(filled, NEW) == set()
    assert not (await knowledge.search(filled, "topic99")).degraded


async def test_a_move_switches_everything_and_drops_the_old(
    knowledge: Knowledge,
    database: DatabaseManager,
    vectors: ChromaVectors,
    embedders: Reachable,
    filled: UUID,
) -> None:
    embedders.now.insert(0, Other())
    assert (await knowledge.search(filled, "topic3")).passages
    assert await knowledge.reindex(filled, NEW) == NEW
    assert await states(database, filled) == {NEW: "active"}
    assert len(await vectors.ids(filled, NEW)) == 30
    assert await vectors.ids(filled, OLD) == set()
    result = await knowledge.search(filled, TEXTS[3], k=1)
    assert not result.degraded
    assert result.passages[0].text == TEXTS[3]


async def test_a_move_that_is_interrupted_changes_nothing_and_goes_on_later(
    knowledge: Knowledge,
    database: DatabaseManager,
    vectors: ChromaVectors,
    embedders: Reachable,
    wordllama: WordLlama,
    filled: UUID,
) -> None:
    for number in range(70):  # more than one batch of the model
        await add(knowledge, filled, f"More {number}", f"More of topic{number + 100}.")
    embedders.now = [Other(fails_after=64), wordllama]
    with pytest.raises(ModelUnavailable):
        await knowledge.reindex(filled, NEW)
    assert await states(database, filled) == {OLD: "active", NEW: "building"}
    assert not (await knowledge.search(filled, "topic3")).degraded
    stored_before = await vectors.ids(filled, NEW)
    assert len(stored_before) == 64
    await due_now(database, filled)
    # Just what is missing, and the sample of the verification twice.
    embedders.now = [Other(fails_after=36 + 2 * LEAST), wordllama]
    assert await knowledge.reindex(filled, NEW) == NEW
    assert len(await vectors.ids(filled, NEW)) == 100
    assert await states(database, filled) == {NEW: "active"}


async def test_a_document_that_arrives_during_a_move_is_in_both_spaces(
    knowledge: Knowledge,
    database: DatabaseManager,
    vectors: ChromaVectors,
    embedders: Reachable,
    wordllama: WordLlama,
    filled: UUID,
) -> None:
    embedders.now = [Other(fails_after=0), wordllama]
    with pytest.raises(ModelUnavailable):
        await knowledge.reindex(filled, NEW)
    embedders.now = [Other(), wordllama]
    await add(knowledge, filled, "Late", "A late text about topic99.")
    assert len(await vectors.ids(filled, OLD)) == 31
    assert len(await vectors.ids(filled, NEW)) == 1
    await due_now(database, filled)
    await knowledge.reindex(filled, NEW)
    assert len(await vectors.ids(filled, NEW)) == 31


async def test_a_rebuild_restores_what_chroma_lost_and_removes_what_it_should_not_have(
    knowledge: Knowledge, vectors: ChromaVectors, wordllama: WordLlama, filled: UUID
) -> None:
    known = await vectors.ids(filled, OLD)
    await vectors.delete_all(filled, OLD)
    stray = UUID(int=42)
    await vectors.upsert(filled, OLD, [stray], await wordllama.embed(["x"], kind="passage"))
    await knowledge.reindex(filled, OLD)
    assert await vectors.ids(filled, OLD) == known


async def test_a_move_to_an_embedder_that_is_away_is_refused(
    knowledge: Knowledge, database: DatabaseManager, filled: UUID
) -> None:
    with pytest.raises(ModelUnavailable):
        await knowledge.reindex(filled, "ollama-absent")
    assert await states(database, filled) == {OLD: "active"}
