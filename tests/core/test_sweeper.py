"""The sweeper: whatever a lost hint leaves behind is found again, and nothing twice."""

import asyncio
from uuid import UUID

from core.sweeper import sweep, sweep_documents, sweep_migrations
from shared.models import migrations
from shared.utils.ids import new_id
from tests.apps import App, working
from tests.learners import Learner

FORGOTTEN = 3600.0


async def jobs(app: App) -> list[str]:
    async with app.runtime.database.dispatch() as connection:
        rows = await connection.fetch("SELECT entrypoint FROM queue.pgqueuer ORDER BY id")
    return [row["entrypoint"] for row in rows]


async def lose_jobs(app: App) -> None:
    """What a queue that lost everything looks like."""
    async with app.runtime.database.dispatch() as connection:
        await connection.execute("DELETE FROM queue.pgqueuer")


async def set_conversation(app: App, change: str) -> None:
    await app.fetch(f"UPDATE app.ai_conversations SET {change} WHERE creator_id = $1")  # noqa: S608


async def test_what_was_hinted_just_now_is_left_alone(learner: Learner) -> None:
    await learner.says("/help")
    assert await sweep(learner.app.runtime.database, FORGOTTEN) == 0


async def test_an_old_hint_is_given_again_once(learner: Learner) -> None:
    await learner.says("/help")
    await lose_jobs(learner.app)
    await set_conversation(
        learner.app,
        "inbound_due_at = now() - interval '9 s', inbound_hinted_at = now() - interval '9 s'",
    )
    assert await sweep(learner.app.runtime.database, 5) == 1
    assert await sweep(learner.app.runtime.database, 5) == 0
    assert await jobs(learner.app) == ["turn"]


async def test_two_sweepers_at_once_hint_once(learner: Learner) -> None:
    await learner.says("/help")
    await lose_jobs(learner.app)
    await set_conversation(learner.app, "inbound_hinted_at = NULL")
    database = learner.app.runtime.database
    assert sum(await asyncio.gather(*(sweep(database, FORGOTTEN) for _ in range(6)))) == 1


async def test_what_is_held_is_left_alone_and_what_its_holder_dropped_is_found(
    learner: Learner,
) -> None:
    await learner.says("/help")
    await set_conversation(
        learner.app, "inbound_hinted_at = NULL, lease_until = now() + interval '60 s'"
    )
    assert await sweep(learner.app.runtime.database, FORGOTTEN) == 0
    # The holder died after the last hint: no need to wait until that hint is old.
    await set_conversation(
        learner.app,
        "inbound_hinted_at = now() - interval '2 s', inbound_due_at = now() - interval '3 s',"
        " lease_until = now() - interval '1 s'",
    )
    assert await sweep(learner.app.runtime.database, FORGOTTEN) == 1


async def test_a_pause_that_ended_is_found_and_one_that_lasts_is_not(learner: Learner) -> None:
    await learner.says("/help")
    await learner.app.runtime.engine.take_turn(
        learner.app.creator_id, await learner.conversation_id()
    )
    await set_conversation(learner.app, "outbound_due_at = now() + interval '60 s'")
    assert await sweep(learner.app.runtime.database, FORGOTTEN) == 0
    await set_conversation(
        learner.app,
        "outbound_due_at = now() - interval '1 s', outbound_hinted_at = now() - interval '2 s'",
    )
    await lose_jobs(learner.app)
    assert await sweep(learner.app.runtime.database, FORGOTTEN) == 1
    assert await jobs(learner.app) == ["deliver"]


async def test_a_document_left_half_indexed_is_found(school: App) -> None:
    added = await school.runtime.knowledge.add_document(
        school.creator_id, title="Habits", text="Start small."
    )
    await lose_jobs(school)
    database = school.runtime.database
    assert await sweep_documents(database, 60) == 0
    await school.fetch(
        "UPDATE app.knowledge_documents SET updated_at = now() - interval '2 min'"
        " WHERE creator_id = $1"
    )
    assert await sweep_documents(database, 60) == 1
    assert await jobs(school) == ["ingest"]
    assert isinstance(added.id, UUID)


async def test_a_migration_that_nobody_works_on_is_found_and_one_that_waits_is_not(
    school: App,
) -> None:
    database = school.runtime.database
    async with database.transaction(school.creator_id) as connection:
        await migrations.insert(
            connection,
            school.creator_id,
            new_id(),
            from_space="old",
            to_space="new",
            to_model="",
            batch_size=100,
            soak_seconds=0,
        )
    await lose_jobs(school)
    for change, found in (
        ("due_at = now()", 1),
        ("due_at = now() + interval '9 s'", 0),
        ("due_at = now(), is_paused = true", 0),
        ("is_paused = false, state = 'done'", 0),
    ):
        await school.fetch(
            f"UPDATE app.embedding_migrations SET {change} WHERE creator_id = $1"  # noqa: S608
        )
        assert await sweep_migrations(database) == found, change
    assert await jobs(school) == ["migrate"]


async def test_a_worker_answers_what_the_queue_lost(learner: Learner) -> None:
    for n in range(5):
        await learner.says(f"/help {n}")
    await lose_jobs(learner.app)
    await set_conversation(learner.app, "inbound_hinted_at = now() - interval '1 h'")
    async with working(learner.app.runtime):
        await learner.app.drain()
    assert len(learner.emulator.sent) == 5
