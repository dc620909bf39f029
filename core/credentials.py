"""Re-encrypt stored credentials under the newest key, so that an old key can be retired."""

from uuid import UUID

from shared.database import DatabaseManager, PgConnection
from shared.security import KeyRing

CHANNEL_PURPOSE = "channel-credentials"
INSTALLATION_PURPOSE = "channel-installation"

_CHANNELS = "SELECT id, '' AS space, credentials FROM app.channels WHERE creator_id = $1"
_INSTALLATIONS = """
SELECT channel_id AS id, space, credentials FROM app.channel_installations WHERE creator_id = $1
"""
# Only if nobody changed the credentials since they were read.
_REPLACE_CHANNEL = """
UPDATE app.channels SET credentials = $5
WHERE creator_id = $1 AND id = $2 AND $3 = '' AND credentials = $4 RETURNING 1
"""
_REPLACE_INSTALLATION = """
UPDATE app.channel_installations SET credentials = $5
WHERE creator_id = $1 AND channel_id = $2 AND space = $3 AND credentials = $4 RETURNING 1
"""


async def rotate_credentials(database: DatabaseManager, keys: KeyRing, creator_id: UUID) -> int:
    """How many of this creator's channels and installations were re-encrypted.

    Safe to repeat, also under load.
    """
    async with database.transaction(creator_id) as connection:
        channels = await _rotate(
            connection, keys, creator_id, CHANNEL_PURPOSE, _CHANNELS, _REPLACE_CHANNEL
        )
        installations = await _rotate(
            connection,
            keys,
            creator_id,
            INSTALLATION_PURPOSE,
            _INSTALLATIONS,
            _REPLACE_INSTALLATION,
        )
    return channels + installations


async def _rotate(
    connection: PgConnection,
    keys: KeyRing,
    creator_id: UUID,
    purpose: str,
    select: str,
    replace: str,
) -> int:
    rotated = 0
    for row in await connection.fetch(select, creator_id):
        old = row["credentials"]
        if not keys.needs_rotation(old):
            continue
        plaintext = keys.decrypt(old, creator_id=creator_id, purpose=purpose)
        new = keys.encrypt(plaintext, creator_id=creator_id, purpose=purpose)
        done = await connection.fetchval(replace, creator_id, row["id"], row["space"], old, new)
        rotated += done is not None
    return rotated
