"""Addresses that a creator lets us call: never into our own network."""

import ipaddress
from urllib.parse import urlsplit

from shared.errors import InvalidInput

MAX_URL = 500
_LOCAL_NAMES = (".localhost", ".local", ".internal", ".home.arpa")


def check_api_base_url(url: object, *, public_base_url: str) -> None:
    """Raise InvalidInput unless a platform's API may live there.

    On an installation that is itself reached on this machine (`cairn dev`), neighbours on this
    machine are fine: that is how a bot is built against an emulator.
    """
    if not isinstance(url, str) or len(url) > MAX_URL:
        raise InvalidInput("api_base_url is an http(s) address", code="bad_api_base_url")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise InvalidInput("api_base_url is no address", code="bad_api_base_url") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise InvalidInput(
            "api_base_url is an http(s) address without user and password",
            code="bad_api_base_url",
        )
    if _is_private(parts.hostname) and not _is_private(urlsplit(public_base_url).hostname or ""):
        raise InvalidInput("api_base_url is not a public address", code="url_not_public")


def _is_private(host: str) -> bool:
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(_LOCAL_NAMES):
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        # 127.1, 0x7f.1 and 2130706433 are addresses too, as system resolvers read them: whatever
        # ends in a number. https://url.spec.whatwg.org/#ends-in-a-number-checker
        last = name.rsplit(".", 1)[-1]
        return last.isdecimal() or last.startswith("0x")
    mapped = getattr(address, "ipv4_mapped", None) or address
    return not mapped.is_global
