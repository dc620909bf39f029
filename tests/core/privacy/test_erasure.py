"""After an erasure nothing of the person is found anywhere, and nothing of anybody else is gone."""

from uuid import UUID, uuid4

import asyncpg
import pytest
import redis.asyncio as redis_client

from core import leases
from core.privacy.rooms import NOBODY
from core.runtime import Runtime
from shared.cache import keys
from shared.errors import InvalidInput, NotFound
from shared.models.exports import ErasureRow
from tests.core.privacy.lives import Life, traces
from tests.core.privacy.test_export import exported, link
from tests.databases import DatabaseUrls

# Who did what, and that somebody was erased, is told by ids only.
KEPT_IDS = {
    "audit_log.target",
    "audit_log.actor",
    "audit_log.detail",
    "contact_erasures.contact_id",
}


async def erased(life: Life) -> ErasureRow:
    privacy = life.runtime.privacy
    asked = await privacy.ask_erasure(life.creator_id, life.contact_id, actor="test")
    await privacy.erase(life.creator_id, asked.id)
    return await privacy.get_erasure(life.creator_id, asked.id)


async def rows_by_table(url: str, creator_id: UUID) -> dict[str, int]:
    admin = await asyncpg.connect(url)
    tables = await admin.fetch(
        "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'app' AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
        " AND c.relname <> 'alembic_version'"
    )
    counts = {
        table: await admin.fetchval(
            f"SELECT count(*) FROM app.{table} WHERE creator_id = $1",  # noqa: S608
            creator_id,
        )
        for (table,) in tables
    }
    await admin.close()
    return counts


async def test_nothing_is_left_in_any_column_of_any_table(
    ada: Life, bob: Life, database_urls: DatabaseUrls
) -> None:
    await exported(ada)
    words = ["AdaCanary", ada.address, str(ada.contact_id)]
    before = await traces(database_urls.admin, words)
    assert len(before) > 30
    row = await erased(ada)
    assert (row.state, row.counts["left"], row.progress) == ("done", {}, {})
    assert set(await traces(database_urls.admin, words)) <= KEPT_IDS
    told = await traces(database_urls.admin, ["BobCanary"])
    assert {"contacts.name", "messages.text", "tickets.detail", "check_ins.value"} <= set(told)


async def test_it_counts_what_went(ada: Life) -> None:
    events = await ada.run("SELECT 1 FROM app.consent_events WHERE creator_id = $1")
    row = await erased(ada)
    counted = {"contacts": 1, "contact_identities": 1, "messages": 3, "send_attempts": 1}
    assert counted.items() <= row.counts.items()
    assert row.counts["consent_events_unnamed"] == len(events) > 0


async def test_others_keep_every_row(
    ada: Life, bob: Life, eve: Life, database_urls: DatabaseUrls
) -> None:
    of_eve = await rows_by_table(database_urls.admin, eve.creator_id)
    told = await traces(database_urls.admin, ["BobCanary", "EveCanary", bob.address])
    await erased(ada)
    assert await rows_by_table(database_urls.admin, eve.creator_id) == of_eve
    assert await traces(database_urls.admin, ["BobCanary", "EveCanary", bob.address]) == told


async def test_a_wish_outlives_the_person_and_who_writes_again_is_new(ada: Life) -> None:
    await erased(ada)
    outs = await ada.run("SELECT purpose FROM app.opt_outs WHERE creator_id = $1")
    events = await ada.run("SELECT * FROM app.consent_events WHERE creator_id = $1")
    assert [row["purpose"] for row in outs] == ["*"]
    assert {(e["contact_id"], e["actor"]) for e in events} == {(None, "contact")}
    again = await ada.says("Hello, it's me")
    assert again.contact_id != ada.contact_id
    assert again.conversation_id != ada.conversation_id
    (identity,) = await ada.run(
        "SELECT opted_out_at FROM app.contact_identities WHERE creator_id = $1"
    )
    assert identity["opted_out_at"] is not None


async def test_what_waits_is_cancelled_before_anything_else(ada: Life, runtime: Runtime) -> None:
    """From the first step on, nothing more is sent or answered, however long the rest takes."""
    queued = await ada.replied(
        await ada.says("one more"), "An answer on its way", status="queued", seq=5000
    )
    asked = await runtime.privacy.ask_erasure(ada.creator_id, ada.contact_id, actor="test")
    await runtime.privacy._erasing._step(ada.creator_id, asked.id)
    rows = await ada.run(
        "SELECT id, direction, status FROM app.messages WHERE creator_id = $1 AND id = $2", queued
    )
    sends = await ada.run("SELECT state FROM app.scheduled_sends WHERE creator_id = $1")
    pending = await ada.run(
        "SELECT 1 FROM app.messages WHERE creator_id = $1 AND status = 'pending'"
    )
    assert ([row["status"] for row in rows], pending) == (["canceled"], [])
    assert [row["state"] for row in sends] == ["cancelled"]
    again = await ada.says("And now?")
    assert again.contact_id != ada.contact_id
    await runtime.privacy.erase(ada.creator_id, asked.id)
    assert (await ada.run("SELECT text FROM app.messages WHERE creator_id = $1"))[0][
        0
    ] == "And now?"


async def test_a_turn_that_is_being_thought_writes_nothing(ada: Life, runtime: Runtime) -> None:
    async with runtime.database.transaction(ada.creator_id) as db:
        lease = await leases.acquire(db, "turn", ada.creator_id, ada.conversation_id, uuid4(), 60.0)
    assert lease is not None
    await erased(ada)
    with pytest.raises(leases.LeaseLost):
        async with runtime.database.transaction(ada.creator_id) as db:
            await leases.fence(db, lease)


async def test_in_a_room_only_their_own_words_go(
    ada: Life, bob: Life, database_urls: DatabaseUrls
) -> None:
    """Ada wrote there first, so the room is hers by its row: Bob's words stay all the same."""
    hers = await ada.says("AdaCanary was here", room="room-1")
    his = await bob.says("BobInRoom answers", room="room-1")
    await ada.replied(hers, "Well done, you", contact_id=ada.contact_id)
    await ada.replied(his, "Well done, Bob", seq=2001, contact_id=bob.contact_id)
    await ada.replied(
        his, "Digest: AdaCanary walked", seq=2002, contact_id=bob.contact_id, kind="post"
    )
    row = await erased(ada)
    assert row.state == "done"
    messages = await ada.run(
        "SELECT text, contact_id FROM app.messages"
        " WHERE creator_id = $1 AND conversation_id = $2 ORDER BY seq",
        hers.conversation_id,
    )
    assert [(m["text"], m["contact_id"]) for m in messages] == [
        ("", NOBODY),
        ("BobInRoom answers", bob.contact_id),
        ("", NOBODY),
        ("Well done, Bob", bob.contact_id),
        ("", NOBODY),
    ]
    (room,) = await ada.run(
        "SELECT contact_id FROM app.ai_conversations WHERE creator_id = $1 AND id = $2",
        hers.conversation_id,
    )
    assert room["contact_id"] == bob.contact_id
    words = ["AdaCanary", ada.address, str(ada.contact_id)]
    assert set(await traces(database_urls.admin, words)) <= KEPT_IDS


async def test_a_room_without_anybody_else_goes_and_one_with_a_coach_stays(ada: Life) -> None:
    alone = await ada.says("Nobody here", room="room-1")
    with_coach = await ada.says("Somebody here?", room="room-2")
    await ada.replied(
        with_coach, "The coach's own words", author="coach", contact_id=NOBODY, in_reply_to=None
    )
    await erased(ada)
    rooms = await ada.run("SELECT id FROM app.ai_conversations WHERE creator_id = $1")
    texts = await ada.run("SELECT text FROM app.messages WHERE creator_id = $1 ORDER BY seq")
    assert [room["id"] for room in rooms] == [with_coach.conversation_id]
    assert [row["text"] for row in texts] == ["", "The coach's own words"]
    assert alone.conversation_id != with_coach.conversation_id


async def test_who_was_linked_goes_too(ada: Life, bob: Life, database_urls: DatabaseUrls) -> None:
    await link(bob, ada)
    row = await erased(ada)
    assert row.counts["contacts"] == 2
    words = ["AdaCanary", "BobCanary", bob.address, str(bob.contact_id)]
    assert set(await traces(database_urls.admin, words)) <= KEPT_IDS


async def test_nothing_is_left_in_redis(ada: Life, redis_url: str, runtime: Runtime) -> None:
    named = [
        keys.rate(ada.creator_id, f"visitor:{ada.address}"),
        keys.rate(ada.creator_id, f"link:{ada.contact_id}"),
        keys.pace(ada.creator_id, ada.account.channel_id, "chat", ada.address),
    ]
    for key in named:
        await runtime.limiter.allow(key, rate_per_second=0.001, burst=5)
    client = redis_client.Redis.from_url(redis_url)
    assert await client.exists(*named) == 3
    await erased(ada)
    left = [key.decode() async for key in client.scan_iter()]
    await client.aclose()
    assert [key for key in left if ada.address in key or str(ada.contact_id) in key] == []


async def test_it_is_confirmed_by_id_or_name_and_asked_once(ada: Life) -> None:
    privacy, who = ada.runtime.privacy, (ada.creator_id, ada.contact_id)
    for wrong in ("bob", "", "adacanary"):
        with pytest.raises(InvalidInput):
            await privacy.ask_erasure(*who, actor="test", confirm=wrong)
    first = await privacy.ask_erasure(*who, actor="test", confirm="AdaCanary")
    second = await privacy.ask_erasure(*who, actor="test", confirm=str(ada.contact_id))
    assert first.id == second.id


async def test_nobody_erases_another_creators_contact(ada: Life, eve: Life) -> None:
    with pytest.raises(NotFound):
        await ada.runtime.privacy.ask_erasure(eve.creator_id, ada.contact_id, actor="test")
    await ada.runtime.privacy.erase(eve.creator_id, ada.contact_id)
    assert await ada.run("SELECT 1 FROM app.contacts WHERE creator_id = $1")


async def test_what_is_left_is_told(ada: Life, runtime: Runtime) -> None:
    """The proof can fail: a row that comes in between is found by the last look."""
    asked = await runtime.privacy.ask_erasure(ada.creator_id, ada.contact_id, actor="test")
    erasing = runtime.privacy._erasing
    while True:
        await erasing._step(ada.creator_id, asked.id)
        row = await runtime.privacy.get_erasure(ada.creator_id, asked.id)
        if row.progress["stage"] == "verify":
            break
    await ada.insert(
        "bot_records", bot="standup", topic="team", key=ada.address, value={"did": "walk"}
    )
    await runtime.privacy.erase(ada.creator_id, asked.id)
    row = await runtime.privacy.get_erasure(ada.creator_id, asked.id)
    assert (row.state, row.error_code) == ("failed", "erasure_incomplete")
    assert row.counts["left"] == {"bot_records (text)": 1}
