"""Which web pages may use a chat: our own, and those on the channel's allow-list."""

from urllib.parse import urlsplit

from core.channels import Account
from shared.errors import Forbidden

ALLOWED_HEADERS = "Authorization, Content-Type, Last-Event-ID"
PREFLIGHT_SECONDS = 600


def check_origin(
    origin: str | None, *, host: str, public_base_url: str, account: Account
) -> dict[str, str]:
    """The CORS headers for this origin: none for our own. Raises Forbidden for a foreign one.

    Browsers leave Origin out of same-origin GET requests, and other programs out of all, so a
    missing one is allowed: the visitor's token, not the origin, is the credential.
    """
    if origin is None or origin == own_origin(public_base_url) or _is_host(origin, host):
        return {}
    if origin not in allowed_origins(account):
        raise Forbidden("This page may not use this chat; see the channel's allowed_origins.")
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Headers": ALLOWED_HEADERS,
        "Access-Control-Allow-Methods": "GET, POST",
        "Access-Control-Expose-Headers": "Retry-After, X-Request-ID",
        "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Vary": "Origin",
    }


def allowed_origins(account: Account) -> list[str]:
    """The origins that the creator lets embed this channel."""
    origins = account.settings.get("allowed_origins") or []
    return [str(origin) for origin in origins]


def own_origin(public_base_url: str) -> str:
    parts = urlsplit(public_base_url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _is_host(origin: str, host: str) -> bool:
    # Whole strings are compared: `https://chat.example.org.evil.test` is another origin.
    return bool(host) and origin.lower() in (f"http://{host.lower()}", f"https://{host.lower()}")
