"""Fetch what a person sent: from Slack's file host only, with the workspace's token.

https://docs.slack.dev/messaging/working-with-files
"""

import re
from collections.abc import AsyncGenerator

import aiohttp
from yarl import URL

from shared.errors import ChannelError, NetworkError, PermissionDenied, RateLimited

FILE_HOST = "files.slack.com"
FILE_SECONDS = 60.0
READ_SECONDS = 10.0
CONNECT_SECONDS = 5.0
CHUNK_BYTES = 64 * 2**10
MAX_REDIRECTS = 3
_TEAM = re.compile(r"/files-(?:pri|tmb)/(T[A-Z0-9]+)-")


def team_of(ref: str) -> str | None:
    """The workspace a file belongs to, as its address tells."""
    found = _TEAM.search(ref)
    return found[1] if found else None


async def download(
    session: aiohttp.ClientSession, ref: str, token: str, api_base_url: str | None
) -> AsyncGenerator[bytes, None]:
    """The file's bytes in pieces. Raises ChannelError for what isn't a file of Slack's."""
    try:
        url = URL(ref)
        for _ in range(MAX_REDIRECTS + 1):
            _check_address(url, api_base_url)
            async with _get(session, url, token) as response:
                if not 300 <= response.status < 400:
                    _check_answer(response)
                    async for piece in response.content.iter_chunked(CHUNK_BYTES):
                        yield piece
                    return
                url = url.join(URL(response.headers.get("Location", "")))
    except ValueError:  # not an address at all
        raise _elsewhere() from None
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        # Without its cause: aiohttp's own errors hold the request's headers.
        raise NetworkError(f"The file did not come ({type(error).__name__}).") from None
    raise ChannelError("The file's address leads in circles.", code="file_redirects")


def _get(
    session: aiohttp.ClientSession, url: URL, token: str
) -> "aiohttp.client._RequestContextManager":
    return session.get(
        url,
        headers={"Authorization": f"Bearer {token}"},
        allow_redirects=False,
        timeout=aiohttp.ClientTimeout(
            total=FILE_SECONDS, sock_read=READ_SECONDS, sock_connect=CONNECT_SECONDS
        ),
    )


def _check_address(url: URL, api_base_url: str | None) -> None:
    """The token is shown to files at Slack's file host, or at the stand-in's own, only.

    A redirect to a sign-in page leads elsewhere, or out of the files. The address is read as the
    client reads it: two readers of one address may disagree about its host.
    """
    is_slack = (url.scheme, url.host, url.port) == ("https", FILE_HOST, 443)
    if api_base_url:
        base = URL(api_base_url)
        is_slack = is_slack or url.origin() == base.origin()
    if not is_slack or url.user or url.password or not url.path.startswith("/files"):
        raise _elsewhere()


def _elsewhere() -> PermissionDenied:
    return PermissionDenied("The file is not at Slack.", code="file_elsewhere")


def _check_answer(response: aiohttp.ClientResponse) -> None:
    status, said = response.status, f"Slack answered HTTP {response.status} for a file."
    if status == 429:
        raise RateLimited(said, retry_after=1.0)
    if status >= 500:
        raise NetworkError(said)
    if status in (401, 403):
        raise PermissionDenied(said, code="file_denied")
    if status != 200:
        raise ChannelError(said, code="file_gone")
    # Without the scope Slack shows its sign-in page, as a success.
    if response.content_type == "text/html" and not response.url.path.endswith((".html", ".htm")):
        raise PermissionDenied("The token may not read files (files:read).", code="file_denied")
