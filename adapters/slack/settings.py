"""What a Slack channel needs before it is saved: credentials that look right, known settings."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from core.channels import Account
from shared.errors import InvalidInput

_BOT_TOKEN = re.compile(r"xoxb-[A-Za-z0-9-]{4,500}")
_APP_TOKEN = re.compile(r"xapp-[A-Za-z0-9-]{4,500}")
_SIGNING_SECRET = re.compile(r"[0-9A-Za-z]{16,128}")
_CLIENT_ID = re.compile(r"[0-9]{1,30}\.[0-9]{1,30}")
_CLIENT_SECRET = re.compile(r"[0-9A-Za-z]{8,128}")
_PREFIX = re.compile(r"[a-z0-9_-]{0,20}")
MODES = ("webhook", "socket")
CHANNEL_MESSAGES = ("mentions", "all")


def check_account(account: Account) -> None:
    """Raise InvalidInput, without showing a secret, when the account can't work."""
    given = account.credentials
    _check(given, "signing_secret", _SIGNING_SECRET, "Basic Information shows it.", required=True)
    _check(given, "bot_token", _BOT_TOKEN, "It begins with xoxb-.")
    _check(given, "client_id", _CLIENT_ID, "Basic Information shows it.")
    _check(given, "client_secret", _CLIENT_SECRET, "Basic Information shows it.")
    is_socket = account.settings.get("mode") == "socket"
    _check(given, "app_token", _APP_TOKEN, "It begins with xapp-.", required=is_socket)
    if bool(given.get("client_id")) != bool(given.get("client_secret")):
        raise InvalidInput("client_id and client_secret belong together.")
    if not given.get("bot_token") and not given.get("client_id"):
        raise InvalidInput("Give a bot_token, or client_id and client_secret to install by.")
    _check_settings(account)


def _check(
    given: Mapping[str, str],
    name: str,
    pattern: re.Pattern[str],
    hint: str,
    *,
    required: bool = False,
) -> None:
    value = given.get(name, "")
    if (value or required) and not pattern.fullmatch(value):
        raise InvalidInput(f"{name} does not look like one. {hint}")


def _check_settings(account: Account) -> None:
    if account.settings.get("mode", "webhook") not in MODES:
        raise InvalidInput('mode must be "webhook" or "socket".')
    if account.settings.get("channel_messages", "mentions") not in CHANNEL_MESSAGES:
        raise InvalidInput('channel_messages must be "mentions" or "all".')
    if not _PREFIX.fullmatch(str(account.settings.get("command_prefix") or "")):
        raise InvalidInput("command_prefix must be up to 20 lower case letters, digits, - or _.")
    if account.api_base_url is not None:
        _check_base_url(account.api_base_url)


def _check_base_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname)
        is_valid = is_valid and parts.port != 0 and not parts.username and not parts.password
        (parts.hostname or "").encode("idna")
    except ValueError:  # of which UnicodeError is one
        is_valid = False
    # A query or fragment would swallow the method's name.
    if not is_valid or re.search(r"[{}?#\s]", url):
        raise InvalidInput("api_base_url must be a plain http(s) address of a Slack Web API.")
