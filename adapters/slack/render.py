"""One part of a message as the arguments of chat.postMessage and chat.update. Pure."""

from typing import Any

from adapters.slack import blocks, mrkdwn
from core.channels import OutboundPart
from shared.messages import Attachment
from shared.richtext import RichText

EVENT_TYPE = "cairn_message"
_MAX_IMAGES = 10


def message(part: OutboundPart, *, images_as_links: bool = False) -> dict[str, Any]:
    """Blocks, a fallback text for notifications, and the marker by which the part is found."""
    images = () if images_as_links else part.attachments[:_MAX_IMAGES]
    body = blocks.rich_text(part.text)
    return {
        "text": _text(part),
        "blocks": [
            *([body] if body else []),
            *blocks.images(images),
            *_links([each for each in part.attachments if each not in images or not _shown(each)]),
            *blocks.choices(part.choices),
            *blocks.citations(part.citations),
        ],
        "metadata": marker(part),
        # chat.update reads "@here" and "#general" as calls unless told not to.
        "parse": "none",
    }


def text_only(text: RichText) -> dict[str, Any]:
    """An answer that isn't whole yet, as the arguments of a message."""
    body = blocks.rich_text(text)
    shown = mrkdwn.fallback(text)
    return {
        "text": shown if shown.strip() else "…",
        "blocks": [body] if body else [],
        "parse": "none",
    }


def marker(part: OutboundPart) -> dict[str, Any]:
    """Message metadata: nobody sees it, and history can be searched for it."""
    payload = {"message_id": str(part.message_id), "part": part.index}
    return {"event_type": EVENT_TYPE, "event_payload": payload}


def is_marked(found: dict[str, Any], part: OutboundPart) -> bool:
    """Whether a message of a channel's history is this part."""
    metadata = found.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("event_type") != EVENT_TYPE:
        return False
    payload = metadata.get("event_payload")
    if not isinstance(payload, dict):
        return False
    # Slack hands numbers back as they came, some proxies as text.
    is_part = str(payload.get("part", "")) == str(part.index)
    return is_part and payload.get("message_id") == str(part.message_id)


def _text(part: OutboundPart) -> str:
    text = mrkdwn.fallback(part.text)
    if text.strip():
        return text
    described = [each.description or each.name or each.url for each in part.attachments]
    labels = described or [choice.label for choice in part.choices]
    return mrkdwn.escape("\n".join(labels)) or "…"


def _shown(attachment: Attachment) -> bool:
    return attachment.kind == "image"


def _links(attachments: list[Attachment]) -> list[dict[str, Any]]:
    """What can't be shown, as something to click."""
    elements: list[dict[str, Any]] = []
    for attachment in attachments:
        label = attachment.name or attachment.description or attachment.url
        elements += [{"type": "link", "url": attachment.url, "text": label}]
        elements += [{"type": "text", "text": "\n"}]
    if not elements:
        return []
    section = {"type": "rich_text_section", "elements": elements[:-1]}
    return [{"type": "rich_text", "elements": [section]}]
