"""A database with rows goes from version to version, and back, and keeps what they say."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from alembic import command

from migrations import runner
from shared.embedded import EmbeddedEngines
from shared.tenancy import audit_catalog
from tests.databases import DatabaseUrls, drop, fresh_name, make_empty

BEFORE_TICKETS = "0011"
BEFORE_PROGRAMS = "0009"
_WAITING = """
INSERT INTO app.creators (creator_id, name) VALUES (gen_random_uuid(), 'Ada');
INSERT INTO app.channels (creator_id, id, type, name, bot, route_key, credentials)
  SELECT creator_id, gen_random_uuid(), 'web', 'Web', 'coach', 'k', '' FROM app.creators;
INSERT INTO app.contacts (creator_id, id) SELECT creator_id, gen_random_uuid() FROM app.creators;
INSERT INTO app.ai_conversations (creator_id, id, channel_id, contact_id, key, address, status)
  SELECT h.creator_id, gen_random_uuid(), h.id, c.id, s, '{}', s
  FROM app.channels h, app.contacts c, unnest(ARRAY['bot', 'needs_human']) AS s;
"""
_STATUS = "SELECT status FROM app.ai_conversations ORDER BY key"


@pytest.fixture
async def empty(engines: EmbeddedEngines) -> AsyncIterator[DatabaseUrls]:
    urls = await make_empty(engines.urls, fresh_name())
    yield urls
    await drop(engines.urls, urls.name)


async def go(urls: DatabaseUrls, version: str, *, back: bool = False) -> None:
    move = command.downgrade if back else command.upgrade
    await asyncio.to_thread(move, runner._config(urls.migrate), version)


async def statuses(urls: DatabaseUrls, first: str = "") -> list[str]:
    """As a superuser sees them, after running `first`."""
    connection = await asyncpg.connect(urls.admin)
    try:
        if first:
            await connection.execute(first)
        return [row["status"] for row in await connection.fetch(_STATUS)]
    finally:
        await connection.close()


async def test_conversations_that_wait_for_a_person_still_do(empty: DatabaseUrls) -> None:
    await go(empty, BEFORE_TICKETS)
    assert await statuses(empty, _WAITING) == ["bot", "needs_human"]
    await runner.migrate(empty.migrate)
    assert await statuses(empty) == ["bot", "queued"]


async def test_back_to_before_programs_and_forward_again(empty: DatabaseUrls) -> None:
    await runner.migrate(empty.migrate)
    await statuses(empty, _WAITING.replace("needs_human", "queued"))
    await go(empty, BEFORE_PROGRAMS, back=True)
    assert await statuses(empty) == ["bot", "needs_human"]
    await runner.migrate(empty.migrate)
    assert await statuses(empty) == ["bot", "queued"]
    connection = await asyncpg.connect(empty.app)
    try:
        assert await audit_catalog(connection) == []
    finally:
        await connection.close()
