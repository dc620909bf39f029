"""`cairn dev`: engines, schema, a demo, gateway and worker in one process; Ctrl-C stops it all."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Annotated

import asyncpg
import typer
from fastapi import FastAPI
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from core.cli.boot import check_boot
from core.cli.context import (
    DATABASE,
    DEFAULT_DATA_DIR,
    DataDir,
    embedded_settings,
    prepare_database,
    write_private,
)
from core.cli.gateway import address, bind, serving
from core.cli.signals import on_stop_signal
from core.files import ingest_file
from core.loader import load_emulators
from core.runtime import Runtime, extra_folders, open_runtime
from core.seed import DEMO_BOT, DEMO_CREATOR, Demo, handbook, seed_demo
from core.simulator import routes as simulator
from core.simulator.stage import Stage
from core.worker import Worker
from migrations import runner
from shared import telemetry
from shared.embedded import EmbeddedEngines, EngineUrls
from shared.settings import Settings, load_settings

API_KEY_FILE = "demo-api-key"
SEEDED_FILE = "demo-seeded"
LOG_FILE = "cairn.log"
DAY_SECONDS = 86_400.0

console = Console(highlight=False)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def dev(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 picks one.")] = 8000,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    seed: Annotated[bool, typer.Option(help="Make the demo creator on the first start.")] = True,
) -> None:
    """Run all of Cairn on this machine, with engines of its own; nothing else is needed."""
    asyncio.run(_dev(load_settings(), host, port, data_dir, seed))


async def _dev(settings: Settings, host: str, port: int, data_dir: Path, seed: bool) -> None:
    listener = bind(host, port)
    stopped = asyncio.Event()
    on_stop_signal(stopped.set)
    if "public_base_url" not in settings.model_fields_set:
        settings = settings.model_copy(update={"public_base_url": address(listener)})
    async with _runtime(settings, data_dir, stopped) as runtime:
        demo = await _seed(runtime, data_dir) if seed and not stopped.is_set() else None
        if demo is not None:
            runtime.settings.default_channel = demo.route_key
        worker = Worker(runtime)
        async with (
            _simulator(runtime, demo, address(listener)) as extend,
            asyncio.TaskGroup() as group,
            serving(runtime, listener, extend=extend),
        ):
            group.create_task(worker.run())
            await _welcome(runtime, address(listener), data_dir, demo)
            await stopped.wait()
            console.print("Stopping…")
            worker.stop()


@asynccontextmanager
async def _runtime(
    settings: Settings, data_dir: Path, stopped: asyncio.Event
) -> AsyncIterator[Runtime]:
    engines = EmbeddedEngines(data_dir, progress=console.print)
    with console.status("Starting PostgreSQL, Redis and Chroma…"):
        urls = await engines.__aenter__()
    try:
        # Logs go to a file: the terminal is for people.
        telemetry.configure(settings.telemetry, file=data_dir / "logs" / LOG_FILE)
        with console.status("Preparing the database…"):
            await prepare_database(urls)
        async with open_runtime(embedded_settings(settings, urls, data_dir)) as runtime:
            await check_boot(runtime)
            months = asyncio.create_task(_keep_months(urls))
            try:
                yield runtime
            finally:
                months.cancel()
    finally:
        await engines.__aexit__(None, None, None)


async def _keep_months(urls: EngineUrls) -> None:
    """Make partitions ahead, for as long as this runs; elsewhere `cairn migrate` does it."""
    while True:
        await asyncio.sleep(DAY_SECONDS)
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await runner.make_months(urls.postgres_url("cairn_migrate", database=DATABASE))


@asynccontextmanager
async def _simulator(
    runtime: Runtime, demo: Demo | None, url: str
) -> AsyncIterator[Callable[[FastAPI], None]]:
    """What adds the emulated platforms to the gateway; nothing without a demo."""
    if demo is None:
        yield lambda app: None
        return
    stage = Stage(runtime, DEMO_CREATOR, url)
    emulators = load_emulators(extra_folders(runtime.settings))
    try:
        await stage.set(emulators, bot=DEMO_BOT, web_route=demo.route_key)
        yield partial(simulator.install, stage=stage)
    finally:
        await stage.time.close()
        for emulator in emulators.values():
            await emulator.close()


async def _seed(runtime: Runtime, data_dir: Path) -> Demo:
    demo = await seed_demo(runtime)
    if demo.api_key is not None:
        write_private(data_dir / API_KEY_FILE, demo.api_key + "\n")
    if not (data_dir / SEEDED_FILE).exists():
        await _read_handbook(runtime)
        write_private(data_dir / SEEDED_FILE, "")
    return demo


async def _read_handbook(runtime: Runtime) -> None:
    files = handbook(runtime)
    columns = (TextColumn("Reading the coaching handbook"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        for path in bar.track(files):
            if reason := await ingest_file(runtime, DEMO_CREATOR, path, "builtin"):
                console.print(f"{path.name}: {reason}")


async def _welcome(runtime: Runtime, url: str, data_dir: Path, demo: Demo | None) -> None:
    lines = ["", "[bold]Cairn is running.[/bold]", ""]
    if demo is not None:
        lines += [
            f"  Chat with the coach   {url}/",
            f"  All channels at once  {url}/simulator",
            f"  API key               {data_dir / API_KEY_FILE}",
        ]
    lines += [
        f"  REST API              {url}/openapi.json",
        f"  Log                   {data_dir / 'logs' / LOG_FILE}",
        f"  Language model        {await _model_line(runtime)}",
        "",
        "Ctrl-C stops it.",
        "",
    ]
    console.print("\n".join(lines))
    # The one line that scripts wait for, never wrapped or coloured.
    print(f"ready {url}", flush=True)  # noqa: T201


async def _model_line(runtime: Runtime) -> str:
    ollama = runtime.settings.ollama
    status = await runtime.models.status()
    if not status.reachable:
        where = ", ".join(runtime.models.hosts.addresses)
        return (
            "no Ollama at " + where + "; answers quote the handbook word for word."
            "\n                        To add one: install Ollama (ollama.com), then"
            f" `ollama pull {ollama.chat_model}`."
            "\n                        It is used as soon as it answers."
        )
    if not status.chat_model_present:
        return f"Ollama is there, without the model: `ollama pull {ollama.chat_model}`"
    return f"Ollama with {ollama.chat_model}"
