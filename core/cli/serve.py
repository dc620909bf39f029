"""`cairn serve`: one gateway of a production, against engines by address."""

import asyncio
from typing import Annotated

import typer

from core.cli.boot import check_boot, production_settings
from core.cli.gateway import address, bind, serving
from core.cli.signals import on_stop_signal
from core.runtime import open_runtime
from shared.settings import Settings

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 picks one.")] = 8000,
) -> None:
    """Run one gateway. Many may run, on any machine that reaches the engines."""
    asyncio.run(_serve(production_settings(), host, port))


async def _serve(settings: Settings, host: str, port: int) -> None:
    listener = bind(host, port)
    stopped = asyncio.Event()
    on_stop_signal(stopped.set)
    async with open_runtime(settings) as runtime:
        await check_boot(runtime)
        async with serving(runtime, listener):
            typer.echo(f"ready {address(listener)}")
            await stopped.wait()
