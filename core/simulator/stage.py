"""What the simulator shows: a demo channel for each emulated platform, pointed at its emulator."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from core.accounts import Accounts
from core.channels import ChannelAdapter
from core.emulators import Emulator
from core.files import ingest_file
from core.runtime import Runtime
from core.seed import DEMO_BOT, handbook
from core.simulator.time_machine import TimeMachine
from core.simulator.wire import Wire
from shared.database import DatabaseManager
from shared.errors import InvalidInput, NotFound

log = structlog.get_logger(__name__)

# In a channel's settings: made for the simulator, found again at the next start.
MARKER = "simulator"

_FIND = """
SELECT id, route_key, bot FROM app.channels
WHERE creator_id = $1 AND type = $2 AND settings @> $3 ORDER BY id LIMIT 1
"""
_REPOINT = """
UPDATE app.channels
SET credentials = $3, settings = settings || $4, status = 'active', status_reason = NULL,
    updated_at = now()
WHERE creator_id = $1 AND id = $2
"""
_SET_BOT = "UPDATE app.channels SET bot = $3, updated_at = now() WHERE creator_id = $1 AND id = $2"
_WEB = """
SELECT id, bot FROM app.channels WHERE creator_id = $1 AND type = 'web' AND route_key = $2
"""


@dataclass(kw_only=True)
class Pane:
    """One platform: its emulator, the channel that talks to it, the bot behind that."""

    name: str
    channel_id: UUID
    bot: str
    emulator: Emulator
    wire: Wire

    @property
    def signature(self) -> tuple[object, ...]:
        """Differs whenever the page would look different."""
        places = self.emulator.places()
        typing = tuple(place.id for place in places if self.emulator.is_typing(place.id))
        return (self.emulator.revision, typing, self.wire.count, self.bot)


@dataclass(kw_only=True)
class WebPane:
    """The web chat needs no emulator: its real page stands in a frame."""

    route_key: str
    channel_id: UUID
    bot: str


class Stage:
    """All panes. `url` is where this server answers."""

    def __init__(self, runtime: Runtime, creator_id: UUID, url: str) -> None:
        self.runtime = runtime
        self.creator_id = creator_id
        self.panes: dict[str, Pane] = {}
        self.web: WebPane | None = None
        self.time = TimeMachine(runtime.database, runtime.clock, creator_id)
        self._url = url
        self._read = {DEMO_BOT}  # read with the seed

    @property
    def emulators(self) -> Mapping[str, Emulator]:
        return {name: pane.emulator for name, pane in self.panes.items()}

    @property
    def wires(self) -> Mapping[str, Wire]:
        return {name: pane.wire for name, pane in self.panes.items()}

    async def set(self, emulators: Mapping[str, Emulator], *, bot: str, web_route: str) -> None:
        """Make or find each channel and connect its emulator to the channel's webhook."""
        for name, emulator in emulators.items():
            adapter = self.runtime.channels.get(name)
            # A channel that is fetched from has no platform: its page is shown itself.
            if adapter is not None and adapter.capabilities.delivery == "push":
                self.panes[name] = await self._pane(adapter, emulator, bot)
        self.web = await self._web(web_route)

    async def set_bot(self, name: str | None, bot: str) -> None:
        """Put another bot behind one pane, or behind all of them."""
        if bot not in self.runtime.bots:
            raise InvalidInput("there is no such bot", code="bad_bot")
        for pane in self._named(name):
            async with self.runtime.database.transaction(self.creator_id) as connection:
                await connection.execute(_SET_BOT, self.creator_id, pane.channel_id, bot)
                await self.runtime.declared.reach(connection, self.creator_id, bot)
            self.runtime.accounts.forget(pane.channel_id)
            pane.bot = bot
        await self._read_handbook(bot)

    async def _read_handbook(self, bot: str) -> None:
        """The bot's own knowledge, once it is asked for: till then it would answer for others."""
        if bot not in self._read:
            self._read.add(bot)
            for path in handbook(self.runtime, bot):
                if reason := await ingest_file(self.runtime, self.creator_id, path, "builtin"):
                    log.warning("simulator.file_not_read", file=path.name, reason=reason)

    def pane(self, name: str) -> Pane:
        if name not in self.panes:
            raise NotFound("there is no such pane")
        return self.panes[name]

    def _named(self, name: str | None) -> list[Pane | WebPane]:
        web: list[Pane | WebPane] = [self.web] if self.web else []
        if name is None:
            return [*self.panes.values(), *web]
        return web if name == "web" else [self.pane(name)]

    async def _pane(self, adapter: ChannelAdapter, emulator: Emulator, bot: str) -> Pane:
        settings = {MARKER: True, "api_base_url": f"{self._url}/emulators/{adapter.name}"}
        found = await simulated_channel(
            self.runtime.database,
            self.runtime.accounts,
            self.creator_id,
            adapter,
            credentials=emulator.credentials,
            settings=settings,
            bot=bot,
        )
        channel_id, route_key, bot = found
        public = self.runtime.settings.public_base_url
        emulator.connect(f"{public}/webhooks/{adapter.name}/{route_key}")
        wire = Wire([*emulator.credentials.values(), route_key])
        return Pane(name=adapter.name, channel_id=channel_id, bot=bot, emulator=emulator, wire=wire)

    async def _web(self, route_key: str) -> WebPane | None:
        async with self.runtime.database.transaction(self.creator_id) as connection:
            row = await connection.fetchrow(_WEB, self.creator_id, route_key)
        if row is None:
            return None
        return WebPane(route_key=route_key, channel_id=row["id"], bot=row["bot"])


async def simulated_channel(
    database: DatabaseManager,
    accounts: Accounts,
    creator_id: UUID,
    adapter: ChannelAdapter,
    *,
    credentials: dict[str, str],
    settings: dict[str, Any],
    bot: str,
) -> tuple[UUID, str, str]:
    """(id, route key, bot) of the creator's marked channel of this type, made or re-pointed."""
    async with database.transaction(creator_id) as connection:
        row = await connection.fetchrow(_FIND, creator_id, adapter.name, {MARKER: True})
        if row is not None:
            sealed = accounts.seal_credentials(creator_id, credentials)
            await connection.execute(_REPOINT, creator_id, row["id"], sealed, settings)
    if row is not None:
        accounts.forget(row["id"])
        return row["id"], row["route_key"], row["bot"]
    account = await accounts.add(
        creator_id,
        adapter,
        name=f"Simulated {adapter.name}",
        bot=bot,
        credentials=credentials,
        settings=settings,
    )
    return account.channel_id, account.route_key, bot
