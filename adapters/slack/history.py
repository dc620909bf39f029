"""Look in a conversation's history for a part whose send had no answer.

https://docs.slack.dev/reference/methods/conversations.history
"""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from adapters.slack import render
from adapters.slack.client import SlackClient
from core.channels import Address, OutboundPart, SendResult
from shared.errors import ChannelError

PAGE_SIZE = 200
MAX_PAGES = 20
CLOCK_SECONDS = 60.0  # Slack's clock names messages, ours said when the send began


async def find(
    api: SlackClient, to: Address, part: OutboundPart, since: datetime
) -> SendResult | None:
    """The part's name; None only when all since then was read and it isn't there."""
    channel = await direct_channel(api, to.chat)
    oldest = f"{max(0.0, since.timestamp() - CLOCK_SECONDS):.6f}"
    async for found in _messages(api, channel, to.thread, oldest):
        if render.is_marked(found, part) and found.get("ts"):
            return SendResult(external_ids=(f"{channel}:{found['ts']}",))
    return None


async def direct_channel(api: SlackClient, chat: str) -> str:
    """A person's id as the conversation with them; all other ids stay."""
    if chat[:1] not in ("U", "W"):
        return chat
    response = await api.conversations_open(users=chat)
    channel = response["channel"]
    if not isinstance(channel, dict) or not isinstance(channel.get("id"), str):
        raise ChannelError("Slack opened a conversation without an id.")
    return str(channel["id"])


async def _messages(
    api: SlackClient, channel: str, thread: str | None, oldest: str
) -> AsyncIterator[dict[str, Any]]:
    """Every message since `oldest`. Raises ChannelError when there are too many to be sure."""
    cursor = ""
    for _ in range(MAX_PAGES):
        page = await _page(api, channel, thread, oldest, cursor)
        for message in page.get("messages") or ():
            if isinstance(message, dict):
                yield message
        metadata = page.get("response_metadata") or {}
        cursor = metadata.get("next_cursor") or ""
        if not cursor:
            if page.get("has_more"):
                break
            return
    raise ChannelError("Too much was written since to be sure.", code="history_too_long")


async def _page(
    api: SlackClient, channel: str, thread: str | None, oldest: str, cursor: str
) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "channel": channel,
        "oldest": oldest,
        "limit": PAGE_SIZE,
        "inclusive": True,
        "include_all_metadata": True,
    }
    if cursor:
        arguments["cursor"] = cursor
    if thread:
        response = await api.conversations_replies(ts=thread, **arguments)
    else:
        response = await api.conversations_history(**arguments)
    return response.data if isinstance(response.data, dict) else {}
