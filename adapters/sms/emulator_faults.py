"""What can go wrong with a call to the emulated API, or with a message after it, scripted."""

import asyncio
from dataclasses import dataclass
from typing import Literal

from starlette.responses import HTMLResponse, JSONResponse, Response

from adapters.sms.emulator_rules import Refusal

FaultKind = Literal[
    "delay",  # wait `seconds`, then carry out
    "rate_limit",  # 429 with Retry-After = `seconds`
    "server_error",  # answer `status`, not carried out
    "server_error_after_accept",  # carried out, then answer `status`
    "drop_before",  # close the connection, not carried out
    "drop_after_accept",  # carried out, then close the connection
    "refused",  # 400 with Twilio's `code`
    # What becomes of an accepted message:
    "undelivered",  # sent, then undelivered with `code`
    "failed",  # failed with `code`
    "silent",  # no status callback ever comes
    "late",  # status callbacks wait for `release`
    "out_of_order",  # delivered comes before sent
    "duplicate",  # every status callback comes twice
]
WALKS: dict[str, tuple[str, ...]] = {
    "": ("sent", "delivered"),
    "undelivered": ("sent", "undelivered"),
    "failed": ("failed",),
    "silent": (),
    "late": ("sent", "delivered"),
    "out_of_order": ("delivered", "sent"),
    "duplicate": ("sent", "sent", "delivered", "delivered"),
}
"""The states that are reported of a message, by fault."""


@dataclass(kw_only=True)
class Fault:
    """After `skip` of them, the next `times` calls of `method` (to `chat`, if given) go wrong."""

    kind: FaultKind
    method: str = "messages.create"
    times: int = 1
    skip: int = 0
    chat: str | None = None
    seconds: float = 1
    status: int = 502
    code: int = 30003
    held: bool = False  # status callbacks wait for `release`
    silent: bool = False  # no status callback tells of a message that was accepted all the same

    def hits(self, method: str, chat: str) -> bool:
        is_meant = self.times > 0 and self.method == method and self.chat in (None, chat)
        if is_meant and self.skip:
            self.skip -= 1
            return False
        return is_meant


class Dropped(Exception):
    """The connection is to be closed without an answer."""


async def before(fault: Fault) -> Response | None:
    """What goes wrong before the call is carried out; a response takes its place."""
    match fault.kind:
        case "delay":
            await asyncio.sleep(fault.seconds)
        case "rate_limit":
            seconds = str(max(1, round(fault.seconds)))
            body = Refusal(20429, status=429).body()
            return JSONResponse(body, status_code=429, headers={"Retry-After": seconds})
        case "server_error":
            return _server_error(fault.status)
        case "drop_before":
            raise Dropped
        case "refused":
            raise Refusal(fault.code, fault.chat or "")
    return None


def after(fault: Fault) -> Response | None:
    """What goes wrong once the call is carried out."""
    if fault.kind == "drop_after_accept":
        raise Dropped
    return _server_error(fault.status) if fault.kind == "server_error_after_accept" else None


def _server_error(status: int) -> Response:
    """The API itself answers 500 in its JSON; 502 and 504 come from the proxy before it."""
    if status == 500:
        return JSONResponse(Refusal(20500, status=500).body(), status_code=500)
    return HTMLResponse("<html><h1>Bad Gateway</h1></html>", status_code=status)
