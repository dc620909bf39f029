"""Fetching files where something is wrong: each failure is told, no token goes astray."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from adapters.slack.channel import SlackChannel
from adapters.slack.files import team_of
from shared.errors import ChannelError, NetworkError, PermissionDenied, RateLimited
from tests.adapters.slack.accounts import account_at


@pytest.fixture
async def host() -> AsyncIterator[str]:
    """`/files/status/<n>` answers so, `/files/to?<url>` redirects, `/files/cut` breaks off."""

    async def status(request: web.Request) -> web.Response:
        return web.Response(status=int(request.match_info["status"]), text="x")

    async def redirect(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": request.query_string})

    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<html>Sign in</html>", content_type="text/html")

    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return response

    app = web.Application()
    app.router.add_get("/files/status/{status}", status)
    app.router.add_get("/files/to", redirect)
    app.router.add_get("/files/page{end:.*}", page)
    app.router.add_get("/files/cut", cut)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address, port = runner.addresses[0][:2]
    yield f"http://{address}:{port}"
    await runner.cleanup()


async def fetch(host: str, path: str) -> bytes:
    channel = SlackChannel()
    try:
        pieces = channel.download(f"{host}/files/{path}", account_at(f"{host}/api/"))
        return b"".join([piece async for piece in pieces])
    finally:
        await channel.close()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("status/401", PermissionDenied),
        ("status/403", PermissionDenied),
        ("status/404", ChannelError),
        ("status/410", ChannelError),
        ("status/429", RateLimited),
        ("status/500", NetworkError),
        ("status/503", NetworkError),
        ("page", PermissionDenied),
        ("cut", NetworkError),
        ("to?https://evil.example/files/x", PermissionDenied),
        ("to?/sign-in", PermissionDenied),
        ("to?http://[", PermissionDenied),
        ("to?/files/to?/files/to?/files/to?/files/to?/files/to", ChannelError),
    ],
)
async def test_what_is_wrong_is_told(host: str, path: str, expected: type[ChannelError]) -> None:
    with pytest.raises(ChannelError) as refused:
        await fetch(host, path)

    assert type(refused.value) is expected


async def test_a_redirect_among_the_files_is_followed(host: str) -> None:
    assert await fetch(host, "to?/files/status/200") == b"x"


async def test_a_page_that_was_shared_is_a_file(host: str) -> None:
    assert await fetch(host, "page.html") == b"<html>Sign in</html>"


@pytest.mark.parametrize(
    ("ref", "team"),
    [
        ("https://files.slack.com/files-pri/T07WORKSPACE-F1/download/a.png", "T07WORKSPACE"),
        ("https://files.slack.com/files-tmb/T07WORKSPACE-F1-8d3f/a.mp4", "T07WORKSPACE"),
        ("https://files.slack.com/other", None),
    ],
)
def test_a_file_tells_its_workspace(ref: str, team: str | None) -> None:
    assert team_of(ref) == team
