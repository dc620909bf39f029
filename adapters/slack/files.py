"""Fetch what a person sent: from Slack's file host only, with the workspace's token.

https://docs.slack.dev/messaging/working-with-files
"""

import re
from collections.abc import AsyncIterator
from urllib.parse import urljoin, urlsplit

import aiohttp

from shared.errors import ChannelError, PermissionDenied

FILE_HOSTS = frozenset({"files.slack.com"})
FILE_SECONDS = 60.0
READ_SECONDS = 10.0
CHUNK_BYTES = 64 * 2**10
MAX_REDIRECTS = 3
_TEAM = re.compile(r"/files-(?:pri|tmb)/(T[A-Z0-9]+)-")


def team_of(ref: str) -> str | None:
    """The workspace a file belongs to, as its address tells."""
    found = _TEAM.search(urlsplit(ref).path)
    return found[1] if found else None


def is_ours(url: str, api_base_url: str | None) -> bool:
    """Whether the token may be shown there: files at Slack's file host, or the stand-in's own.

    A redirect to a sign-in page leads elsewhere, or out of the files.
    """
    try:
        parts = urlsplit(url)
        base = urlsplit(api_base_url or "")
        where = (parts.scheme, parts.hostname, parts.port)
        if parts.username or parts.password or not parts.path.startswith("/files"):
            return False
        if api_base_url and where == (base.scheme, base.hostname, base.port):
            return True
    except ValueError:
        return False
    return parts.scheme == "https" and parts.hostname in FILE_HOSTS and parts.port in (None, 443)


async def download(
    session: aiohttp.ClientSession, url: str, token: str, api_base_url: str | None
) -> AsyncIterator[bytes]:
    """The file's bytes in pieces. Raises ChannelError for what isn't a file of Slack's."""
    timeout = aiohttp.ClientTimeout(total=FILE_SECONDS, sock_read=READ_SECONDS, sock_connect=5.0)
    for _ in range(MAX_REDIRECTS + 1):
        if not is_ours(url, api_base_url):
            raise PermissionDenied("The file is not at Slack.", code="file_elsewhere")
        async with session.get(
            url,
            headers={"Authorization": f"Bearer {token}"},
            allow_redirects=False,
            timeout=timeout,
        ) as response:
            if 300 <= response.status < 400:
                url = urljoin(url, response.headers.get("Location", ""))
                continue
            _check(response, url)
            async for piece in response.content.iter_chunked(CHUNK_BYTES):
                yield piece
            return
    raise ChannelError("The file's address leads in circles.", code="file_redirects")


def _check(response: aiohttp.ClientResponse, url: str) -> None:
    if response.status != 200:
        raise ChannelError(
            f"Slack answered HTTP {response.status} for a file.", code="file_refused"
        )
    # Without the scope Slack shows its sign-in page, as a success.
    is_page = response.content_type == "text/html"
    if is_page and not urlsplit(url).path.endswith((".html", ".htm")):
        raise PermissionDenied("The token may not read files (files:read).", code="file_denied")
