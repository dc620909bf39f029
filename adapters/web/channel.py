"""The web chat channel: no platform behind it, so nothing to verify and nothing to send."""

import re
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from adapters.web import parse as parsing
from core.channels import (
    Account,
    Address,
    Capabilities,
    ChannelEvent,
    InboundRequest,
    OutboundPart,
    Parsed,
    SendResult,
)
from shared.errors import ChannelError, InvalidInput, MessageRejected, VerificationError

# Letters beyond ASCII arrive as punycode, and nothing else may stand in a header of ours.
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|[0-9a-f:.]+")
MARKS = frozenset(("bold", "italic", "strike", "code", "pre", "link", "quote"))


class WebChannel:
    """What a visitor's page can show. `static_folder` holds the page and the widget."""

    name: ClassVar[str] = "web"
    capabilities: ClassVar[Capabilities] = Capabilities(
        max_text=100_000,
        marks=MARKS,
        buttons=12,
        button_value_bytes=2000,
        citations=True,
        typing_seconds=5.0,
        streaming="native",
        delivery="pull",
    )
    credential_names: ClassVar[frozenset[str]] = frozenset()
    static_folder: ClassVar[Path] = Path(__file__).resolve().parent / "static"

    def check_account(self, account: Account) -> None:
        origins = account.settings.get("allowed_origins", [])
        if not isinstance(origins, list) or not all(map(_is_origin, origins)):
            raise InvalidInput(
                "allowed_origins is a list of origins such as https://example.org",
                code="bad_allowed_origins",
            )

    async def verify(self, request: InboundRequest, account: Account) -> None:
        raise VerificationError("the web chat has no webhook")

    def parse(self, request: InboundRequest, account: Account) -> Parsed:
        return parsing.parse(request, account)

    def conversation(self, event: ChannelEvent) -> str:
        return event.sender.address

    async def send(self, to: Address, part: OutboundPart, account: Account) -> SendResult:
        raise MessageRejected("web chat pages fetch their messages; nothing is sent to them")

    def classify(self, error: Exception) -> ChannelError:
        return error if isinstance(error, ChannelError) else MessageRejected(type(error).__name__)

    async def close(self) -> None:
        """There is no client session."""


def _is_origin(value: object) -> bool:
    """A scheme and a host as a browser writes them: lower case, no path, no user, no wildcard."""
    if not isinstance(value, str) or len(value) > 300:
        return False
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return False
    host = parts.hostname or ""
    written = f"{parts.scheme}://{host}" + (f":{port}" if port else "")
    return parts.scheme in ("http", "https") and bool(_HOST.fullmatch(host)) and written == value


def create_adapter() -> WebChannel:
    return WebChannel()
