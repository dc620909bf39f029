"""Close broadcasts of which nothing waits any more, whoever settled the last of it.

Whoever settles a send looks whether it was the last one, but of two at the same moment neither
sees what the other has done. Waiting for each other there would be a queue of all who settle.
"""

from shared.database import DatabaseManager
from shared.models import broadcasts

# The ones that run are few, and have an index of their own.
_RUNNING = "SELECT DISTINCT creator_id FROM app.broadcasts WHERE state = 'running'"


async def sweep_broadcasts(database: DatabaseManager) -> None:
    """Let all that is done be done."""
    async with database.dispatch() as connection:
        rows = await connection.fetch(_RUNNING)
    for row in rows:
        async with database.transaction(row["creator_id"]) as connection:
            await broadcasts.finish(connection, row["creator_id"])
