"""Fetch a page that a creator names: from the open internet only, within time and size.

A name is looked up once, every address that it has is checked, and the connection goes to one of
those: a name that changes its mind in between leads nowhere else. Each redirect is checked again.
"""

import asyncio
import ipaddress
import re
import socket
import ssl
import unicodedata
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from urllib.parse import unquote, urljoin, urlsplit

import httpx

from core.rag.reading.limits import MAX_DECODED_BYTES, MAX_UPLOAD_BYTES
from core.rag.reading.result import refused
from shared.errors import InvalidInput
from shared.utils.addresses import IPAddress, is_private_host, is_public

MAX_URL = 2000
MAX_REDIRECTS = 5
TOTAL_SECONDS = 30.0
CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
MAX_ADDRESSES = 3
_PORTS = (80, 443)
_PIECE = 65_536
_REDIRECTS = (301, 302, 303, 307, 308)
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9._-]{1,40})", re.IGNORECASE)
_HEADERS = {
    "User-Agent": "Cairn (knowledge of a coach)",
    "Accept": "text/html, text/markdown, text/plain, application/pdf, */*;q=0.1",
    "Accept-Encoding": "gzip, identity",
    "Connection": "close",
}


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A body without its content coding, with the charset that the server names."""

    data: bytes
    filename: str
    encoding: str


class OpenInternet:
    """What may be fetched. Another one lets a test stand on this machine."""

    def allows(self, host: str, port: int) -> bool:
        """Decided before any name is looked up."""
        return port in _PORTS and not is_private_host(host)

    def allows_address(self, address: IPAddress) -> bool:
        return is_public(address)

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """Every address of a host, as the system finds them."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [str(entry[4][0]) for entry in found]


class Fetcher:
    def __init__(
        self,
        guard: OpenInternet | None = None,
        *,
        seconds: float = TOTAL_SECONDS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._guard = guard or OpenInternet()
        self._seconds = seconds
        self._tls = tls

    def check(self, url: str) -> str:
        """The address as it will be asked for. Raises InvalidInput with the code `bad_url` or
        `url_not_public`; what a name leads to is seen only when it is fetched."""
        parsed = _parsed(url)
        if not self._guard.allows(parsed.host, _port(parsed)):
            raise _not_public()
        return str(parsed)

    async def fetch(self, url: str) -> Fetched:
        """Raises InvalidInput with the code `bad_url`, `url_not_public`, `url_unreachable`,
        `url_timeout`, `too_large`, `too_complex` or `unreadable_document`."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._follow(_parsed(url))
        except (TimeoutError, httpx.TimeoutException) as error:
            raise InvalidInput("the page did not come in time", code="url_timeout") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise _unreachable("the page cannot be reached") from error

    async def _follow(self, url: httpx.URL) -> Fetched:
        for _ in range(1 + MAX_REDIRECTS):
            async with self._answer(url) as response:
                if response.status_code not in _REDIRECTS:
                    return await _body(response, url)
                url = _parsed(urljoin(str(url), response.headers.get("Location", "")))
        raise _unreachable("the page is redirected too often")

    @asynccontextmanager
    async def _answer(self, url: httpx.URL) -> AsyncIterator[httpx.Response]:
        addresses = await self._checked(url)
        # Not a client: it would follow proxies of ours, and trip over odd redirects.
        async with httpx.AsyncHTTPTransport(
            verify=self._tls or _tls(), trust_env=False
        ) as transport:
            response = await _connected(transport, url, addresses)
            try:
                yield response
            finally:
                await response.aclose()

    async def _checked(self, url: httpx.URL) -> list[str]:
        """The addresses to connect to: all that the host has, and all of them allowed."""
        port = _port(url)
        if not self._guard.allows(url.host, port):
            raise _not_public()
        try:
            found = [str(ipaddress.ip_address(url.host))]
        except ValueError:
            found = list(await self._guard.resolve(url.host, port))
        addresses = [ipaddress.ip_address(one.partition("%")[0]) for one in found]
        if not addresses:
            raise _unreachable("the host has no address")
        if not all(map(self._guard.allows_address, addresses)):
            raise _not_public()
        return list(dict.fromkeys(map(str, addresses)))[:MAX_ADDRESSES]


def _parsed(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url.strip()).copy_with(fragment=None)
        host = parsed.raw_host.decode("ascii")
    except (httpx.InvalidURL, UnicodeError, ValueError, TypeError) as error:
        raise _misspelt(url) from error
    if len(url) > MAX_URL or parsed.scheme not in ("http", "https") or not _HOST.fullmatch(host):
        raise _misspelt(url)
    if parsed.userinfo:
        raise _not_public()
    return parsed


def _misspelt(url: str) -> InvalidInput:
    if _is_private_anyhow(url):
        return _not_public()
    return InvalidInput("this is no http:// or https:// address of a page", code="bad_url")


def _is_private_anyhow(url: str) -> bool:
    """Of spellings that we refuse: whether another reader would find this machine in them."""
    try:
        host = urlsplit(url.strip()).hostname or ""
    except ValueError:
        return False
    return bool(host) and is_private_host(unicodedata.normalize("NFKC", unquote(host)))


def _port(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


async def _connected(
    transport: httpx.AsyncHTTPTransport, url: httpx.URL, addresses: Sequence[str]
) -> httpx.Response:
    """The answer's head, from the first address that takes the connection."""
    for number, address in enumerate(addresses, 1):
        request = httpx.Request(
            "GET",
            url.copy_with(host=address),
            headers={**_HEADERS, "Host": url.netloc.decode("ascii")},
            extensions={
                # The certificate is checked against the name, not against the address.
                "sni_hostname": url.raw_host.decode("ascii"),
                "timeout": httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS).as_dict(),
            },
        )
        try:
            return await transport.handle_async_request(request)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            if number == len(addresses):
                raise
    raise _unreachable("the host has no address")


async def _body(response: httpx.Response, url: httpx.URL) -> Fetched:
    if response.status_code != 200:
        raise _unreachable(f"the page's server answers {response.status_code}")
    body = bytearray()
    async for piece in response.aiter_raw(_PIECE):
        body += piece
        if len(body) > MAX_UPLOAD_BYTES:
            raise refused("too_large")
    coding = response.headers.get("Content-Encoding", "identity").strip().lower()
    charset = _CHARSET.search(response.headers.get("Content-Type", ""))
    return Fetched(
        data=await asyncio.to_thread(_decoded, bytes(body), coding),
        filename=unquote(url.path.rsplit("/", 1)[-1])[:200],
        encoding=charset[1] if charset else "",
    )


def _decoded(body: bytes, coding: str) -> bytes:
    if coding in ("", "identity"):
        return body
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise refused("unreadable_document")
    # 32: either of the two wrappers, as it is found.
    unpacker = zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)
    try:
        decoded = unpacker.decompress(body, MAX_DECODED_BYTES + 1)
    except zlib.error as error:
        raise refused("unreadable_document") from error
    if len(decoded) > MAX_DECODED_BYTES:
        raise refused("too_complex")
    if not unpacker.eof:
        raise refused("unreadable_document")
    return decoded


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


def _unreachable(message: str) -> InvalidInput:
    return InvalidInput(message, code="url_unreachable")


def _not_public() -> InvalidInput:
    return InvalidInput("this address is not on the open internet", code="url_not_public")
