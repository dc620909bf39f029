"""An answer shown while it is written: Slack's own streams in threads, edits elsewhere.

A stream that Slack has closed (after five minutes, or by its reader) is written on by edits.
https://docs.slack.dev/reference/methods/chat.startStream
"""

import re
from collections.abc import Sequence
from typing import Any

from slack_sdk.errors import SlackApiError

from adapters.slack import render
from adapters.slack.client import SlackClient
from adapters.slack.envelope import is_direct
from adapters.slack.errors import code_of
from core.channels import Address, OutboundPart, SendResult
from shared.richtext import from_markdown

MAX_APPEND = 12_000  # characters of markdown_text in one call
_MAX_SHOWN = 3_900
"""Of an edit; the whole answer comes in parts once it is known."""
_CLOSED = ("message_not_in_streaming_state", "stopped_by_user", "streaming_state_conflict")
_REFUSED = (
    "channel_type_not_supported",
    "method_not_supported_for_channel_type",
    "missing_scope",
    "not_allowed",
    "not_allowed_token_type",
    "unknown_method",
)
_CALL = re.compile(r"<(?=[!@#])")
_WORD_JOINER = "\u2060"


async def start(api: SlackClient, to: Address, markdown: str) -> str:
    """The growing message's name: `channel:ts`, and `:edit` where Slack doesn't stream."""
    if to.thread and to.chat[:1] not in ("U", "W"):
        try:
            return await _start_native(api, to, markdown)
        except SlackApiError as error:
            if code_of(error) not in _REFUSED:
                raise
    response = await api.chat_postMessage(
        channel=to.chat,
        thread_ts=to.thread,
        unfurl_links=False,
        unfurl_media=False,
        **_shown(markdown),
    )
    return f"{response['channel']}:{response['ts']}:edit"


async def _start_native(api: SlackClient, to: Address, markdown: str) -> str:
    is_room = not is_direct(to.chat)
    first, *others = pieces(inert(markdown)) or [""]
    response = await api.chat_startStream(
        channel=to.chat,
        thread_ts=to.thread or "",
        markdown_text=first,
        recipient_team_id=to.space if is_room else None,
        recipient_user_id=to.person if is_room else None,
    )
    for piece in others:
        await api.chat_appendStream(channel=to.chat, ts=response["ts"], markdown_text=piece)
    return f"{response['channel'] or to.chat}:{response['ts']}"


async def grow(api: SlackClient, name: str, shown: str, markdown: str) -> None:
    """Append what is new; text that changed further up replaces the whole message."""
    channel, ts, is_edited = parted(name)
    old, new = inert(shown), inert(markdown)
    if new.startswith(old) and not is_edited:
        try:
            await _append(api, channel, ts, new[len(old) :])
            return
        except SlackApiError as error:
            if code_of(error) not in _CLOSED:
                raise
    elif not is_edited:
        await _stop(api, channel, ts)
    await api.chat_update(channel=channel, ts=ts, **_shown(markdown))


async def end(api: SlackClient, name: str, part: OutboundPart) -> SendResult:
    """Close the stream and make the message be the part, buttons and all. Safe to repeat."""
    channel, ts, is_edited = parted(name)
    if not is_edited:
        await _stop(api, channel, ts)
    await api.chat_update(channel=channel, ts=ts, **render.message(part))
    return SendResult(external_ids=(f"{channel}:{ts}",))


async def _append(api: SlackClient, channel: str, ts: str, text: str) -> None:
    for piece in pieces(text):
        await api.chat_appendStream(channel=channel, ts=ts, markdown_text=piece)


async def _stop(api: SlackClient, channel: str, ts: str) -> None:
    try:
        await api.chat_stopStream(channel=channel, ts=ts)
    except SlackApiError as error:
        if code_of(error) not in _CLOSED:
            raise


def pieces(text: str) -> Sequence[str]:
    return [text[start : start + MAX_APPEND] for start in range(0, len(text), MAX_APPEND)]


def parted(name: str) -> tuple[str, str, bool]:
    """(channel, ts, whether it grows by edits) of a growing message's name."""
    channel, ts, *mode = name.split(":")
    return channel, ts, mode == ["edit"]


def inert(markdown: str) -> str:
    """Nobody is called while the answer grows: a sign nobody sees stands in `<!channel>`.

    Growing text grows here too: what was sent stays a beginning of what is to be sent.
    """
    return _CALL.sub("<" + _WORD_JOINER, markdown)


def _shown(markdown: str) -> dict[str, Any]:
    """A growing answer as a message: its beginning, where it is longer than one may be."""
    text = from_markdown(markdown[:_MAX_SHOWN])
    return render.text_only(text)
