"""A migration of embeddings, step by step: what it changes, who may steer it, what stops it."""

import asyncio
from uuid import UUID

import pytest

from core.knowledge import Knowledge
from core.llm.embedded import WordLlama
from core.rag import retrieve, steps
from core.rag.migrate import MigrationOpen, WrongState
from core.rag.vectors import ChromaVectors
from shared.database import DatabaseManager
from shared.errors import InvalidInput, NotFound
from shared.models import chunks, embeddings, evaluations, migrations
from shared.models.migrations import MigrationRecord
from tests.conftest import AddCreator
from tests.core.rag.conftest import Reachable, add, states
from tests.core.rag.other_model import NEW, OLD, Fickle, Held, Other
from tests.waiting import eventually

TEXTS = [f"Text {n} is about topic{n} and says so twice: topic{n}." for n in range(6)]
MOST_SLICES = 50
# How many texts a migration may embed until it is stopped in a state.
EMBEDS = {"backfilling": 3, "verifying": 6, "soaking": 1000}


@pytest.fixture
async def filled(knowledge: Knowledge, embedders: Reachable, creator: UUID) -> UUID:
    for number, text in enumerate(TEXTS):
        await add(knowledge, creator, f"Text {number}", text)
    embedders.now.append(Other())
    return creator


async def begun(knowledge: Knowledge, creator_id: UUID, *, soak_seconds: int = 0) -> UUID:
    started = await knowledge.migration.start(
        creator_id, NEW, batch_size=2, soak_seconds=soak_seconds
    )
    return started.id


async def worked(
    knowledge: Knowledge, database: DatabaseManager, creator_id: UUID, until: str
) -> MigrationRecord:
    """Do what a worker does, without waiting, until the migration is in this state or stops."""
    record = await newest(knowledge, creator_id)
    for _ in range(MOST_SLICES):
        if record.state == until or record.is_paused:
            return record
        async with database.transaction(creator_id) as db:
            # Long ago enough for what waits for searches under way.
            await db.execute(
                "UPDATE app.embedding_migrations SET due_at = now(), lease_owner = NULL,"
                " switched_at = switched_at - interval '2 s', updated_at = now() - interval '2 s'"
            )
        await knowledge.migration.advance(creator_id, record.id)
        record = await newest(knowledge, creator_id)
    raise AssertionError(f"it stays {record.state}: {record.error}")


async def newest(knowledge: Knowledge, creator_id: UUID) -> MigrationRecord:
    found = await knowledge.migration.latest(creator_id)
    assert found is not None
    return found


async def stopped_in(
    knowledge: Knowledge,
    database: DatabaseManager,
    embedders: Reachable,
    creator_id: UUID,
    state: str,
) -> UUID:
    """A migration that went no further than this state."""
    migration_id = await begun(knowledge, creator_id, soak_seconds=60)
    if state != "preparing":
        embedders.now[-1] = Other(fails_after=EMBEDS[state])
        await worked_once(knowledge, database, creator_id, migration_id)
        embedders.now[-1] = Other()
    assert (await knowledge.migration.get(creator_id, migration_id)).state == state
    return migration_id


async def worked_once(
    knowledge: Knowledge, database: DatabaseManager, creator_id: UUID, migration_id: UUID
) -> None:
    async with database.transaction(creator_id) as db:
        await migrations.set_due(db, creator_id, migration_id, 0)
    await knowledge.migration.advance(creator_id, migration_id)


async def held_up(
    knowledge: Knowledge, embedders: Reachable, creator_id: UUID
) -> tuple[Held, asyncio.Task[None], UUID]:
    """A migration whose worker waits for its first vectors."""
    embedders.now[-1] = held = Held()
    migration_id = await begun(knowledge, creator_id)
    working = asyncio.create_task(knowledge.migration.advance(creator_id, migration_id))
    await asyncio.wait_for(held.asked.wait(), 20)
    return held, working, migration_id


async def test_it_goes_through_all_steps_and_leaves_only_the_new_space(
    knowledge: Knowledge, database: DatabaseManager, vectors: ChromaVectors, filled: UUID
) -> None:
    await begun(knowledge, filled, soak_seconds=60)
    soaking = await worked(knowledge, database, filled, "soaking")
    assert await states(database, filled) == {OLD: "standby", NEW: "active"}
    assert (soaking.done, soaking.total, soaking.progress) == (6, 6, 1.0)
    assert soaking.verification["passed"]
    assert soaking.verification["recall_new"] == 1.0
    assert soaking.verification["min_cosine"] > 0.99
    late = await add(knowledge, filled, "Late", "A late text about topic99.")
    assert len(await vectors.ids(filled, OLD)) == len(await vectors.ids(filled, NEW)) == 7
    await knowledge.delete_document(filled, late)
    assert len(await vectors.ids(filled, OLD)) == len(await vectors.ids(filled, NEW)) == 6
    await knowledge.migration.finish(filled, soaking.id)
    await worked(knowledge, database, filled, "done")
    assert await states(database, filled) == {NEW: "active"}
    assert await vectors.ids(filled, OLD) == set()
    assert len(await vectors.ids(filled, NEW)) == 6


async def test_what_cannot_begin_is_refused(
    knowledge: Knowledge, filled: UUID, add_creator: AddCreator
) -> None:
    for to, code in ((OLD, "same_space"), ("passages@7", "unknown_model")):
        with pytest.raises(InvalidInput) as refused:
            await knowledge.migration.start(filled, to)
        assert refused.value.detail_code == code
    with pytest.raises(InvalidInput) as refused:
        await knowledge.migration.start(await add_creator("Empty"), NEW)
    assert refused.value.detail_code == "no_index"
    await begun(knowledge, filled)
    with pytest.raises(MigrationOpen):
        await begun(knowledge, filled)


async def test_a_migration_is_its_creators_alone(
    knowledge: Knowledge,
    database: DatabaseManager,
    vectors: ChromaVectors,
    filled: UUID,
    add_creator: AddCreator,
) -> None:
    neighbour = await add_creator("Bob")
    await add(knowledge, neighbour, "Bob's", "Bob's own words about topic3.")
    migration_id = await begun(knowledge, filled)
    for steer in (knowledge.migration.pause, knowledge.migration.abort, knowledge.migration.get):
        with pytest.raises(NotFound):
            await steer(neighbour, migration_id)
    await worked(knowledge, database, filled, "done")
    assert await states(database, neighbour) == {OLD: "active"}
    assert len(await vectors.ids(neighbour, OLD)) == 1


@pytest.mark.parametrize("state", ["preparing", "backfilling", "verifying", "soaking"])
async def test_it_can_be_aborted_until_the_old_space_is_dropped(
    knowledge: Knowledge,
    database: DatabaseManager,
    vectors: ChromaVectors,
    embedders: Reachable,
    filled: UUID,
    state: str,
) -> None:
    migration_id = await stopped_in(knowledge, database, embedders, filled, state)
    await knowledge.migration.abort(filled, migration_id)
    assert (await states(database, filled))[OLD] == "active"
    await worked(knowledge, database, filled, "aborted")
    assert await states(database, filled) == {OLD: "active"}
    assert await vectors.ids(filled, NEW) == set()
    assert len(await vectors.ids(filled, OLD)) == 6
    with pytest.raises(WrongState):
        await knowledge.migration.abort(filled, migration_id)
    await begun(knowledge, filled)
    await worked(knowledge, database, filled, "done")


async def test_a_pause_takes_it_from_the_worker_and_a_resume_goes_on(
    knowledge: Knowledge, database: DatabaseManager, embedders: Reachable, filled: UUID
) -> None:
    held, working, migration_id = await held_up(knowledge, embedders, filled)
    await knowledge.migration.pause(filled, migration_id)
    held.may_answer.set()
    await working
    paused = await knowledge.migration.get(filled, migration_id)
    assert (paused.state, paused.is_paused, paused.done) == ("backfilling", True, 0)
    await worked_once(knowledge, database, filled, migration_id)  # an old hint
    assert await knowledge.migration.get(filled, migration_id) == paused
    await knowledge.migration.resume(filled, migration_id)
    await worked(knowledge, database, filled, "done")


async def test_a_flip_back_is_instant_and_can_be_undone(
    knowledge: Knowledge,
    database: DatabaseManager,
    vectors: ChromaVectors,
    embedders: Reachable,
    filled: UUID,
) -> None:
    migration_id = await stopped_in(knowledge, database, embedders, filled, "soaking")
    flipped = await knowledge.migration.flip_back(filled, migration_id)
    assert (flipped.is_paused, flipped.error_code) == (True, "flipped_back")
    assert await states(database, filled) == {OLD: "active", NEW: "building"}
    await add(knowledge, filled, "Late", "A late text about topic99.")
    assert len(await vectors.ids(filled, NEW)) == 7
    with pytest.raises(WrongState):
        await knowledge.migration.flip_back(filled, migration_id)
    await knowledge.migration.resume(filled, migration_id)
    await worked(knowledge, database, filled, "soaking")
    assert await states(database, filled) == {OLD: "standby", NEW: "active"}


async def test_it_waits_for_an_embedder_that_went_away_and_goes_on_by_itself(
    knowledge: Knowledge, database: DatabaseManager, embedders: Reachable, filled: UUID
) -> None:
    embedders.now[-1] = Other(fails_after=3)
    migration_id = await begun(knowledge, filled)
    await knowledge.migration.advance(filled, migration_id)
    waiting = await knowledge.migration.get(filled, migration_id)
    assert (waiting.state, waiting.error_code) == ("backfilling", "model_unavailable")
    assert not (await knowledge.search(filled, "topic3")).degraded
    embedders.now[-1] = Other()
    done = await worked(knowledge, database, filled, "done")
    assert done.error_code is None


async def test_it_leads_away_from_an_embedder_that_is_gone(
    knowledge: Knowledge, database: DatabaseManager, embedders: Reachable, filled: UUID
) -> None:
    embedders.now = embedders.now[1:]
    assert (await knowledge.search(filled, TEXTS[3])).degraded
    migration_id = await begun(knowledge, filled, soak_seconds=60)
    soaking = await worked(knowledge, database, filled, "soaking")
    assert soaking.verification["recall_old"] is None
    assert not (await knowledge.search(filled, TEXTS[3])).degraded
    late = await add(knowledge, filled, "Late", "A late text about topic99.")
    assert (await knowledge.get_document(filled, late)).status == "ready"
    await knowledge.migration.finish(filled, migration_id)
    await worked(knowledge, database, filled, "done")


async def test_a_space_that_fails_its_verification_is_not_read_from_unless_forced(
    knowledge: Knowledge, database: DatabaseManager, embedders: Reachable, filled: UUID
) -> None:
    embedders.now[-1] = Fickle()
    migration_id = await begun(knowledge, filled, soak_seconds=60)
    failed = await worked(knowledge, database, filled, "soaking")
    assert (failed.state, failed.is_paused) == ("verifying", True)
    assert failed.error_code == "verification_failed"
    assert "cosine" in str(failed.error)
    assert await states(database, filled) == {OLD: "active", NEW: "building"}
    await knowledge.migration.resume(filled, migration_id, force=True)
    await worked(knowledge, database, filled, "soaking")
    assert (await states(database, filled))[NEW] == "active"


async def test_a_space_in_which_the_golden_set_scores_less_is_not_read_from(
    knowledge: Knowledge, database: DatabaseManager, filled: UUID
) -> None:
    async with database.transaction(filled) as db:
        for space, score in ((OLD, 0.8), (NEW, 0.7)):
            measured = evaluations.NewEvaluation(
                kind="retrieval",
                subject=f"space {space}",
                dataset="mine",
                dataset_hash=b"1",
                figures={"score": score},
            )
            await evaluations.add(db, filled, measured)
    await begun(knowledge, filled)
    failed = await worked(knowledge, database, filled, "done")
    assert failed.error_code == "verification_failed"
    assert failed.error == "mine scores 0.700, the old space 0.800"


async def test_vectors_that_chroma_lost_or_should_not_have_are_mended_before_the_switch(
    knowledge: Knowledge,
    database: DatabaseManager,
    vectors: ChromaVectors,
    embedders: Reachable,
    filled: UUID,
) -> None:
    await stopped_in(knowledge, database, embedders, filled, "verifying")
    lost = list(await vectors.ids(filled, NEW))[:2]
    await vectors.delete(filled, NEW, lost)
    await vectors.upsert(filled, NEW, [UUID(int=42)], [[1.0] + [0.0] * 31])
    soaking = await worked(knowledge, database, filled, "soaking")
    assert (soaking.verification["repaired"], soaking.verification["strays"]) == (2, 1)
    assert len(await vectors.ids(filled, NEW)) == 6


async def test_two_workers_never_have_it_at_once_and_a_dead_ones_is_taken_over(
    knowledge: Knowledge, database: DatabaseManager, embedders: Reachable, filled: UUID
) -> None:
    held, first, migration_id = await held_up(knowledge, embedders, filled)
    await asyncio.wait_for(knowledge.migration.advance(filled, migration_id), 20)
    embedders.now[-1] = Other()
    await worked(knowledge, database, filled, "done")  # as if the first one's lease had ended
    held.may_answer.set()
    await first
    assert await states(database, filled) == {NEW: "active"}


async def test_a_worker_that_is_stopped_hands_it_back(
    knowledge: Knowledge, embedders: Reachable, filled: UUID
) -> None:
    _, working, migration_id = await held_up(knowledge, embedders, filled)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    embedders.now[-1] = Other()
    await knowledge.migration.advance(filled, migration_id)  # due at once
    assert (await knowledge.migration.get(filled, migration_id)).state == "soaking"


async def test_chunks_that_are_being_added_as_the_new_space_appears_are_not_missed(
    knowledge: Knowledge, database: DatabaseManager, filled: UUID
) -> None:
    migration_id = await begun(knowledge, filled, soak_seconds=60)
    document = await knowledge.add_document(filled, title="Late", text="About topic99.")
    async with database.transaction(filled) as db:
        added = await chunks.store_chunks(db, filled, {document.id: [NEW_CHUNK]})
        working = asyncio.create_task(knowledge.migration.advance(filled, migration_id))

        async def is_kept_waiting() -> bool:
            blocked = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            return bool(await db.fetchval(blocked))

        await eventually(is_kept_waiting)
        await embeddings.expect(db, filled, added)
    await working
    assert (await worked(knowledge, database, filled, "soaking")).total == 7


async def test_a_document_that_comes_right_before_the_switch_puts_it_off(
    knowledge: Knowledge,
    database: DatabaseManager,
    embedders: Reachable,
    filled: UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    late: list[UUID] = []

    async def comes(name: str) -> None:
        if name == "migrate-before-switch" and not late:
            embedders.now[-1] = Other(fails_after=0)  # so the old space has it, the new one not
            late.append(await add(knowledge, filled, "Late", "A late text about topic99."))
            embedders.now[-1] = Other()

    monkeypatch.setattr(steps, "failpoint", comes)
    migration_id = await begun(knowledge, filled, soak_seconds=60)
    await worked_once(knowledge, database, filled, migration_id)
    assert (await newest(knowledge, filled)).state == "verifying"
    assert late
    await worked(knowledge, database, filled, "soaking")
    assert (await knowledge.search(filled, "A late text about topic99.", k=1)).passages


async def test_a_search_that_outlasts_a_whole_migration_is_answered_from_the_new_space(
    knowledge: Knowledge,
    database: DatabaseManager,
    embedders: Reachable,
    wordllama: WordLlama,
    filled: UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The test moves the migration's clock on by seconds that the search does not see.
    monkeypatch.setattr(retrieve, "FRESH_SECONDS", 0.0)
    await begun(knowledge, filled)
    embedders.now[0] = slow = Held(wordllama)
    searching = asyncio.create_task(knowledge.search(filled, TEXTS[3], k=1))
    await asyncio.wait_for(slow.asked.wait(), 20)
    embedders.now[0] = wordllama
    await worked(knowledge, database, filled, "done")
    slow.may_answer.set()
    result = await searching
    assert not result.degraded
    assert result.passages[0].text == TEXTS[3]
    assert result.passages[0].explain["similarity"] == pytest.approx(1.0, abs=1e-3)


NEW_CHUNK = chunks.NewChunk(
    id=UUID("01890000-0000-7000-8000-000000000099"),
    ordinal=0,
    text="About topic99.",
    heading="",
    start=0,
    end=14,
    content_hash=b"0" * 32,
    length=2,
    terms={"topic99": 1.0},
)
