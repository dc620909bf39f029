"""Re-encrypt stored credentials under the newest key, so that an old key can be retired."""

from uuid import UUID

from shared.database import DatabaseManager
from shared.security import KeyRing

PURPOSE = "channel-credentials"

_ALL = "SELECT id, credentials FROM app.channels WHERE creator_id = $1"
# Only if nobody changed the credentials since they were read.
_REPLACE = """
UPDATE app.channels SET credentials = $4 WHERE creator_id = $1 AND id = $2 AND credentials = $3
RETURNING 1
"""


async def rotate_credentials(database: DatabaseManager, keys: KeyRing, creator_id: UUID) -> int:
    """How many of this creator's channels were re-encrypted. Safe to repeat, also under load."""
    rotated = 0
    async with database.transaction(creator_id) as connection:
        for row in await connection.fetch(_ALL, creator_id):
            old = row["credentials"]
            if not keys.needs_rotation(old):
                continue
            plaintext = keys.decrypt(old, creator_id=creator_id, purpose=PURPOSE)
            new = keys.encrypt(plaintext, creator_id=creator_id, purpose=PURPOSE)
            done = await connection.fetchval(_REPLACE, creator_id, row["id"], old, new)
            rotated += done is not None
    return rotated
