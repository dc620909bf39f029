"""What can go wrong with a call to the emulated Web API, scripted."""

import asyncio
from dataclasses import dataclass
from typing import Literal

from starlette.responses import HTMLResponse, JSONResponse, Response

from adapters.slack.emulator_rules import Refusal, rate_limited

FaultKind = Literal[
    "delay",  # wait `seconds`, then carry out
    "rate_limit",  # 429 with Retry-After: `seconds`
    "server_error",  # answer `status`, not carried out
    "server_error_after_accept",  # carried out, then answer `status`
    "drop_before",  # close the connection, not carried out
    "drop_after_accept",  # carried out, then close the connection
    "error",  # {"ok": false, "error": `error`}
]


@dataclass(kw_only=True)
class Fault:
    """The next `times` calls of `method` (to `channel`, if given) go wrong."""

    kind: FaultKind
    method: str = "chat.postMessage"
    times: int = 1
    channel: str | None = None
    seconds: float = 1
    status: int = 504
    error: str = "internal_error"

    def hits(self, method: str, channel: str) -> bool:
        return self.times > 0 and self.method == method and self.channel in (None, channel)


class Dropped(Exception):
    """The connection is to be closed without an answer."""


async def before(fault: Fault) -> Response | None:
    """What goes wrong before the call is carried out; a response takes its place."""
    match fault.kind:
        case "delay":
            await asyncio.sleep(fault.seconds)
        case "rate_limit":
            raise rate_limited(fault.seconds)
        case "error":
            raise Refusal(fault.error)
        case "server_error":
            return _server_error(fault.status)
        case "drop_before":
            raise Dropped
    return None


def after(fault: Fault) -> Response | None:
    """What goes wrong once the call is carried out."""
    if fault.kind == "drop_after_accept":
        raise Dropped
    return _server_error(fault.status) if fault.kind == "server_error_after_accept" else None


def _server_error(status: int) -> Response:
    """The API answers 500 and 503 in its JSON; other gateway errors come from the proxy before."""
    if status in (500, 503):
        error = "internal_error" if status == 500 else "service_unavailable"
        return JSONResponse({"ok": False, "error": error}, status_code=status)
    return HTMLResponse("<html><body>upstream error</body></html>", status_code=status)
