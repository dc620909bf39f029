"""The connection goes to an address that was checked; the certificate must be the name's."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from core.rag.fetch import Fetcher, OpenInternet
from shared.errors import InvalidInput
from shared.utils.addresses import IPAddress
from tests.core.rag.certificates import Authority

NAME = "coach.example"
OTHER = "other.example"
PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello"
MOVED = b"HTTP/1.1 302 Found\r\nLocation: https://other.example:%d/\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Site:
    """A server on this machine: which names were asked for, and what was said to it in private."""

    port: int = 0
    answer: bytes = PAGE
    names: list[str | None] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)

    def url(self, host: str = NAME) -> str:
        return f"https://{host}:{self.port}/"

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self.answer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def serving(tls: ssl.SSLContext) -> AsyncIterator[Site]:
    site = Site()
    tls.sni_callback = lambda _socket, name, _context: site.names.append(name)
    server = await asyncio.start_server(site.talk, "127.0.0.1", 0, ssl=tls)
    site.port = server.sockets[0].getsockname()[1]
    async with server:
        yield site


class Here(OpenInternet):
    """Every name leads to this machine, which stands in for the open internet."""

    def allows(self, host: str, port: int) -> bool:
        return True

    def allows_address(self, address: IPAddress) -> bool:
        return address.is_loopback

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def refused(fetcher: Fetcher, url: str) -> Exception:
    """That the certificate is what was refused; the caller is told only that there is no page."""
    with pytest.raises(InvalidInput) as caught:
        await fetcher.fetch(url)
    assert caught.value.detail_code == "url_unreachable"
    cause = caught.value.__cause__
    assert isinstance(cause, Exception)
    assert "CERTIFICATE_VERIFY_FAILED" in str(cause)
    return cause


async def test_the_name_is_asked_for_and_verified_at_the_address_that_was_checked(
    authority: Authority,
) -> None:
    async with serving(authority.serving([NAME])) as site:
        page = await Fetcher(Here(), tls=authority.trusting()).fetch(site.url())
    assert page.data == b"hello"
    assert site.names == [NAME]
    assert f"host: {NAME}:{site.port}".encode() in site.heads[0].lower()


@pytest.mark.parametrize("names", [[OTHER], ["127.0.0.1"], [f"sub.{NAME}"], ["*.example.org"]])
async def test_a_certificate_that_is_not_the_names_is_refused_before_anything_is_said(
    authority: Authority, names: list[str]
) -> None:
    async with serving(authority.serving(names)) as site:
        cause = await refused(Fetcher(Here(), tls=authority.trusting()), site.url())
    assert "Hostname mismatch" in str(cause)
    assert (site.names, site.heads) == ([NAME], [])


async def test_a_certificate_that_has_run_out_is_refused(authority: Authority) -> None:
    async with serving(authority.serving([NAME], days=-1)) as site:
        cause = await refused(Fetcher(Here(), tls=authority.trusting()), site.url())
    assert "expired" in str(cause)
    assert site.heads == []


async def test_an_authority_that_the_machine_does_not_know_is_refused(
    authority: Authority,
) -> None:
    async with serving(authority.serving([NAME])) as site:
        await refused(Fetcher(Here()), site.url())  # as it is in production
    assert site.heads == []


async def test_the_name_that_a_redirect_leads_to_is_verified_too(authority: Authority) -> None:
    async with serving(authority.serving([NAME])) as site:
        site.answer = MOVED % site.port
        await refused(Fetcher(Here(), tls=authority.trusting()), site.url())
    assert (site.names, len(site.heads)) == ([NAME, OTHER], 1)


async def test_an_address_is_verified_as_an_address(authority: Authority) -> None:
    async with serving(authority.serving(["127.0.0.1"])) as site:
        page = await Fetcher(Here(), tls=authority.trusting()).fetch(site.url("127.0.0.1"))
    assert page.data == b"hello"
