"""kill -9 amid an import of contacts and amid a day's deletions: nothing twice, all done."""

import asyncio
import sys
from datetime import timedelta
from uuid import UUID

import pytest

from core import contact_import
from core.privacy.retention import BATCH, keep_up
from shared.utils.clock import utc_now
from shared.utils.ids import first_id, new_id
from tests.chaos.processes import ROOT
from tests.chaos.stage import Stage
from tests.chaos.test_erasure import KILLED, killed_at
from tests.core.privacy.lives import lead_life
from tests.waiting import eventually

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(120)]

LINES = 2 * contact_import.BATCH + 50
SOON = 20.0  # before the queue takes the jobs of the dead for lost
MESSAGES = 2 * BATCH + 50
DAYS = 30

_FOUND = """
SELECT (SELECT count(*) FROM app.contacts) AS contacts,
       (SELECT count(DISTINCT address) FROM app.contact_identities) AS addresses,
       (SELECT count(*) FROM app.consent_events) AS events,
       (SELECT count(*) FROM app.consents) AS consents
"""
_POLICY = "INSERT INTO app.creator_policies (creator_id, policy) VALUES ($1, $2)"
_OLD = """
INSERT INTO app.messages (creator_id, id, conversation_id, channel_id, contact_id, seq, direction,
                          kind, author, text, status, created_at)
SELECT $1, gen.id, $2, $3, $4, 10000 + gen.n, 'in', 'message', 'contact', 'old', 'answered', $6
FROM unnest($5::uuid[]) WITH ORDINALITY AS gen (id, n)
"""
_LEFT = """
SELECT (SELECT count(*) FROM app.messages WHERE text = 'old') AS old,
       (SELECT count(*) FROM app.messages WHERE text <> 'old') AS new,
       (SELECT count(*) FROM app.usage_counters WHERE metric = 'storage_bytes') AS measured
"""


def a_file(lines: int) -> bytes:
    people = (f"+1415555{n:04},Person {n},coaching,sheet" for n in range(lines))
    return "\n".join(("phone,name,consent_purposes,consent_evidence", *people)).encode()


async def test_an_import_killed_twice_adds_everybody_once_and_waits_for_no_dead_worker(
    stage: Stage,
) -> None:
    where = (stage.creator_id, stage.sms.channel_id)
    await stage.runtime.contact_imports.add(*where, a_file(LINES), actor="test")
    for _ in range(2):  # as many as have a place: a limit among all workers would be reached
        await killed_at(stage, "mid-import", "contact_imports")
    [row] = await stage.fetch("SELECT state, done FROM app.contact_imports")
    assert (row["state"], row["done"]) == ("running", 2 * contact_import.BATCH)
    await stage.start_worker()

    async def is_done() -> bool:
        [row] = await stage.fetch("SELECT state FROM app.contact_imports")
        return bool(row["state"] == "done")

    await eventually(is_done, timeout=SOON)
    [row] = await stage.fetch("SELECT done, added, updated, refused_count FROM app.contact_imports")
    assert tuple(row) == (LINES, LINES, 0, 0)
    [found] = await stage.fetch(_FOUND)
    assert set(found) == {LINES}


async def upkeep(stage: Stage, failpoint: str) -> int:
    """A day's upkeep in a process of its own; its exit code."""
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.chaos.upkeep"),
        cwd=ROOT,
        env=stage.environment(failpoint),
        stdout=asyncio.subprocess.DEVNULL,
    )
    return await asyncio.wait_for(program.wait(), 60.0)


async def test_deletions_killed_on_their_way_are_made_the_same_day(stage: Stage) -> None:
    life = await lead_life(stage.runtime, stage.web, "Ada", "address-of-ada")
    at = utc_now() - timedelta(days=DAYS + 1)
    ids = [
        UUID(int=first_id(at).int | new_id().int & (2**64 - 1) | 0x7 << 76) for _ in range(MESSAGES)
    ]
    where = (life.conversation_id, stage.web.channel_id, life.contact_id)
    async with stage.runtime.database.transaction(stage.creator_id) as db:
        await db.execute(_POLICY, stage.creator_id, {"retention_days": DAYS})
        await db.execute(_OLD, stage.creator_id, *where, ids, at)
    [before] = await stage.fetch(_LEFT)
    assert await upkeep(stage, "mid-retention:kill") == KILLED
    [midway] = await stage.fetch(_LEFT)
    assert tuple(midway) == (MESSAGES - BATCH, before["new"], 0)
    await keep_up(stage.runtime.database)
    [after] = await stage.fetch(_LEFT)
    assert tuple(after) == (0, before["new"], 1)
