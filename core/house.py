"""The house: the creator whose rows are the defaults of all creators.

It is a tenant like any other to the database, so no policy makes an exception for it: what is
shared is read in a transaction bound to it. Only the operator writes there; it is suspended, has
no API key and no channel (the schema refuses both), and no list of creators shows it.
"""

from uuid import UUID

from shared.database import DatabaseManager

HOUSE: UUID = UUID(int=0)
HOUSE_NAME = "shared defaults"


async def ensure_house(database: DatabaseManager) -> None:
    """Make the house's row, once; before anything is written there."""
    async with database.transaction(HOUSE) as connection:
        await connection.execute(
            "INSERT INTO app.creators (creator_id, name, status) VALUES ($1, $2, 'suspended')"
            " ON CONFLICT DO NOTHING",
            HOUSE,
            HOUSE_NAME,
        )
