"""The command line against a test's own database, in this process so that it is measured."""

import asyncio
import importlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest
from typer.testing import CliRunner

from core.cli.app import COMMANDS
from shared.settings import Settings


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    error: BaseException | None


Cairn = Callable[..., Awaitable[Outcome]]


@pytest.fixture
def cairn(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Cairn:
    """Run `cairn ...` with the test's engines in the environment."""
    assert settings.database.url is not None
    assert settings.database.dispatch_url is not None
    assert settings.redis.url is not None
    assert settings.secret_keys is not None
    values = {
        "CAIRN_DATABASE__URL": settings.database.url.get_secret_value(),
        "CAIRN_DATABASE__DISPATCH_URL": settings.database.dispatch_url.get_secret_value(),
        "CAIRN_REDIS__URL": settings.redis.url.get_secret_value(),
        "CAIRN_CHROMA__URL": str(settings.chroma.url),
        "CAIRN_OLLAMA__HOST": settings.ollama.host,
        "CAIRN_SECRET_KEYS": settings.secret_keys.get_secret_value(),
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)

    async def run(name: str, *arguments: str, answers: str = "") -> Outcome:
        assert name in COMMANDS
        # A thread of its own: each command runs its own event loop.
        return await asyncio.to_thread(_invoke, name, list(arguments), answers)

    return run


def _invoke(name: str, arguments: list[str], answers: str) -> Outcome:
    app = importlib.import_module(f"core.cli.{name}").app
    result = CliRunner().invoke(app, arguments, input=answers)
    return Outcome(code=result.exit_code, out=result.output, error=result.exception)
