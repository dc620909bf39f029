"""What can go wrong with a call to the emulated Bot API, scripted."""

from dataclasses import dataclass
from typing import Literal

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
