"""`cairn worker`: one worker of a production, against engines by address."""

import asyncio

import typer

from core.cli.boot import check_boot, production_settings
from core.cli.signals import on_stop_signal
from core.runtime import open_runtime
from core.worker import Worker
from shared.settings import Settings

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def worker() -> None:
    """Run one worker. Many may run, on any machine that reaches the engines."""
    asyncio.run(_work(production_settings()))


async def _work(settings: Settings) -> None:
    async with open_runtime(settings) as runtime:
        await check_boot(runtime)
        running = Worker(runtime)
        on_stop_signal(running.stop)
        typer.echo("ready")
        await running.run()
