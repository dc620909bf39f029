"""Fixtures for those who build bots: `pytest -p core.testing.plugin`. See docs/testing-bots.md.

A whole Cairn on real engines runs in a thread beside the tests, started once. `app` is one fresh
creator in it; `telegram`, `slack`, `sms` and `web` are people on a channel of that creator.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from core.bots import Bot
from core.emulators import CatchesUp, Emulator
from core.loader import ROOT
from core.seed import DEMO_BOT
from core.testing.apps import TURN_SECONDS, App
from core.testing.background import Background, Carried
from core.testing.school import School, running_school
from shared.errors import ConfigurationError

try:
    import pytest
except ImportError as error:
    raise ConfigurationError(
        "core.testing.plugin needs pytest: `pip install pytest pytest-asyncio`"
    ) from error


class RunningCairn:
    """What is started once for all tests."""

    def __init__(self, folder: Path, own: Path | None) -> None:
        self.own = own
        self.background = Background(running_school(folder, *([own] if own else [])))
        self.school: School = self.background.start()

    @property
    def default_bot(self) -> str:
        """The only bot of the tests' own folder, or Cairn's coach."""
        bots = self.school.runtime.bots
        own = [b.name for b in bots.values() if self.own and _stands_in(b, self.own)]
        return own[0] if len(own) == 1 else DEMO_BOT

    def bot_named(self, bot: str | Bot) -> str:
        """The bot's name; a Bot that stands in a test is made known first."""
        bots = self.school.runtime.bots
        if isinstance(bot, Bot):
            bots[bot.name] = bot
            return bot.name
        if bot not in bots:
            raise LookupError(f"there is no bot {bot!r}; there are: {', '.join(sorted(bots))}")
        return bot


class AppUnderTest:
    """One creator in a running Cairn, as a test sees it."""

    def __init__(self, cairn: RunningCairn, bot: str) -> None:
        self.bot = bot
        self.url = cairn.school.url
        self._background = cairn.background
        self._school = cairn.school
        self._app: App = self._background.run(cairn.school.new_app("Tests"))
        self._emulators: list[Emulator] = []

    @property
    def creator_id(self) -> UUID:
        return self._app.creator_id

    async def drain(self, seconds: float = TURN_SECONDS) -> None:
        """Run what was said to the end: every turn taken, every answer sent."""
        await self._background.call(self._app.drain(seconds))
        for emulator in self._emulators:
            if isinstance(emulator, CatchesUp):
                await self._background.call(emulator.catch_up())

    async def read_knowledge(self) -> None:
        """Take in the knowledge files of the bot under test."""
        await self._background.call(self._app.read_handbook(self.bot))

    async def fetch(self, sql: str, *arguments: Any) -> list[Any]:
        """Rows as the creator sees them; $1 is its id."""
        rows: list[Any] = await self._background.call(self._app.fetch(sql, *arguments))
        return rows

    def connect(self, type_: str) -> Any:
        """People on a new channel of this type: its emulator, to be used from the test."""
        emulator, _ = self._background.run(self._school.connect(self._app, type_, self.bot))
        self._emulators.append(emulator)
        return Carried(emulator, self._background)

    def close(self) -> None:
        for emulator in self._emulators:
            self._background.run(emulator.close())


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "bot(bot): the bot under test, by its name or as a Bot")
    if config.pluginmanager.hasplugin("asyncio") and config.inipath is None:
        # Where nothing is configured, `async def test_…` should simply run.
        config.option.asyncio_mode = config.option.asyncio_mode or "auto"


@pytest.fixture(scope="session")
def cairn(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[RunningCairn]:
    """Engines, gateway and worker; `bots/` or `adapters/` at the tests' root are found too."""
    running = RunningCairn(tmp_path_factory.mktemp("cairn"), _own_folder(pytestconfig.rootpath))
    yield running
    running.background.stop()


@pytest.fixture
def app(cairn: RunningCairn, request: pytest.FixtureRequest) -> Iterator[AppUnderTest]:
    """A creator of its own for this test, with the bot that `@pytest.mark.bot` names."""
    marker = request.node.get_closest_marker("bot")
    bot = cairn.bot_named(marker.args[0]) if marker else cairn.default_bot
    running = AppUnderTest(cairn, bot)
    yield running
    running.close()


@pytest.fixture
def telegram(app: AppUnderTest) -> Any:
    """People on Telegram; see `TelegramEmulator`."""
    return app.connect("telegram")


@pytest.fixture
def slack(app: AppUnderTest) -> Any:
    """People in a Slack workspace; see `SlackEmulator`."""
    return app.connect("slack")


@pytest.fixture
def sms(app: AppUnderTest) -> Any:
    """People who text a number; see `SmsEmulator`."""
    return app.connect("sms")


@pytest.fixture
def web(app: AppUnderTest) -> Any:
    """Visitors of the web chat; see `WebVisitors`."""
    return app.connect("web")


def _own_folder(root: Path) -> Path | None:
    has_some = (root / "bots").is_dir() or (root / "adapters").is_dir()
    return root if has_some and root != ROOT else None


def _stands_in(bot: Bot, folder: Path) -> bool:
    return bot.folder is not None and bot.folder.resolve().is_relative_to(folder.resolve())
