"""What can go wrong with a call to the emulated Bot API, scripted."""

import asyncio
from dataclasses import dataclass
from typing import Literal

from starlette.responses import HTMLResponse, JSONResponse, Response

from adapters.telegram.emulator_rules import Refusal

FaultKind = Literal[
    "delay",  # wait `seconds`, then carry out
    "rate_limit",  # 429 with retry_after = `seconds`
    "server_error",  # answer `status`, not carried out
    "server_error_after_accept",  # carried out, then answer `status`
    "drop_before",  # close the connection, not carried out
    "drop_after_accept",  # carried out, then close the connection
    "blocked",  # 403
    "migrate",  # 400 with migrate_to_chat_id = `new_chat`
]


@dataclass(kw_only=True)
class Fault:
    """The next `times` calls of `method` (to `chat`, if given) go wrong."""

    kind: FaultKind
    method: str = "sendMessage"
    times: int = 1
    chat: str | None = None
    seconds: float = 1
    status: int = 502
    new_chat: int = 0

    def hits(self, method: str, chat: str) -> bool:
        return (
            self.times > 0 and self.method.lower() == method.lower() and self.chat in (None, chat)
        )


class Dropped(Exception):
    """The connection is to be closed without an answer."""


async def before(fault: Fault) -> Response | None:
    """What goes wrong before the call is carried out; a response takes its place."""
    match fault.kind:
        case "delay":
            await asyncio.sleep(fault.seconds)
        case "rate_limit":
            seconds = max(1, round(fault.seconds))
            raise Refusal(
                429, f"Too Many Requests: retry after {seconds}", {"retry_after": seconds}
            )
        case "server_error":
            return _server_error(fault.status)
        case "drop_before":
            raise Dropped
        case "blocked":
            raise Refusal(403, "Forbidden: bot was blocked by the user")
        case "migrate":
            raise Refusal(
                400,
                "Bad Request: group chat was upgraded to a supergroup chat",
                {"migrate_to_chat_id": fault.new_chat},
            )
    return None


def after(fault: Fault) -> Response | None:
    """What goes wrong once the call is carried out."""
    if fault.kind == "drop_after_accept":
        raise Dropped
    return _server_error(fault.status) if fault.kind == "server_error_after_accept" else None


def _server_error(status: int) -> Response:
    """The API itself answers 500 in its JSON; 502 and 504 come from the proxy before it."""
    if status == 500:
        return JSONResponse(Refusal(500, "Internal Server Error").body(), status_code=500)
    return HTMLResponse("<html><h1>Bad Gateway</h1></html>", status_code=status)
