"""Where emulators answer: `/emulators/{name}/…` of one server, each as if it stood alone."""

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from core.emulators import Emulator
from core.simulator.wire import Wire

PREFIX = "/emulators/"


class Mounts:
    """Hands a request to the emulator its path names; the emulator sees only the rest of it."""

    def __init__(self, emulators: Mapping[str, Emulator], wires: Mapping[str, Wire]) -> None:
        self._emulators = emulators
        self._wires = wires

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name, _, _rest = scope["path"].removeprefix(PREFIX).partition("/")
        emulator = self._emulators.get(name)
        if emulator is None:
            await PlainTextResponse("no such emulator", 404)(scope, receive, send)
        elif _is_foreign_page(scope):
            await PlainTextResponse("not for other sites", 403)(scope, receive, send)
        else:
            inner = _without_prefix(scope, f"{PREFIX}{name}")
            wire = self._wires.get(name)
            if wire is None:
                await emulator(inner, receive, send)
            else:
                await wire.record(emulator, inner, receive, send, direction="out")


class WebhookTap:
    """Middleware that notes the webhooks of platforms that are simulated."""

    def __init__(self, app: ASGIApp, *, wires: Mapping[str, Wire]) -> None:
        self._app = app
        self._wires = wires

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wire = None
        if scope["type"] == "http" and scope["path"].startswith("/webhooks/"):
            wire = self._wires.get(scope["path"].split("/")[2])
        if wire is None:
            await self._app(scope, receive, send)
        else:
            await wire.record(self._app, scope, receive, send, direction="in")


def _without_prefix(scope: Scope, prefix: str) -> Scope:
    path = scope["path"].removeprefix(prefix) or "/"
    raw = scope.get("raw_path") or b""
    raw_path = raw.removeprefix(prefix.encode()) or b"/"
    return {**scope, "path": path, "raw_path": raw_path, "root_path": "", "app_root_path": ""}


def _is_foreign_page(scope: Scope) -> bool:
    """A page of another site in this machine's browser; platforms' clients are no browsers."""
    return Headers(scope=scope).get("sec-fetch-site") == "cross-site" and scope["method"] != "GET"
