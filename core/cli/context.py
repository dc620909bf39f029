"""Where a command finds its engines: the environment's, a running `cairn dev`'s, or its own."""

import base64
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from core.runtime import Runtime, open_runtime
from migrations import runner
from shared import telemetry
from shared.embedded import EmbeddedEngines, EngineUrls, running_urls
from shared.errors import ConfigurationError
from shared.settings import Settings, load_settings

DATABASE = "cairn"
KEYS_FILE = "secret-keys"

DataDir = Annotated[
    Path, typer.Option("--data-dir", help="Where the embedded engines keep their data.")
]
DEFAULT_DATA_DIR = Path(".cairn")


@asynccontextmanager
async def operating(data_dir: Path) -> AsyncIterator[Runtime]:
    """A runtime for one command, against the engines that are there, or ones started for it."""
    settings = load_settings()
    telemetry.configure(settings.telemetry.model_copy(update={"log_level": "ERROR"}))
    async with AsyncExitStack() as stack:
        if settings.database.url is None:
            urls = running_urls(data_dir)
            if urls is None:
                urls = await stack.enter_async_context(EmbeddedEngines(data_dir))
                await prepare_database(urls)
            settings = embedded_settings(settings, urls, data_dir)
        yield await stack.enter_async_context(open_runtime(settings))


async def prepare_database(urls: EngineUrls) -> None:
    """Roles, database and newest schema on embedded engines; quick when all is there already."""
    await runner.bootstrap(urls.postgres_admin, DATABASE)
    await runner.prepare(urls.postgres_url("postgres", database=DATABASE), DATABASE)
    await runner.migrate(urls.postgres_url("cairn_migrate", database=DATABASE))


def embedded_settings(settings: Settings, urls: EngineUrls, data_dir: Path) -> Settings:
    """The settings with the embedded engines' addresses and the data folder's own keys."""
    database = settings.database.model_copy(
        update={
            "url": SecretStr(urls.postgres_url("cairn_app", database=DATABASE)),
            "dispatch_url": SecretStr(urls.postgres_url("cairn_dispatch", database=DATABASE)),
        }
    )
    redis = settings.redis.model_copy(update={"url": settings.redis.url or SecretStr(urls.redis)})
    chroma = settings.chroma.model_copy(update={"url": settings.chroma.url or urls.chroma})
    keys = settings.secret_keys or SecretStr(_own_keys(data_dir))
    return settings.model_copy(
        update={"database": database, "redis": redis, "chroma": chroma, "secret_keys": keys}
    )


def write_private(path: Path, content: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = path.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
    draft.replace(path)


def _own_keys(data_dir: Path) -> str:
    path = data_dir / KEYS_FILE
    if not path.exists():
        key = base64.b64encode(secrets.token_bytes(32)).decode()
        write_private(path, f"k1:{key}\n")
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
