"""kill -9 at every step of an export and of an erasure: each ends complete, and nothing twice."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

import pytest

from core.privacy.inventory import HOLDINGS
from core.privacy.tables import PAGE
from shared.models.exports import ErasureRow, ExportRow
from shared.utils.ids import new_id
from tests.chaos.stage import Stage
from tests.core.privacy.lives import Life, lead_life, traces
from tests.core.privacy.test_erasure import KEPT_IDS
from tests.waiting import eventually

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]

KILLED = -9
MESSAGES = PAGE + 50  # two pages, so that one is begun with a page done
# A step ends with each of these; the last step ends the job.
ERASE_STEPS = 5
_ENDED = ("done", "failed")

_MANY = """
INSERT INTO app.messages (creator_id, id, conversation_id, channel_id, contact_id, seq, direction,
                          kind, author, text, status)
SELECT $1, gen.id, $2, $3, $4, 10000 + gen.n, 'in', 'message', 'contact', 'AdaCanary ' || gen.n,
       'answered'
FROM unnest($5::uuid[]) WITH ORDINALITY AS gen (id, n)
"""
_NOT_DUE = "UPDATE app.{table} SET due_at = now() - interval '1 minute' WHERE creator_id = $1"


FILES = {f"{holding.table}.csv" for holding in HOLDINGS if holding.exported}


async def a_life(stage: Stage) -> Life:
    life = await lead_life(stage.runtime, stage.web, "AdaCanary", "address-of-ada")
    # Answered long ago: no worker takes a turn meanwhile.
    await life.run(
        "UPDATE app.messages SET status = 'answered' WHERE direction = 'in' AND creator_id = $1"
    )
    await life.run("UPDATE app.ai_conversations SET inbound_due_at = NULL WHERE creator_id = $1")
    ids = [new_id() for _ in range(MESSAGES)]
    where = (life.conversation_id, stage.web.channel_id, life.contact_id)
    async with stage.runtime.database.transaction(stage.creator_id) as db:
        await db.execute(_MANY, stage.creator_id, *where, ids)
    return life


async def make_due(stage: Stage, table: str) -> None:
    """As if a step's time were over: the next worker needn't wait for it."""
    async with stage.runtime.database.transaction(stage.creator_id) as db:
        await db.execute(_NOT_DUE.format(table=table), stage.creator_id)


Row = TypeVar("Row", ExportRow, ErasureRow)


async def ended(stage: Stage, read: Callable[[UUID, UUID], Awaitable[Row]], job_id: UUID) -> Row:
    async def is_ended() -> bool:
        return (await read(stage.creator_id, job_id)).state in _ENDED

    await eventually(is_ended, timeout=120)
    return await read(stage.creator_id, job_id)


async def killed_at(stage: Stage, failpoint: str, table: str) -> None:
    worker = await stage.start_worker(f"{failpoint}:kill")
    assert await worker.ended(60) == KILLED
    await make_due(stage, table)


async def test_an_erasure_killed_after_each_step_is_complete(stage: Stage) -> None:
    life = await a_life(stage)
    privacy = stage.runtime.privacy
    asked = await privacy.ask_erasure(stage.creator_id, life.contact_id, actor="test")
    await killed_at(stage, "before-erase", "contact_erasures")
    for _ in range(ERASE_STEPS):
        await killed_at(stage, "mid-erase", "contact_erasures")
    await stage.start_worker()
    row = await ended(stage, privacy.get_erasure, asked.id)
    assert (row.state, row.counts["left"]) == ("done", {})
    assert row.counts["messages"] == MESSAGES + 3
    words = ["AdaCanary", life.address, str(life.contact_id)]
    assert set(await traces(stage.urls.admin, words)) <= KEPT_IDS


async def test_an_export_killed_on_its_way_is_complete_and_has_nothing_twice(stage: Stage) -> None:
    life = await a_life(stage)
    privacy = stage.runtime.privacy
    asked = await privacy.ask_export(stage.creator_id, life.contact_id, actor="test")
    # A table's page, a conversation's first page, and a file's digest lie behind the last kills.
    for nth in (1, 17, 3, 4):
        worker = await stage.start_worker(f"mid-export:kill:{nth}")
        assert await worker.ended(60) == KILLED
        await make_due(stage, "contact_exports")
    await stage.start_worker()
    row = await ended(stage, privacy.get_export, asked.id)
    assert row.state == "done"
    digests = {f["name"]: f["sha256"] for f in row.manifest["files"]}
    data = await whole(stage, row, "contact.json")
    assert hashlib.sha256(data).hexdigest() == digests.pop("contact.json")
    assert set(digests) == FILES
    told = json.loads(data)
    numbers = [message["seq"] for message in told["messages"]]
    assert numbers == sorted(set(numbers))
    assert len(numbers) == row.manifest["rows"]["messages"] == MESSAGES + 3


async def whole(stage: Stage, row: ExportRow, name: str) -> bytes:
    data, part = b"", -1
    while found := await stage.runtime.privacy.next_part(stage.creator_id, row.id, name, part):
        part, more = found
        data += more
    return data
