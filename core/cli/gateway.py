"""Serve the gateway in this process; bound first, so that a port in use is told at once."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator

import uvicorn
from fastapi import FastAPI

from core.api.app import create_app
from core.cli.protocol import BoundedHttp
from core.runtime import Runtime
from shared.errors import ConfigurationError

# An event stream never ends by itself: what is still open after this long is cut, and resumes.
GRACE_SECONDS = 3
BACKLOG = 512


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ConfigurationError with what to do when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        reason = (error.strerror or "cannot be used").lower()
        raise ConfigurationError(
            f"{host}:{port}: {reason}; choose another port with --port"
        ) from error
    return listener


def address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling: the command decides the order of stopping."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serving(
    runtime: Runtime,
    listener: socket.socket,
    *,
    extend: Callable[[FastAPI], None] = lambda app: None,
) -> AsyncIterator[None]:
    """Answer requests while the block runs; then finish those in flight.

    `extend` may add to the application before it serves.
    """
    app = create_app(runtime)
    extend(app)
    server = _Server(
        uvicorn.Config(
            app,
            http=BoundedHttp,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
            server_header=False,
        )
    )
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn has only a flag
        await asyncio.sleep(0.01)
    if task.done():
        await task
    try:
        yield
    finally:
        app.state.streams.close_all()
        server.should_exit = True
        await task
