"""`cairn serve` and `cairn worker`: the two processes of a production, against engines by URL."""

import asyncio
from typing import Annotated

import typer

from core.cli.gateway import address, bind, on_stop_signal, serving
from core.runtime import Runtime, open_runtime
from core.worker import Worker
from migrations import runner
from shared import telemetry
from shared.errors import ConfigurationError
from shared.settings import Settings, load_settings
from shared.tenancy import audit_catalog, check_schema, refuse_strong_role


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 picks one.")] = 8000,
) -> None:
    """Run one gateway. Many may run, on any machine that reaches the engines."""
    asyncio.run(_serve(_production_settings(), host, port))


def worker() -> None:
    """Run one worker. Many may run, on any machine that reaches the engines."""
    asyncio.run(_work(_production_settings()))


def _production_settings() -> Settings:
    settings = load_settings()
    for name, value in (
        ("CAIRN_DATABASE__URL", settings.database.url),
        ("CAIRN_DATABASE__DISPATCH_URL", settings.database.dispatch_url),
        ("CAIRN_CHROMA__URL", settings.chroma.url),
        ("CAIRN_SECRET_KEYS", settings.secret_keys),
    ):
        if value is None:
            raise ConfigurationError(f"{name} is not set; `cairn dev` needs no settings")
    if settings.database.migrate_url is not None:
        raise ConfigurationError(
            "CAIRN_DATABASE__MIGRATE_URL must not be in a server's environment;"
            " set it for `cairn migrate` only"
        )
    telemetry.configure(settings.telemetry)
    return settings


async def check_boot(runtime: Runtime) -> None:
    """Refuse to run as a role row level security doesn't bind, or on a schema that was tampered."""
    async with runtime.database.lookup() as connection:
        await refuse_strong_role(connection)
        await check_schema(connection, runner.head())
        problems = await audit_catalog(connection)
    if problems:
        raise ConfigurationError(f"isolation is broken: {problems[0]}; see `cairn doctor`")
    async with runtime.database.dispatch() as connection:
        mend = "connect as cairn_dispatch in CAIRN_DATABASE__DISPATCH_URL"
        await refuse_strong_role(connection, may_join=(), mend=mend)


async def _serve(settings: Settings, host: str, port: int) -> None:
    listener = bind(host, port)
    stopped = asyncio.Event()
    on_stop_signal(stopped.set)
    async with open_runtime(settings) as runtime:
        await check_boot(runtime)
        async with serving(runtime, listener):
            typer.echo(f"ready {address(listener)}")
            await stopped.wait()


async def _work(settings: Settings) -> None:
    async with open_runtime(settings) as runtime:
        await check_boot(runtime)
        running = Worker(runtime)
        on_stop_signal(running.stop)
        typer.echo("ready")
        await running.run()
