"""Addresses that a creator lets us call: never into our own network."""

import re
from urllib.parse import urlsplit

from shared.errors import InvalidInput
from shared.utils.addresses import is_private_host

MAX_URL = 500
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
    if is_private_host(host) and not is_private_host(urlsplit(public_base_url).hostname or ""):
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
