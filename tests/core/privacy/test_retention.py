"""What is older than a creator keeps goes, once a day and bounded; what is unfinished stays."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from core.privacy import retention
from core.runtime import Runtime
from shared.models import policies
from shared.utils.clock import utc_now
from shared.utils.ids import first_id, new_id
from tests.core.privacy.lives import Life

NOW = utc_now()
LONG_AGO = NOW - timedelta(days=60)

_MESSAGE = """
INSERT INTO app.messages (creator_id, id, conversation_id, channel_id, contact_id, seq, direction,
                          kind, author, text, status, created_at, external_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'message', $8, $9, $9, $10, $11)
"""


async def keep(life: Life, days: int | None) -> None:
    async with life.runtime.database.transaction(life.creator_id) as db:
        await policies.write(db, life.creator_id, {"retention_days": days}, 0)


async def said(life: Life, n: int, direction: str, status: str, *, days_ago: int) -> UUID:
    """A message of that age; its text is its status."""
    at = NOW - timedelta(days=days_ago)
    message_id = UUID(int=first_id(at).int | new_id().int & (2**64 - 1) | 0x7 << 76)
    author = "contact" if direction == "in" else "bot"
    name = f"ext-{n}" if direction == "in" else None
    where = (life.conversation_id, life.account.channel_id, life.contact_id)
    values = (direction, author, status, at, name)
    async with life.runtime.database.transaction(life.creator_id) as db:
        await db.execute(_MESSAGE, life.creator_id, message_id, *where, 5000 + n, *values)
    return message_id


async def left(life: Life) -> list[str]:
    rows = await life.run(
        "SELECT status FROM app.messages WHERE creator_id = $1 AND seq >= 5000 ORDER BY seq"
    )
    return [row["status"] for row in rows]


OLD = (
    ("in", "answered"),
    ("in", "ignored"),
    ("out", "sent"),
    ("out", "read"),
    ("out", "failed"),
)
UNFINISHED = (
    ("in", "pending"),
    ("in", "dead"),
    ("out", "queued"),
    ("out", "sending"),
    ("out", "uncertain"),
)


async def test_old_messages_go_and_unfinished_ones_stay(ada: Life, bob: Life) -> None:
    await keep(ada, 30)
    for n, (direction, status) in enumerate((*OLD, *UNFINISHED)):
        await said(ada, n, direction, status, days_ago=40)
    await said(ada, 90, "in", "answered", days_ago=20)
    assert await retention.keep_up(ada.runtime.database, NOW) == 1
    assert await left(ada) == [*(status for _, status in UNFINISHED), "answered"]
    assert len(await bob.run("SELECT 1 FROM app.contacts WHERE creator_id = $1")) == 2


async def test_attempts_and_what_was_remembered_of_events_go_with_them(ada: Life) -> None:
    await keep(ada, 30)
    asked = await said(ada, 1, "in", "answered", days_ago=40)
    sent = await said(ada, 2, "out", "sent", days_ago=40)
    channel = {"channel_id": ada.account.channel_id}
    await ada.insert("accepted_events", external_id="ext-1", message_id=asked, **channel)
    await ada.insert("send_attempts", id=new_id(), message_id=sent, part=0, **channel)
    before = await ada.run("SELECT 1 FROM app.accepted_events WHERE creator_id = $1")
    await retention.keep_up(ada.runtime.database, NOW)
    after = await ada.run("SELECT 1 FROM app.accepted_events WHERE creator_id = $1")
    assert len(before) - len(after) == 1
    assert not await ada.run(
        "SELECT 1 FROM app.send_attempts WHERE creator_id = $1 AND message_id = $2", sent
    )


async def test_without_a_wish_everything_is_kept(ada: Life) -> None:
    await said(ada, 1, "in", "answered", days_ago=4000)
    await retention.keep_up(ada.runtime.database, NOW)
    assert await left(ada) == ["answered"]


async def test_a_day_does_only_so_much_and_the_next_goes_on(
    ada: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    monkeypatch.setattr(retention, "BATCHES", 2)
    monkeypatch.setattr(retention, "PAUSE_SECONDS", 0)
    await keep(ada, 30)
    for n in range(7):
        await said(ada, n, "in", "answered", days_ago=40)
    database = ada.runtime.database
    assert await retention.keep_up(database, NOW) == 1
    assert len(await left(ada)) == 3
    assert await retention.keep_up(database, NOW) == 0
    assert await retention.keep_up(database, NOW + timedelta(days=1)) == 1
    assert await left(ada) == []


async def send(life: Life, **values: Any) -> None:
    columns = {
        "id": new_id(),
        "contact_id": life.contact_id,
        "source_kind": "broadcast",
        "source_id": new_id(),
        "class": "broadcast",
        "planned_at": LONG_AGO,
        "due_at": LONG_AGO,
        "settled_at": LONG_AGO,
        "state": "sent",
    }
    await life.insert("scheduled_sends", **(columns | values))


async def test_settled_sends_go_unless_their_slot_may_be_planned_again(ada: Life) -> None:
    await keep(ada, 30)
    (enrolment,) = await ada.run("SELECT id FROM app.enrolments WHERE creator_id = $1")
    running = new_id()
    await ada.insert(
        "broadcasts", id=running, name="b", content={}, filter={}, state="paused", actor="test"
    )
    await send(ada, skip_reason="gone")
    await send(ada, source_kind="step", source_id=enrolment["id"], skip_reason="enrolled")
    await send(ada, source_id=running, skip_reason="paused")
    await send(ada, state="waiting", settled_at=None, skip_reason="waiting")
    await send(ada, settled_at=NOW, skip_reason="new")
    await retention.keep_up(ada.runtime.database, NOW)
    rows = await ada.run(
        "SELECT skip_reason FROM app.scheduled_sends"
        " WHERE creator_id = $1 AND skip_reason IS NOT NULL ORDER BY 1"
    )
    assert [row[0] for row in rows] == ["enrolled", "new", "paused", "waiting"]


async def numbers(life: Life, tables: tuple[str, ...]) -> dict[str, int]:
    found = {}
    for table in tables:
        sql = f"SELECT count(*) FROM app.{table} WHERE creator_id = $1"  # noqa: S608
        found[table] = (await life.run(sql))[0][0]
    return found


async def test_goals_check_ins_and_consent_stay(ada: Life) -> None:
    await keep(ada, 1)
    tables = ("goals", "check_ins", "consent_events", "opt_outs", "contacts", "bot_records")
    counts = await numbers(ada, tables)
    await retention.keep_up(ada.runtime.database, NOW + timedelta(days=30))
    after = await numbers(ada, tables)
    assert after == counts
    assert all(counts.values())


async def test_what_is_stored_is_measured_each_day(ada: Life, runtime: Runtime) -> None:
    await retention.keep_up(runtime.database, NOW)
    (row,) = await ada.run(
        "SELECT value FROM app.usage_counters"
        " WHERE creator_id = $1 AND metric = 'storage_bytes' AND day = $2",
        NOW.date(),
    )
    assert row["value"] >= 0


async def test_one_worker_at_a_time(runtime: Runtime) -> None:
    database = runtime.database
    async with retention.alone(database) as first, retention.alone(database) as second:
        assert (first, second) == (True, False)
    async with retention.alone(runtime.database) as again:
        assert again


async def test_a_missing_month_is_noticed(runtime: Runtime) -> None:
    assert await retention.is_month_ready(runtime.database, NOW)
    assert not await retention.is_month_ready(runtime.database, NOW + timedelta(days=3650))
