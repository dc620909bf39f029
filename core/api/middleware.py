"""Around every request: a correlation id, safe headers, no traceback; and limits for bodies.

Plain ASGI, because wrapping each response in another task and queue halves the hot path's speed.
"""

import asyncio
import re
import time
from collections.abc import Iterable

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.api.problems import from_error, unexpected
from shared import telemetry
from shared.errors import AppError, BodyTooSlow, PayloadTooLarge, UnsupportedEncoding
from shared.utils.ids import new_id

log = structlog.get_logger(__name__)

_REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
MEGABYTE = 1024 * 1024
DEFAULT_BODY_BYTES = MEGABYTE
UPLOAD_BODY_BYTES = 12 * MEGABYTE
BODY_SECONDS = 20.0  # the longest silence inside a body
UPLOAD_PATHS = ("/api/v1/knowledge/documents", "/api/v1/contacts/import")

SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Edge:
    """Outermost: names the request, hardens the response, hides what nobody foresaw."""

    def __init__(self, app: ASGIApp, *, is_https: bool) -> None:
        self._app = app
        self._headers = dict(SAFE_HEADERS)
        if is_https:
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})
        request_id = _request_id(scope)
        started, has_started = time.perf_counter(), False

        async def send_safely(message: Message) -> None:
            nonlocal has_started
            if message["type"] == "http.response.start":
                has_started = True
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                # Also on errors: a chat page on another origin may read why it was refused.
                headers.update(scope["state"].get("cors_headers", {}))
                _observe(scope, message["status"], time.perf_counter() - started)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_safely)
            except ClientDisconnect:
                log.info("request.disconnected", path=_route(scope))
            except Exception as error:
                log.error("request.crashed", path=_route(scope), exc_info=error)
                if not has_started:
                    await unexpected()(scope, receive, send_safely)


class BodyLimit:
    """Refuses bodies that are too large while they stream in, and encoded ones before."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        limit = UPLOAD_BODY_BYTES if scope["path"] in UPLOAD_PATHS else DEFAULT_BODY_BYTES
        try:
            _check_headers(Headers(scope=scope), limit)
        except AppError as error:
            await from_error(error)(scope, receive, send)
            return
        await self._app(scope, _limited(receive, limit), send)


def _limited(receive: Receive, limit: int) -> Receive:
    """`receive` for a body of at most `limit` bytes, each piece of which comes in time."""
    seen, is_whole = 0, False

    async def receive_limited() -> Message:
        nonlocal seen, is_whole
        # After the body only the client's leaving is waited for, however long that takes.
        try:
            async with asyncio.timeout(None if is_whole else BODY_SECONDS):
                message = await receive()
        except TimeoutError as error:
            raise BodyTooSlow from error
        seen += len(message.get("body", b""))
        is_whole = not message.get("more_body", False)
        if seen > limit:
            raise PayloadTooLarge
        return message

    return receive_limited


def _check_headers(headers: Headers, limit: int) -> None:
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise UnsupportedEncoding
    length = headers.get("content-length", "0")
    if length.isascii() and length.isdecimal() and (len(length) > 15 or int(length) > limit):
        raise PayloadTooLarge


def _request_id(scope: Scope) -> str:
    sent = _header(scope["headers"], b"x-request-id").decode("latin-1")
    return sent if _REQUEST_ID.fullmatch(sent) else new_id().hex


def _header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes:
    return next((value for key, value in headers if key == name), b"")


def _route(scope: Scope) -> str:
    # The pattern, not the path: paths hold route keys and would grow the metrics without end.
    return str(getattr(scope.get("route"), "path", "unknown"))


def _observe(scope: Scope, status: int, seconds: float) -> None:
    telemetry.REQUESTS.labels(_route(scope), str(status)).observe(seconds)
