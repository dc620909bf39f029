"""A running Cairn for other people's tests: engines, gateway and worker, emulators beside it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import asyncpg
from fastapi import FastAPI

from core.channels import Account
from core.cli.context import embedded_settings, prepare_database
from core.cli.gateway import address, bind, serving
from core.creators import add_creator
from core.emulators import Emulator
from core.loader import load_emulators
from core.runtime import Runtime, extra_folders, open_runtime
from core.simulator.mounts import PREFIX, Mounts
from core.testing.apps import App, quick, working
from shared.embedded import EmbeddedEngines
from shared.embedded.engines import discard
from shared.settings import OllamaSettings, Settings, load_settings

NOBODY_LISTENS = "http://127.0.0.1:9"  # the port of the discard service, which nobody runs


@dataclass(kw_only=True)
class School:
    """Everything that is started once; each test has a creator and emulators of its own."""

    runtime: Runtime
    url: str
    emulators: dict[str, Emulator] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=count)

    async def new_app(self, name: str) -> App:
        created = await add_creator(self.runtime.database, name)
        return App(runtime=self.runtime, creator_id=created.id)

    async def connect(self, app: App, type_: str, bot: str) -> tuple[Emulator, Account]:
        """A new emulator of this type, and a channel of the app's creator that talks to it."""
        emulator = load_emulators(extra_folders(self.runtime.settings))[type_]
        name = f"{type_}-{next(self._numbers)}"
        self.emulators[name] = emulator
        is_pulled = self.runtime.channels[type_].capabilities.delivery == "pull"
        settings = {} if is_pulled else {"api_base_url": f"{self.url}{PREFIX}{name}"}
        account = await app.add_channel(
            type_, bot=bot, credentials=emulator.credentials, **settings
        )
        kind = "chat" if is_pulled else f"webhooks/{type_}"
        emulator.connect(f"{self.url}/{kind}/{account.route_key}")
        return emulator, account


@asynccontextmanager
async def running_school(folder: Path, *extra: Path) -> AsyncIterator[School]:
    """Start it all with its data in `folder`; `extra` folders hold more bots and adapters."""
    listener = bind("127.0.0.1", 0)
    url = address(listener)
    try:
        async with EmbeddedEngines(folder) as urls:
            await _hurry(urls.postgres_admin)
            await prepare_database(urls)
            settings = embedded_settings(_settings(url, extra), urls, folder)
            async with open_runtime(settings) as runtime, working(runtime):
                school = School(runtime=runtime, url=url)

                def extend(app: FastAPI) -> None:
                    app.mount(PREFIX.rstrip("/"), Mounts(school.emulators, {}))

                async with serving(runtime, listener, extend=extend):
                    yield school
    finally:
        listener.close()
        discard(folder)


async def _hurry(admin_url: str) -> None:
    """Don't wait for the disk: nothing of it outlives the tests."""
    connection = await asyncpg.connect(admin_url, timeout=10)
    try:
        await connection.execute("ALTER SYSTEM SET fsync = off")
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()


def _settings(url: str, extra: tuple[Path, ...]) -> Settings:
    """The environment's, in a hurry; no language model unless one is named."""
    settings = load_settings()
    paths = [settings.extra_paths, *map(str, extra)]
    changes = {"public_base_url": url, "extra_paths": ",".join(filter(None, paths))}
    if "ollama" not in settings.model_fields_set:
        return quick(settings, ollama=OllamaSettings(host=NOBODY_LISTENS), **changes)
    return quick(settings, **changes)
