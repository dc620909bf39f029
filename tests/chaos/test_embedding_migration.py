"""The embedding model changes under people who ask, its worker killed at every step.

`CHAOS_CHUNKS=10000 CHAOS_QUERIES=20` is the full size: so many chunks, so many questions a second.
"""

import os
import random
import signal
import time
from collections.abc import AsyncIterator

import pytest

from core.llm.emulator import create_ollama_emulator
from core.rag import vectors
from shared.models.migrations import MigrationRecord
from shared.settings import OllamaSettings, Settings
from tests.chaos.moving import Asking, Library, judge
from tests.chaos.stage import Stage
from tests.serving import serving
from tests.waiting import eventually

pytestmark = pytest.mark.chaos

CHUNKS = int(os.environ.get("CHAOS_CHUNKS", "300"))
QUERIES = float(os.environ.get("CHAOS_QUERIES", "20"))
PATIENCE = 60 + CHUNKS / 20
PATIENT_SECONDS = 60.0
KILLED, INTERRUPTED = -9, 130
STEPS = (
    "migrate-after-prepare:kill",
    f"migrate-mid-backfill:kill:{max(1, CHUNKS // 200)}",  # half of the batches done
    "migrate-before-switch:kill",
    "migrate-after-switch:kill",
    "migrate-mid-drop:kill",
)
OLD = "wordllama-256"
# An approximate index may miss what it found before, or the other way round.
APPROXIMATE = 0.98


@pytest.fixture
async def settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Settings]:
    """With an emulated Ollama, and so patient that a busy machine makes no search give up."""
    monkeypatch.setattr(vectors, "QUERY_SECONDS", PATIENT_SECONDS)
    chroma = settings.chroma.model_copy(update={"timeout_seconds": PATIENT_SECONDS})
    database = settings.database.model_copy(update={"pool_wait_seconds": PATIENT_SECONDS})
    async with serving(create_ollama_emulator().app) as url:
        ollama = OllamaSettings(host=url)
        yield settings.model_copy(update={"ollama": ollama, "chroma": chroma, "database": database})


async def latest(stage: Stage) -> MigrationRecord:
    found = await stage.runtime.knowledge.migration.latest(stage.creator_id)
    assert found is not None
    return found


async def reach(stage: Stage, state: str) -> MigrationRecord:
    async def is_there() -> bool:
        return (await latest(stage)).state == state

    try:
        await eventually(is_there, timeout=PATIENCE)
    except AssertionError:
        raise AssertionError(f"{await latest(stage)}\n{stage.started[-1].tail()}") from None
    return await latest(stage)


@pytest.mark.timeout(0 if CHUNKS > 1000 else 180)
async def test_no_question_fails_while_the_model_is_changed_and_workers_are_killed(
    stage: Stage, chance: random.Random
) -> None:
    library = Library(stage=stage, chance=chance)
    await library.fill(CHUNKS)
    asking = Asking(stage=stage, questions=library.questions(), per_second=QUERIES)
    before = await asking.round()
    started = time.monotonic()
    async with asking.going_on():
        begun = await stage.runtime.knowledge.migration.start(
            stage.creator_id, "ollama:nomic-embed-text", soak_seconds=1
        )
        late = []
        for step in STEPS:
            dying = await stage.start_worker(step)
            assert await dying.ended(PATIENCE) == KILLED, step
            late.append(await library.add(stage.runtime.knowledge, 3))
        await stage.runtime.knowledge.delete_document(stage.creator_id, late[0])
        worker = await stage.start_worker()
        done = await reach(stage, "done")
    seconds = time.monotonic() - started
    after = await asking.round()
    told = await judge(library, asking, before, after)
    print(f"{CHUNKS} chunks in {seconds:.0f} s with {len(STEPS)} kills; {told}")  # noqa: T201
    print(f"verified: {done.verification}")  # noqa: T201
    assert worker.is_running
    assert not asking.failures, asking.failures[:3]
    assert (told.by_words_alone, told.mixed) == (0, 0)
    assert told.found >= told.least * APPROXIMATE
    assert set(told.spaces) == {OLD, begun.to_space}
    await nothing_is_left_of(OLD, stage, begun.to_space)


async def nothing_is_left_of(old: str, stage: Stage, new: str) -> None:
    """Chroma and the ledger hold each chunk once, in the new space alone."""
    rows = await stage.fetch("SELECT id FROM app.knowledge_chunks")
    held = stage.runtime.vectors
    assert await held.ids(stage.creator_id, old) == set()
    assert await held.ids(stage.creator_id, new) == {row["id"] for row in rows}
    ledger = await stage.fetch("SELECT DISTINCT space, state FROM app.chunk_embeddings")
    assert [tuple(row) for row in ledger] == [(new, "stored")]


async def test_a_stopped_worker_hands_its_migration_to_the_next_and_ctrl_c_stops_only_the_bar(
    stage: Stage, chance: random.Random
) -> None:
    library = Library(stage=stage, chance=chance)
    await library.fill(100)
    stopping = await stage.start_worker("migrate-mid-backfill:hang")
    to = ("start", "ollama:nomic-embed-text", "--creator", str(stage.creator_id))
    environment = stage.environment()
    bar = await stage.nursery.start(
        "embeddings", *to, "--batch-size", "20", "--soak-seconds", "0", env=environment
    )
    stage.started.append(bar)

    async def has_begun() -> bool:
        found = await stage.runtime.knowledge.migration.latest(stage.creator_id)
        return found is not None and found.state == "backfilling"

    await eventually(has_begun, timeout=PATIENCE)
    bar.signal(signal.SIGINT)
    assert await bar.ended() == INTERRUPTED
    assert "cairn embeddings resume" in bar.text()
    stopping.signal(signal.SIGTERM)
    assert await stopping.ended() == 0
    await stage.start_worker()
    await reach(stage, "done")


async def test_a_rebuild_that_is_killed_half_way_is_finished_by_the_next(
    stage: Stage, chance: random.Random
) -> None:
    library = Library(stage=stage, chance=chance)
    await library.fill(300)  # more than one batch
    held, creator_id = stage.runtime.vectors, stage.creator_id
    known = await held.ids(creator_id, OLD)
    await held.delete_all(creator_id, OLD)
    rebuild = ("kb", "reindex", "--creator", str(creator_id))
    dying = await stage.nursery.start(*rebuild, env=stage.environment("mid-ingest:kill"))
    assert await dying.ended() == KILLED
    assert len(await held.ids(creator_id, OLD)) < len(known)
    again = await stage.nursery.start(*rebuild, env=stage.environment())
    assert await again.ended() == 0, again.tail()
    assert await held.ids(creator_id, OLD) == known
