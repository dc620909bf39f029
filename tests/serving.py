"""Serve an ASGI application on a loopback port, for clients that need a real address."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from tests.waiting import eventually

START_SECONDS = 20.0


class _Server(uvicorn.Server):
    def install_signal_handlers(self) -> None:
        """The test runner keeps its own."""


@asynccontextmanager
async def serving(
    app: Any, *, lifespan: str = "auto", port: int = 0, websockets: bool = False
) -> AsyncIterator[str]:
    """`async with serving(app) as base_url:` runs uvicorn in this loop; port 0 is a free one."""
    listener = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(
        app,
        log_config=None,
        lifespan=lifespan,  # type: ignore[arg-type]
        timeout_graceful_shutdown=2,
        ws="websockets-sansio" if websockets else "none",
        access_log=False,
    )
    server = _Server(config)
    # `serve` would take over the process's signals.
    task = asyncio.create_task(server._serve(sockets=[listener]))
    try:
        await eventually(lambda: server.started or task.done(), timeout=START_SECONDS)
        if task.done():
            await task
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()
