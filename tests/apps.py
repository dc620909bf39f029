"""People who talk to a whole Cairn in the test's process; `core.testing.apps` runs it."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from core.channels import (
    Account,
    ActionEvent,
    Address,
    ChannelEvent,
    MessageEvent,
    Sender,
    StartEvent,
)
from core.testing.apps import TURN_SECONDS, App, quick, running_app, working
from shared.utils.clock import utc_now

__all__ = ["TURN_SECONDS", "App", "Person", "Reply", "quick", "running_app", "working"]

_REPLIES = """
SELECT seq, author, text, payload, status, rung FROM app.messages
WHERE creator_id = $1 AND conversation_id = $2 AND direction = 'out' AND seq > $3 ORDER BY seq
"""


@dataclass(kw_only=True)
class Reply:
    text: str
    choices: dict[str, str]
    citations: list[dict[str, Any]]
    rung: str | None


@dataclass(kw_only=True)
class Person:
    """Someone on the web chat, without a browser: what they do becomes an accepted event."""

    app: App
    account: Account
    name: str = "Ada"
    key: str = field(default_factory=lambda: uuid4().hex)
    conversation_id: UUID | None = None
    seen: int = 0
    last: list[Reply] = field(default_factory=list)

    async def starts(self, payload: str = "") -> list[Reply]:
        return await self._does(StartEvent(payload=payload, **self._envelope()))

    async def says(self, text: str) -> list[Reply]:
        return await self._does(MessageEvent(text=text, **self._envelope()))

    async def picks(self, label: str) -> list[Reply]:
        """Tap a choice of the last replies."""
        offered = {k: v for reply in self.last for k, v in reply.choices.items()}
        return await self._does(ActionEvent(value=offered[label], **self._envelope()))

    async def _does(self, event: ChannelEvent) -> list[Reply]:
        accepted = await self.app.runtime.inbox.accept(event, conversation_key=self.key)
        self.conversation_id = accepted.conversation_id
        await self.app.drain()
        rows = await self.app.fetch(_REPLIES, self.conversation_id, self.seen)
        self.seen = rows[-1]["seq"] if rows else self.seen
        self.last = [_reply(row) for row in rows]
        return self.last

    def _envelope(self) -> dict[str, Any]:
        return {
            "creator_id": self.account.creator_id,
            "channel_id": self.account.channel_id,
            "external_id": uuid4().hex,
            "occurred_at": utc_now(),
            "address": Address(chat=self.key, person=self.key),
            "sender": Sender(address=self.key, name=self.name),
        }


def _reply(row: Any) -> Reply:
    return Reply(
        text=row["text"],
        choices={c["label"]: c["value"] for c in row["payload"].get("choices", [])},
        citations=row["payload"].get("citations", []),
        rung=row["rung"],
    )
