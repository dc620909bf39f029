"""Fetch what people sent: from Twilio's API with our credentials, on to its file servers without.

https://www.twilio.com/docs/messaging/api/media-resource: the API answers with a redirect.
"""

import ipaddress
from collections.abc import AsyncGenerator
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from adapters.sms.client import CONNECT_SECONDS, OFFICIAL_API, basic_auth, tls
from core.channels import Account
from shared.errors import ChannelError, NetworkError, PermissionDenied

READ_SECONDS = 10.0
TOTAL_SECONDS = 30.0
MAX_REDIRECTS = 3
CHUNK_BYTES = 65_536
_REDIRECTS = (301, 302, 303, 307, 308)


class PublicOnly(AbstractResolver):
    """Finds hosts on the open internet, and no others, whatever a redirect names."""

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)  # type: ignore[arg-type]
        public = [result for result in found if _is_public(result["host"])]
        if not public:
            raise OSError("not a public address")
        return public

    async def close(self) -> None:
        await self._resolver.close()


async def download(ref: str, account: Account) -> AsyncGenerator[bytes, None]:
    """The bytes of one attachment. Raises ChannelError; never shows an address."""
    url = _at_api(ref, account)
    if not _is_api(url, account):
        raise PermissionDenied("The attachment is not on Twilio's API.")
    try:
        for _ in range(1 + MAX_REDIRECTS):
            async with _session(url, account) as session, _get(session, url, account) as response:
                if response.status in _REDIRECTS:
                    url = _checked(urljoin(url, response.headers.get("Location", "")), account)
                    continue
                if response.status != 200:
                    raise ChannelError(f"HTTP {response.status} for an attachment.")
                async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                    yield chunk
                return
        raise ChannelError("The attachment is redirected too often.")
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        failure = NetworkError(f"An attachment could not be fetched ({type(error).__name__}).")
    raise failure


def _session(url: str, account: Account) -> aiohttp.ClientSession:
    resolver = None if _is_api(url, account) else PublicOnly()
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=tls(), resolver=resolver),
        timeout=aiohttp.ClientTimeout(
            total=TOTAL_SECONDS, connect=CONNECT_SECONDS, sock_read=READ_SECONDS
        ),
    )


def _get(
    session: aiohttp.ClientSession, url: str, account: Account
) -> "aiohttp.client._RequestContextManager":
    given = account.credentials
    is_api = _is_api(url, account)
    headers = basic_auth(given["account_sid"], given["auth_token"]) if is_api else {}
    return session.get(url, headers=headers, allow_redirects=False)


def _at_api(ref: str, account: Account) -> str:
    """Twilio names its own host also where another one stands in for it."""
    parts = urlsplit(ref)
    if account.api_base_url and _origin(ref) == _origin(OFFICIAL_API):
        return f"{account.api_base_url.rstrip('/')}{parts.path}"
    return ref


def _is_api(url: str, account: Account) -> bool:
    return _origin(url) == _origin(account.api_base_url or OFFICIAL_API)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def _checked(url: str, account: Account) -> str:
    """A redirect's target: the API itself, or a public host over TLS."""
    parts = urlsplit(url)
    is_fine = parts.scheme == "https" and parts.username is None and bool(parts.hostname)
    if is_fine and _is_address(parts.hostname or ""):  # is never looked up, so never filtered
        is_fine = _is_public(parts.hostname or "")
    if not is_fine and not _is_api(url, account):
        raise PermissionDenied("An attachment's redirect leads to no public address.")
    return url


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_public(host: str) -> bool:
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    return (mapped or address).is_global and not address.is_multicast
