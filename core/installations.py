"""What an app's install gave us: credentials by space, encrypted, forgotten when taken back."""

from collections.abc import Mapping
from uuid import UUID

import structlog

from core.accounts import Accounts
from core.channels import Account
from shared.database import DatabaseManager, PgConnection
from shared.errors import InvalidInput
from shared.utils.ids import new_id
from shared.utils.text import clean_text

log = structlog.get_logger(__name__)

MAX_NAME = 200
UNINSTALLED = "uninstalled"
OWN_TOKEN = "bot_token"  # noqa: S105 - the credential's name in every channel that has one

_SAVE = """
INSERT INTO app.channel_installations (creator_id, channel_id, space, name, credentials)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (creator_id, channel_id, space) DO UPDATE
SET name = excluded.name, credentials = excluded.credentials, updated_at = clock_timestamp()
"""
# Installing heals a channel whose tokens were taken back, not one that its creator disabled.
_REVIVE = """
UPDATE app.channels
SET status = 'active', status_reason = NULL, blocked_until = NULL, updated_at = clock_timestamp()
WHERE creator_id = $1 AND id = $2 AND status = 'revoked'
"""
# What waited for these credentials goes out now.
_WAKE = """
UPDATE app.ai_conversations SET outbound_due_at = now()
WHERE creator_id = $1 AND channel_id = $2 AND outbound_due_at > now() AND address ->> 'space' = $3
"""
# The row lock makes two spaces that are taken back at once see each other.
_LOCK = "SELECT 1 FROM app.channels WHERE creator_id = $1 AND id = $2 FOR UPDATE"
_REMOVE = """
DELETE FROM app.channel_installations
WHERE creator_id = $1 AND channel_id = $2 AND space = $3 RETURNING 1
"""
_LEFT = "SELECT 1 FROM app.channel_installations WHERE creator_id = $1 AND channel_id = $2 LIMIT 1"
_REVOKE = """
UPDATE app.channels
SET status = 'revoked', status_reason = $3, updated_at = clock_timestamp()
WHERE creator_id = $1 AND id = $2 AND status = 'active'
"""
# Slack tells of one uninstall twice; the second must not be taken for the channel's own space.
_WAS_HERE = """
SELECT 1 FROM app.audit_log
WHERE creator_id = $1 AND target = $2 AND action = 'channel.uninstalled' AND detail ->> 'space' = $3
LIMIT 1
"""
_AUDIT = """
INSERT INTO app.audit_log (creator_id, id, actor, action, target, detail)
VALUES ($1, $2, $3, $4, $5, $6)
"""


class StoredInstallations:
    """The `Installations` an adapter is handed."""

    def __init__(self, database: DatabaseManager, accounts: Accounts) -> None:
        self._database = database
        self._accounts = accounts

    async def save(
        self, account: Account, space: str, credentials: Mapping[str, str], name: str
    ) -> None:
        """Keep a space's credentials, in place of earlier ones. A revoked channel works again."""
        if not 1 <= len(space) <= MAX_NAME:
            raise InvalidInput("a space's name has 1 to 200 characters")
        where = (account.creator_id, account.channel_id)
        sealed = self._accounts.seal_installation(account.creator_id, dict(credentials))
        async with self._database.transaction(account.creator_id) as connection:
            await connection.execute(_SAVE, *where, space, clean_text(name)[:MAX_NAME], sealed)
            await connection.execute(_REVIVE, *where)
            await connection.execute(_WAKE, *where, space)
            await _note(connection, account, "channel.installed", space)
        self._accounts.forget(account.channel_id)
        log.info("channel.installed", channel_id=str(account.channel_id), space=space)

    async def remove(self, account: Account, space: str) -> None:
        async with self._database.transaction(account.creator_id) as connection:
            await revoke(connection, account, space, UNINSTALLED)
        self._accounts.forget(account.channel_id)


async def revoke(connection: PgConnection, account: Account, space: str | None, reason: str) -> str:
    """The platform took a space's credentials back: forget them. "space" or "channel".

    "channel": nothing is left to work with, so the channel is revoked. "space": the channel goes
    on in its others. Pass space None for a channel that isn't installed by space. The caller's
    transaction commits it; `Accounts.forget` then drops what this process has cached.
    """
    where = (account.creator_id, account.channel_id)
    await connection.execute(_LOCK, *where)
    was_installed = bool(space) and await _take_back(connection, account, str(space), reason)
    if await connection.fetchval(_LEFT, *where) or (was_installed and _has_its_own(account)):
        return "space"
    await connection.execute(_REVOKE, *where, reason)
    return "channel"


async def _take_back(connection: PgConnection, account: Account, space: str, reason: str) -> bool:
    """Whether the space was an installed one, now or before; if now, it is no longer."""
    where = (account.creator_id, account.channel_id)
    if await connection.fetchval(_REMOVE, *where, space):
        await _note(connection, account, "channel.uninstalled", space, reason=reason)
        return True
    target = str(account.channel_id)
    was_here = await connection.fetchval(_WAS_HERE, account.creator_id, target, space)
    return was_here is not None


def _has_its_own(account: Account) -> bool:
    """Whether the channel was created with a token too, for a space of its own."""
    return bool(account.credentials.get(OWN_TOKEN))


async def _note(
    connection: PgConnection, account: Account, action: str, space: str, **detail: str
) -> None:
    target, actor = str(account.channel_id), f"channel:{account.type}"
    note_id: UUID = new_id()
    await connection.execute(
        _AUDIT, account.creator_id, note_id, actor, action, target, {"space": space, **detail}
    )
