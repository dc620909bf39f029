"""The chat page, the embeddable page and the widget: files of the web channel, safely framed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import FileResponse, Response

from core.api.chat_access import WEB
from core.api.deps import RuntimeDep, check_route_key
from core.api.origins import allowed_origins
from core.runtime import Runtime
from shared.errors import NotFound

router = APIRouter(include_in_schema=False)

# no-cache: kept, but asked for again each time, so that a new version shows at once.
CACHE = "no-cache"
MEDIA_TYPES: Mapping[str, str] = {
    ".css": "text/css",
    ".html": "text/html",
    ".ico": "image/x-icon",
    ".js": "text/javascript",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}


def content_policy(frame_ancestors: list[str], *, form_action: str = "'none'") -> str:
    """A Content-Security-Policy under which only files of ours run."""
    ancestors = " ".join(frame_ancestors) or "'none'"
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
        " img-src 'self' data:; font-src 'self'; manifest-src 'self'; base-uri 'none';"
        f" form-action {form_action}; frame-ancestors {ancestors}"
    )


@router.api_route("/", methods=["GET", "HEAD"])
async def read_page(runtime: RuntimeDep) -> Response:
    """The chat page; `?channel=` names a web channel other than this server's own."""
    return _file(runtime, "index.html", {"Content-Security-Policy": content_policy([])})


@router.api_route("/embed", methods=["GET", "HEAD"])
async def read_embedded_page(
    runtime: RuntimeDep, channel: Annotated[str | None, Query(max_length=200)] = None
) -> Response:
    """The same page for a frame; only pages on the channel's allow-list may hold it."""
    route_key = channel or runtime.settings.default_channel
    if not route_key:
        raise NotFound
    record = await runtime.accounts.by_route(WEB, check_route_key(route_key))
    ancestors = ["'self'", *allowed_origins(record.account)]
    return _file(
        runtime,
        "index.html",
        {
            "Content-Security-Policy": content_policy(ancestors),
            "Cross-Origin-Opener-Policy": "unsafe-none",
        },
    )


@router.api_route("/widget.js", methods=["GET", "HEAD"])
async def read_widget(runtime: RuntimeDep) -> Response:
    """One script tag on another site loads this."""
    return _file(runtime, "widget.js", {"Cross-Origin-Resource-Policy": "cross-origin"})


@router.api_route("/favicon.ico", methods=["GET", "HEAD"])
async def read_icon(runtime: RuntimeDep) -> Response:
    return _file(runtime, "icon.svg", {})


@router.api_route("/static/{path:path}", methods=["GET", "HEAD"])
async def read_static(path: str, runtime: RuntimeDep) -> Response:
    return _file(runtime, path, {})


def _file(runtime: Runtime, path: str, headers: Mapping[str, str]) -> Response:
    folder = getattr(runtime.channels.get(WEB), "static_folder", None)
    if not isinstance(folder, Path):
        raise NotFound
    return file_response(folder, path, headers)


def file_response(folder: Path, path: str, headers: Mapping[str, str]) -> Response:
    """A file below `folder`. Raises NotFound for anything else, whatever `path` holds."""
    file = (folder / path).resolve() if "\x00" not in path else folder
    media_type = MEDIA_TYPES.get(file.suffix)
    if media_type is None or not file.is_relative_to(folder) or not _exists(file):
        raise NotFound
    return FileResponse(file, media_type=media_type, headers={"Cache-Control": CACHE, **headers})


def _exists(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError:  # longer than the file system takes a name
        return False
