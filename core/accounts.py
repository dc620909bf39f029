"""A creator's channels with their credentials decrypted, kept for a few seconds."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from core.channels import Account, ChannelAdapter
from core.credentials import CHANNEL_PURPOSE, INSTALLATION_PURPOSE
from shared.database import DatabaseManager, PgConnection
from shared.errors import InvalidInput, NotFound
from shared.security import KeyRing
from shared.utils.ids import new_id, new_token

CACHE_SECONDS = 3.0  # how long a changed or disabled channel may go unnoticed


@dataclass(frozen=True, kw_only=True)
class ChannelRecord:
    """A channel as stored: its account, the bot behind it and whether it may be used."""

    account: Account
    bot: str
    name: str
    active: bool
    # Active, or waiting to be installed anew.
    installable: bool = False


Reach = Callable[[PgConnection, UUID, str], Awaitable[None]]
"""Give a creator what a bot brings with it, in the transaction that adds its channel."""

_SELECT = """
SELECT c.type, c.name, c.bot, c.route_key, c.credentials, c.settings,
       c.status = 'active' AND t.status = 'active' AS active,
       c.status <> 'disabled' AND t.status = 'active' AS installable,
       (SELECT jsonb_object_agg(i.space, i.credentials) FROM app.channel_installations i
        WHERE i.creator_id = c.creator_id AND i.channel_id = c.id) AS installations
FROM app.channels c JOIN app.creators t ON t.creator_id = c.creator_id
WHERE c.creator_id = $1 AND c.id = $2
"""

_INSERT = """
INSERT INTO app.channels (creator_id, id, type, name, bot, route_key, credentials, settings)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""


class Accounts:
    """Finds channels by route key or id. Raises NotFound; costs no query within CACHE_SECONDS."""

    def __init__(
        self,
        database: DatabaseManager,
        keys: KeyRing,
        *,
        public_base_url: str = "",
        reach: Reach | None = None,
    ) -> None:
        self._database = database
        self._keys = keys
        self._public_base_url = public_base_url
        self._reach = reach
        self._records: dict[UUID, tuple[float, ChannelRecord]] = {}
        self._routes: dict[tuple[str, str], tuple[float, tuple[UUID, UUID]]] = {}

    async def by_route(self, type_: str, route_key: str) -> ChannelRecord:
        """The channel behind a webhook or chat address; unknown ones are never cached."""
        cached = self._routes.get((type_, route_key))
        if cached is None or cached[0] < time.monotonic():
            async with self._database.lookup() as connection:
                row = await connection.fetchrow(
                    "SELECT creator_id, channel_id FROM app.find_channel($1, $2)", type_, route_key
                )
            if row is None:
                raise NotFound
            cached = (time.monotonic() + CACHE_SECONDS, (row["creator_id"], row["channel_id"]))
            self._routes[type_, route_key] = cached
        return await self.get(*cached[1])

    async def get(self, creator_id: UUID, channel_id: UUID) -> ChannelRecord:
        cached = self._records.get(channel_id)
        if cached and cached[0] > time.monotonic() and cached[1].account.creator_id == creator_id:
            return cached[1]
        record = await self._load(creator_id, channel_id)
        self._records[channel_id] = (time.monotonic() + CACHE_SECONDS, record)
        return record

    def forget(self, channel_id: UUID) -> None:
        """Drop what is cached of a channel that was just changed here."""
        self._records.pop(channel_id, None)

    async def add(
        self,
        creator_id: UUID,
        adapter: ChannelAdapter,
        *,
        name: str,
        bot: str,
        credentials: dict[str, str],
        settings: dict[str, Any],
    ) -> Account:
        """Connect a channel: checked by its adapter, credentials encrypted, a new route key.

        Raises InvalidInput when the adapter refuses the credentials or settings.
        """
        account = Account(
            creator_id=creator_id,
            channel_id=new_id(),
            type=adapter.name,
            route_key=new_token(),
            credentials=credentials,
            settings=settings,
            public_base_url=self._public_base_url,
        )
        check_names(adapter, credentials)
        adapter.check_account(account)
        async with self._database.transaction(creator_id) as connection:
            await connection.execute(
                _INSERT,
                creator_id,
                account.channel_id,
                account.type,
                name,
                bot,
                account.route_key,
                self.seal_credentials(creator_id, credentials),
                settings,
            )
            if self._reach is not None:
                await self._reach(connection, creator_id, bot)
        return account

    async def _load(self, creator_id: UUID, channel_id: UUID) -> ChannelRecord:
        async with self._database.transaction(creator_id) as connection:
            row = await connection.fetchrow(_SELECT, creator_id, channel_id)
        if row is None:
            raise NotFound
        return ChannelRecord(
            account=Account(
                creator_id=creator_id,
                channel_id=channel_id,
                type=row["type"],
                route_key=row["route_key"],
                credentials=self.open_credentials(creator_id, row["credentials"]),
                settings=row["settings"],
                installations={
                    space: self.open_installation(creator_id, sealed)
                    for space, sealed in (row["installations"] or {}).items()
                },
                public_base_url=self._public_base_url,
            ),
            bot=row["bot"],
            name=row["name"],
            active=row["active"],
            installable=row["installable"],
        )

    def open_credentials(self, creator_id: UUID, envelope: str) -> dict[str, str]:
        return self._open(creator_id, envelope, CHANNEL_PURPOSE)

    def seal_credentials(self, creator_id: UUID, credentials: dict[str, str]) -> str:
        """The stored form of credentials: encrypted, and readable for this creator only."""
        return self._seal(creator_id, credentials, CHANNEL_PURPOSE)

    def open_installation(self, creator_id: UUID, envelope: str) -> dict[str, str]:
        return self._open(creator_id, envelope, INSTALLATION_PURPOSE)

    def seal_installation(self, creator_id: UUID, credentials: dict[str, str]) -> str:
        """The same for what an install gave; neither can stand in for the other."""
        return self._seal(creator_id, credentials, INSTALLATION_PURPOSE)

    def _open(self, creator_id: UUID, envelope: str, purpose: str) -> dict[str, str]:
        opened: dict[str, Any] = orjson.loads(
            self._keys.decrypt(envelope, creator_id=creator_id, purpose=purpose)
        )
        return {name: str(value) for name, value in opened.items()}

    def _seal(self, creator_id: UUID, credentials: dict[str, str], purpose: str) -> str:
        plaintext = orjson.dumps(credentials).decode()
        return self._keys.encrypt(plaintext, creator_id=creator_id, purpose=purpose)


def check_names(adapter: ChannelAdapter, credentials: Mapping[str, str]) -> None:
    """Raise InvalidInput when a credential is none of this channel's."""
    if unknown := set(credentials) - adapter.credential_names:
        # A misspelt name may be a secret pasted in the wrong place, so it is not repeated.
        known = ", ".join(sorted(adapter.credential_names)) or "none"
        raise InvalidInput(
            f"{len(unknown)} unknown credentials; this channel takes: {known}",
            code="bad_credentials",
        )
