"""kill -9 amid the indexing of a document: the next worker begins with others at once."""

import pytest

from core.jobs import enqueue
from tests.chaos.stage import Stage
from tests.chaos.test_erasure import KILLED
from tests.waiting import eventually

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(120)]

SOON = 20.0  # before the queue takes the jobs of the dead for lost
DOCUMENTS = 6
ONE_PLACE = {"CONCURRENCY": "2"}  # a half of them is for documents

_READY = "SELECT count(*) FROM app.knowledge_documents WHERE status = 'ready'"
_HELD = "SELECT entrypoint FROM queue.pgqueuer WHERE status = 'picked'"


async def add(stage: Stage, name: str) -> None:
    """As a gateway does."""
    text = f"Of {name} there is much to tell, and all of it is told here."
    document = await stage.runtime.knowledge.add_document(stage.creator_id, title=name, text=text)
    async with stage.runtime.database.transaction(stage.creator_id) as db:
        await enqueue(db, "ingest", stage.creator_id, document.id)


async def test_documents_wait_for_no_dead_worker(stage: Stage) -> None:
    await add(stage, "the dead")
    dying = await stage.start_worker("mid-ingest:kill", **ONE_PLACE)
    assert await dying.ended(60) == KILLED
    assert [row["entrypoint"] for row in await stage.fetch(_HELD)] == ["ingest"]
    for number in range(DOCUMENTS):
        await add(stage, f"number {number}")
    await stage.start_worker(**ONE_PLACE)

    async def are_ready() -> bool:
        [row] = await stage.fetch(_READY)
        return bool(row["count"] >= DOCUMENTS)

    await eventually(are_ready, timeout=SOON)
