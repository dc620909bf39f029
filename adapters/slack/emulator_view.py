"""A stored message as Slack's own app shows it. Pure."""

from collections.abc import Iterator
from typing import Any

from adapters.slack.emulator_mrkdwn import (
    Names,
    Reading,
    read_markdown,
    read_mrkdwn,
    read_rich_text,
    read_text_object,
    unescaped,
)
from adapters.slack.emulator_rules import Json
from adapters.slack.emulator_state import EmulatedWorkspace, Room
from core.emulators import Bubble, Button

SHOWN = 300
_EMOJI = {
    "+1": "👍",
    "thumbsup": "👍",
    "-1": "👎",
    "heart": "❤️",
    "tada": "🎉",
    "eyes": "👀",
    "white_check_mark": "✅",
    "smile": "😄",
    "fire": "🔥",
    "rocket": "🚀",
    "raised_hands": "🙌",
    "pray": "🙏",
}


def bubbles(room: Room, workspace: EmulatedWorkspace, viewer: str) -> tuple[Bubble, ...]:
    """The newest messages of a room as this person sees it, oldest first."""
    seen = [m for m in room.messages.values() if m.get("ephemeral_to") in (None, viewer)]
    return tuple(bubble(message, workspace) for message in seen[-SHOWN:])


def bubble(message: Json, workspace: EmulatedWorkspace) -> Bubble:
    is_bot = bool(message.get("bot_id"))
    is_notice = message.get("subtype") == "assistant_app_thread"
    reading = _reading(message, workspace.display_name)
    thread = message.get("thread_ts")
    return Bubble(
        id=message["ts"],
        author="bot" if is_bot else "notice" if is_notice else "person",
        name=workspace.display_name(str(message.get("user", ""))),
        text=reading.text,
        marks=tuple(reading.marks),
        buttons=tuple(
            Button(label=_plain(element.get("text")), value=str(element.get("value", "")))
            for element in buttons(message)
        ),
        context=(
            *_context(message, workspace.display_name),
            *(("Only visible to you",) if "ephemeral_to" in message else ()),
        ),
        images=tuple(_images(message)),
        thread=thread if thread and thread != message["ts"] else None,
        edited="edited" in message,
        growing=message.get("streaming_state") == "in_progress",
        reactions=tuple(_reactions(message)),
        at=float(message["ts"]),
    )


def buttons(message: Json) -> list[Json]:
    """Every button of a message, top to bottom, each with the id of its block."""
    return [
        {**element, "block_id": block.get("block_id", "")}
        for block in message.get("blocks") or []
        for element in _elements(block)
        if element.get("type") == "button" and not element.get("url")
    ]


def _elements(block: Json) -> Iterator[Json]:
    if block.get("type") == "actions":
        yield from block.get("elements", [])
    elif isinstance(block.get("accessory"), dict):
        yield block["accessory"]


def _reading(message: Json, names: Names) -> Reading:
    """Blocks take the place of the text, which is then for notifications only."""
    shown = [reading for block in message.get("blocks") or [] if (reading := _block(block, names))]
    if not shown:
        text = str(message.get("text", ""))
        is_markdown = message.get("markdown")
        return read_markdown(text) if is_markdown else read_mrkdwn(text, names)
    whole = Reading()
    for reading in shown:
        if whole.text:
            whole.add("\n")
        whole.take(reading)
    return whole


def _block(block: Json, names: Names) -> Reading | None:
    match block.get("type"):
        case "section":
            return _section(block, names)
        case "rich_text":
            return read_rich_text(block, names)
        case "markdown":
            return read_markdown(str(block.get("text", "")))
        case "header":
            heading = Reading()
            heading.add(_plain(block.get("text")), "bold")
            return heading
        case "divider":
            return Reading("———")
        case "table":
            return _table(block, names)
    return None


def _section(block: Json, names: Names) -> Reading:
    reading = read_text_object(block.get("text"), names)
    for text in block.get("fields") or []:
        if reading.text:
            reading.add("\n")
        reading.take(read_text_object(text, names))
    return reading


def _table(block: Json, names: Names) -> Reading:
    rows = [" | ".join(_cell(cell, names) for cell in row) for row in block.get("rows", [])]
    table = Reading()
    table.add("\n".join(rows), "pre")
    return table


def _cell(cell: Json, names: Names) -> str:
    if cell.get("type") == "rich_text":
        return read_rich_text(cell, names).text
    return str(cell.get("text", ""))


def _context(message: Json, names: Names) -> Iterator[str]:
    for block in message.get("blocks") or []:
        if block.get("type") == "context":
            for element in block.get("elements", []):
                if element.get("type") != "image":
                    yield read_text_object(element, names).text


def _images(message: Json) -> Iterator[str]:
    for block in message.get("blocks") or []:
        if block.get("type") == "image" and block.get("image_url"):
            yield str(block["image_url"])


def _reactions(message: Json) -> Iterator[str]:
    for reaction in message.get("reactions", []):
        name = str(reaction["name"])
        yield _EMOJI.get(name, f":{name}:")


def _plain(value: Any) -> str:
    return unescaped(str(value.get("text", ""))) if isinstance(value, dict) else ""
