"""Pages come from the open internet only, whatever their address, name or redirect says."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from core.rag.fetch import Fetcher, OpenInternet
from shared.errors import InvalidInput
from shared.utils.addresses import IPAddress

PRIVATE = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f.0.0.1/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://127.0.0.1./",
    "http://%31%32%37.0.0.1/",
    "http://１２７.0.0.1/",
    "http://127。0。0。1/",
    "http://0/",
    "http://0.0.0.0/",
    "http://10.1.2.3/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://198.18.0.1/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[fe80::1]/",
    "http://[fc00::1]/",
    "http://[ff02::1]/",
    "http://localhost/",
    "http://LOCALHOST./",
    "http://printer.local/",
    "http://db.internal/",
    "http://intranet/",
    "http://user:pass@example.org/",
    "http://user@example.org/",
    "http://example.org@127.0.0.1/",
    "http://example.org:8080/",
    "https://example.org:22/",
    "http://example.org:99999/",
]


@pytest.mark.parametrize("url", PRIVATE)
async def test_a_private_address_is_refused_however_it_is_written(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Fetcher().check(url)
    assert caught.value.detail_code == "url_not_public"
    with pytest.raises(InvalidInput) as caught:
        await Fetcher().fetch(url)
    assert caught.value.detail_code == "url_not_public"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "data:text/plain,hello",
        "http://",
        "http:///x",
        "http://ex ample.org/",
        "http://exa\x00mple.org/",
        "http://[::1",
        "http://example.org/" + "x" * 2000,
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Fetcher().check(url)
    assert caught.value.detail_code == "bad_url"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://Example.org/a#b", "https://example.org/a"),
        ("http://example.org:80/a?b=c", "http://example.org/a?b=c"),
        ("http://münchen.example/", "http://xn--mnchen-3ya.example/"),
        ("http://93.184.216.34/", "http://93.184.216.34/"),
        ("http://[2606:4700::1111]/", "http://[2606:4700::1111]/"),
    ],
)
def test_a_public_address_is_written_in_one_way(url: str, expected: str) -> None:
    assert Fetcher().check(url) == expected


@dataclass
class Site:
    """A web server on this machine that answers with bytes as a test wrote them."""

    port: int = 0
    answers: dict[str, bytes] = field(default_factory=dict)
    seen: list[bytes] = field(default_factory=list)
    forever: Callable[[asyncio.StreamWriter], Awaitable[None]] | None = None

    def url(self, path: str = "/", host: str = "coach.example") -> str:
        return f"http://{host}:{self.port}{path}"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.seen.append(head)
            path = head.split(b" ")[1].decode()
            if path in self.answers:
                writer.write(self.answers[path])
                await writer.drain()
            elif self.forever:
                await self.forever(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with _serving() as one:
        yield one


@asynccontextmanager
async def _serving() -> AsyncIterator[Site]:
    one = Site()
    server = await asyncio.start_server(one.answer, "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    async with server:
        yield one


def body(content: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Type: text/html; charset=utf-8", *headers]
    return ("\r\n".join([*lines, "", ""])).encode() + content


def moved(location: str) -> bytes:
    return body(b"", f"Location: {location}", "Content-Length: 0", status="302 Found")


class ThisMachine(OpenInternet):
    """This machine stands in for one host of the open internet; all else is the real guard."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses or ("127.0.0.1",)
        self.lookups = 0

    def allows(self, host: str, port: int) -> bool:
        return host == "coach.example" or super().allows(host, port)

    def allows_address(self, address: IPAddress) -> bool:
        return str(address) in ("127.0.0.1", "127.0.0.9") or super().allows_address(address)

    async def resolve(self, host: str, _port: int) -> Sequence[str]:
        assert host == "coach.example", f"{host} was looked up"
        self.lookups += 1
        return self.addresses


def fetcher(seconds: float = 30.0) -> Fetcher:
    return Fetcher(ThisMachine(), seconds=seconds)


async def test_a_page_is_fetched_by_its_name(site: Site) -> None:
    site.answers["/a%20b.html"] = body(gzip.compress(b"<p>hello"), "Content-Encoding: gzip")
    page = await fetcher().fetch(site.url("/a b.html"))
    assert (page.data, page.filename, page.encoding) == (b"<p>hello", "a b.html", "utf-8")
    assert f"host: coach.example:{site.port}".encode() in site.seen[0].lower()


async def test_redirects_are_followed_and_counted(site: Site) -> None:
    site.answers |= {f"/{n}": moved(f"/{n + 1}") for n in range(6)} | {"/5": body(b"here")}
    assert (await fetcher().fetch(site.url("/0"))).data == b"here"
    site.answers["/5"] = moved("/6")
    with pytest.raises(InvalidInput) as caught:
        await fetcher().fetch(site.url("/0"))
    assert caught.value.detail_code == "url_unreachable"
    assert len(site.seen) == 12


@pytest.mark.parametrize("target", PRIVATE)
async def test_a_redirect_into_our_network_is_refused(site: Site, target: str) -> None:
    site.answers["/"] = moved(target)
    with pytest.raises(InvalidInput) as caught:
        await fetcher().fetch(site.url())
    assert caught.value.detail_code == "url_not_public"
    assert len(site.seen) == 1


@pytest.mark.parametrize(
    "addresses",
    [["10.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["::1"], ["::ffff:10.0.0.1"], ["fe80::1%eth0"]],
    ids=str,
)
async def test_a_name_that_leads_into_our_network_is_refused(addresses: list[str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        await Fetcher(_Named(*addresses)).fetch("http://coach.example/")
    assert caught.value.detail_code == "url_not_public"


class _Named(OpenInternet):
    """The real guard, with names of our own."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    async def resolve(self, _host: str, _port: int) -> Sequence[str]:
        return self.addresses


async def test_a_name_is_looked_up_once_and_connected_to_as_it_was_checked(site: Site) -> None:
    class Rebinding(ThisMachine):
        async def resolve(self, host: str, port: int) -> Sequence[str]:
            first = await super().resolve(host, port)
            return first if self.lookups == 1 else ["127.0.0.2"]

    site.answers["/"] = body(b"checked")
    guard = Rebinding()
    assert (await Fetcher(guard).fetch(site.url())).data == b"checked"
    assert guard.lookups == 1


async def test_an_address_that_is_away_leaves_it_to_the_next(site: Site) -> None:
    site.answers["/"] = body(b"second")
    guard = ThisMachine("127.0.0.9", "127.0.0.1")
    assert (await Fetcher(guard).fetch(site.url())).data == b"second"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (body(b"x" * (10 * 2**20 + 1)), "too_large"),
        (body(gzip.compress(bytes(51 * 2**20)), "Content-Encoding: gzip"), "too_complex"),
        (body(gzip.compress(b"x" * 999)[:-9], "Content-Encoding: gzip"), "unreadable_document"),
        (body(b"not packed", "Content-Encoding: gzip"), "unreadable_document"),
        (body(b"x", "Content-Encoding: br"), "unreadable_document"),
        (body(b"x", status="404 Not Found"), "url_unreachable"),
        (body(b"x", status="500 No"), "url_unreachable"),
        (body(b"x", "Content-Length: 99"), "url_unreachable"),
        (b"garbage\r\n\r\n", "url_unreachable"),
        (b"", "url_unreachable"),
    ],
    ids=["wire", "bomb", "cut", "not gzip", "br", "404", "500", "short", "garbage", "nothing"],
)
async def test_a_body_out_of_bounds_is_a_typed_error(site: Site, answer: bytes, code: str) -> None:
    site.answers["/"] = answer
    with pytest.raises(InvalidInput) as caught:
        await fetcher().fetch(site.url())
    assert caught.value.detail_code == code


async def _drip(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def _flood(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()


async def _silence(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


@pytest.mark.parametrize(
    ("behaviour", "seconds", "code"),
    [
        (_drip, 0.5, "url_timeout"),
        (_silence, 0.5, "url_timeout"),
        (_flood, 30.0, "too_large"),
    ],
)
async def test_slow_and_endless_pages_are_left(
    behaviour: Callable[[asyncio.StreamWriter], Awaitable[None]], seconds: float, code: str
) -> None:
    async with _serving() as site:
        site.forever = behaviour
        with pytest.raises(InvalidInput) as caught:
            await fetcher(seconds).fetch(site.url())
        assert caught.value.detail_code == code


async def test_a_host_that_is_away_is_a_typed_error(closed_port: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        await fetcher().fetch(f"http://coach.example:{closed_port}/")
    assert caught.value.detail_code == "url_unreachable"
    with pytest.raises(InvalidInput) as caught:
        await Fetcher().fetch("http://nowhere.invalid/")
    assert caught.value.detail_code == "url_unreachable"
