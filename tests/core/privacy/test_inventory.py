"""No table that hangs on a contact may be missing from the inventory, now or later."""

import asyncpg
import pytest

from core.privacy.inventory import HOLDINGS, OUTSIDE
from tests.databases import DatabaseUrls

# Tables that a foreign key leads from to contacts, over however many others.
_BY_KEY = """
WITH RECURSIVE hanging AS (
  SELECT 'app.contacts'::regclass::oid AS oid
  UNION
  SELECT k.conrelid FROM hanging h JOIN pg_constraint k ON k.confrelid = h.oid AND k.contype = 'f'
  WHERE k.conparentid = 0
)
SELECT c.relname::text FROM hanging h JOIN pg_class c ON c.oid = h.oid WHERE NOT c.relispartition
"""
# And those that name one without a key, as the consent events do.
_BY_NAME = """
SELECT DISTINCT c.relname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'app' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND NOT a.attisdropped AND a.attname ~
  '^((.*_)?contact(_id)?|contact_.*|conversation_id|message_id|enrolment_id|goal_id|ticket_id|send_id|identity_id|address|address_hash|provider_id)$'
"""
_COLUMNS = """
SELECT attname::text FROM pg_attribute
WHERE attrelid = ('app.' || $1)::regclass AND attnum > 0 AND NOT attisdropped
"""


@pytest.fixture
async def admin(database_urls: DatabaseUrls) -> asyncpg.Connection:
    return await asyncpg.connect(database_urls.admin)


async def test_every_table_that_hangs_on_a_contact_is_known(admin: asyncpg.Connection) -> None:
    found = {row[0] for sql in (_BY_KEY, _BY_NAME) for row in await admin.fetch(sql)}
    await admin.close()
    assert found - {holding.table for holding in HOLDINGS} == set()


async def test_a_new_table_would_be_missed_by_name_and_by_key(admin: asyncpg.Connection) -> None:
    """The test above can fail."""
    async with admin.transaction():
        await admin.execute("""
            CREATE TABLE app.diaries (creator_id uuid, ticket uuid,
              FOREIGN KEY (creator_id, ticket) REFERENCES app.tickets (creator_id, id));
            CREATE TABLE app.moods (creator_id uuid, contact_id uuid);
        """)
        by_key = {row[0] for row in await admin.fetch(_BY_KEY)}
        by_name = {row[0] for row in await admin.fetch(_BY_NAME)}
        await admin.execute("DROP TABLE app.diaries, app.moods")
    await admin.close()
    assert ("diaries" in by_key, "moods" in by_name) == (True, True)


async def test_what_the_inventory_names_is_there(admin: asyncpg.Connection) -> None:
    for holding in HOLDINGS:
        columns = {row[0] for row in await admin.fetch(_COLUMNS, holding.table)}
        assert set(holding.withheld) <= columns, holding.table
        assert "creator_id" in columns
    for table in OUTSIDE:
        assert await admin.fetch(_COLUMNS, table), table
    await admin.close()
