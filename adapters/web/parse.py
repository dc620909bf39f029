"""Turn what the chat page posts into events. Pure and total: strange shapes become Unsupported.

The gateway has read the visitor's signed token before; it hands the visitor over in a header that
it sets itself, and the page's own JSON as the body.
"""

import hashlib
from typing import Any

from core.channels import (
    Account,
    ActionEvent,
    Address,
    ChannelEvent,
    InboundRequest,
    MessageEvent,
    Parsed,
    Sender,
    StartEvent,
    Unsupported,
)
from shared.errors import InvalidInput
from shared.utils.json import parse_json

VISITOR_HEADER = "cairn-visitor"


def parse(request: InboundRequest, account: Account) -> Parsed:
    """One request is one event: a start, a message, or a tapped choice."""
    visitor = request.headers.get(VISITOR_HEADER, "")
    common: dict[str, Any] = {
        "creator_id": account.creator_id,
        "channel_id": account.channel_id,
        "occurred_at": request.received_at,
        "address": Address(chat=visitor or "unknown", person=visitor or "unknown"),
        "sender": Sender(address=visitor or "unknown"),
    }
    return Parsed(events=(_event(request, visitor, common),))


def _event(request: InboundRequest, visitor: str, common: dict[str, Any]) -> ChannelEvent:
    try:
        body = parse_json(request.body)
    except InvalidInput:
        body = None
    if not visitor or not isinstance(body, dict):
        return _unsupported(request, common)
    payload, external_id = body.get("start"), body.get("id")
    if isinstance(payload, str):
        return StartEvent(**common, external_id=f"start:{visitor}", payload=payload)
    if not isinstance(external_id, str) or not 1 <= len(external_id) <= 100:
        return _unsupported(request, common)
    # Each page makes its own ids: those of two visitors may be the same, by chance or on purpose.
    return _message(request, body, {**common, "external_id": f"{visitor}/{external_id}"})


def _message(request: InboundRequest, body: dict[str, Any], common: dict[str, Any]) -> ChannelEvent:
    text, action, message_id = body.get("text"), body.get("action"), body.get("message_id")
    if isinstance(action, str) and action:
        shown = message_id if isinstance(message_id, str) else None
        return ActionEvent(**common, value=action, message_external_id=shown)
    if isinstance(text, str) and text:
        return MessageEvent(**common, text=text)
    return _unsupported(request, common)


def _unsupported(request: InboundRequest, common: dict[str, Any]) -> Unsupported:
    digest = hashlib.sha256(request.body).hexdigest()
    return Unsupported(**{**common, "external_id": f"unsupported:{digest}"}, reason="unknown shape")
