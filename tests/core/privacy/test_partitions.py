"""Partitions whose rows are all gone are dropped when the operator says so; no others."""

from datetime import date
from uuid import UUID

import asyncpg

from migrations import runner
from migrations.partitions import lower_bound
from shared.utils.ids import new_id
from tests.databases import DatabaseUrls

_MESSAGE = """
INSERT INTO app.messages (creator_id, id, conversation_id, channel_id, contact_id, seq, direction,
                          kind, author, text, status)
VALUES ($1, $2, $1, $1, $1, 1, 'in', 'message', 'contact', 'hi', 'answered')
"""
_ATTEMPT = """
INSERT INTO app.send_attempts (creator_id, id, channel_id, message_id, part)
VALUES ($1, $2, $1, $3, 0)
"""


async def test_only_months_without_a_row_are_dropped(database_urls: DatabaseUrls) -> None:
    admin = await asyncpg.connect(database_urls.admin)
    try:
        await admin.execute("SET ROLE cairn_owner")
        await runner.create_months(admin, date(2021, 1, 1), 3)
        await admin.execute("RESET ROLE; SET session_replication_role = replica")
        for month in (1, 2):
            message_id = UUID(int=lower_bound(date(2021, month, 1)).int + 1)
            await admin.execute(_MESSAGE, new_id(), message_id)
        await admin.execute(_ATTEMPT, new_id(), new_id(), message_id)
        await admin.execute("DELETE FROM app.messages_2021_01")
        dropped = await runner.drop_empty_months(database_urls.migrate, date(2021, 4, 1))
        left = await admin.fetch(
            "SELECT relname FROM pg_class WHERE relname ~ '^messages_2021_..$'"
        )
        assert dropped == ["messages_2021_01", "messages_2021_03"]
        assert [row[0] for row in left] == ["messages_2021_02"]
        assert await admin.fetchval("SELECT count(*) FROM app.messages") == 1
    finally:
        await admin.close()


async def test_next_months_are_made_without_a_migration(database_urls: DatabaseUrls) -> None:
    await runner.make_months(database_urls.migrate)
    assert await runner.drop_empty_months(database_urls.migrate, date(2020, 1, 1)) == []
