"""Addresses that a creator lets us call: never into our own network."""

import ipaddress
import re
from urllib.parse import urlsplit

from shared.errors import InvalidInput

MAX_URL = 500
_LOCAL_NAMES = (".localhost", ".local", ".internal", ".home.arpa")
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")  # RFC 4291 §2.4, as assigned by IANA
# Other letters are folded by clients, each in its own way: `127。0。0。1` is this machine.
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")


def check_api_base_url(url: object, *, public_base_url: str) -> None:
    """Raise InvalidInput unless a platform's API may live there.

    On an installation that is itself reached on this machine (`cairn dev`), neighbours on this
    machine are fine: that is how a bot is built against an emulator.
    """
    host = _host_of(url)
    if not _HOST.fullmatch(host):
        raise InvalidInput(
            "write the host of api_base_url in plain letters (punycode)", code="bad_api_base_url"
        )
    if _is_private(host) and not _is_private(urlsplit(public_base_url).hostname or ""):
        raise InvalidInput("api_base_url is not a public address", code="url_not_public")


def _host_of(url: object) -> str:
    if not isinstance(url, str) or len(url) > MAX_URL:
        raise InvalidInput("api_base_url is an http(s) address", code="bad_api_base_url")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise InvalidInput("api_base_url is no address", code="bad_api_base_url") from error
    if parts.scheme not in ("http", "https") or parts.username is not None:
        raise InvalidInput(
            "api_base_url is an http(s) address without user and password",
            code="bad_api_base_url",
        )
    return parts.hostname or ""


def _is_private(host: str) -> bool:
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(_LOCAL_NAMES):
        return True
    try:
        return not _is_public(ipaddress.ip_address(name))
    except ValueError:
        # 127.1, 0x7f.1 and 2130706433 are addresses too, as system resolvers read them: whatever
        # ends in a number. https://url.spec.whatwg.org/#ends-in-a-number-checker
        last = name.rsplit(".", 1)[-1]
        # A name without a dot is one of our own network's.
        return last.isdecimal() or last.startswith("0x") or "." not in name


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        # Only what is given out: that leaves no room for an IPv4 address inside, but for 6to4.
        return address in _GLOBAL_UNICAST and address.is_global and address.sixtofour is None
    return address.is_global and not address.is_multicast
